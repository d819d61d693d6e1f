"""Signing in to the dashboard: what a visitor sees before, with and after the password."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from access_types import Action
from rate_limits import RateLimiter
from settings import Settings, get_settings
from storage import Store
from tests.serving import ROOT
from views.sign_in import is_allowed

PASSWORD = "correct horse"  # noqa: S105


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    """The dashboard of a fresh store, behind a password."""
    monkeypatch.setenv("MONITOR_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MONITOR_DASHBOARD_PASSWORD", PASSWORD)
    monkeypatch.setattr("views.sign_in.ATTEMPTS", RateLimiter(per_minute=3))
    monkeypatch.setattr("views.sign_in._address", lambda: "10.0.0.9")
    monkeypatch.setattr("views.sign_in.FAILURE_SECONDS", 0.0)
    monkeypatch.setattr("jobs.ensure_runner", lambda _settings: None)
    monkeypatch.chdir(ROOT)
    get_settings.cache_clear()
    st.cache_resource.clear()
    yield AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    get_settings.cache_clear()
    st.cache_resource.clear()


def try_password(page: AppTest, password: str) -> None:
    """Type a password and send it."""
    page.text_input(key="sign_in.password").input(password)
    page.button[0].click().run()


def log_of(tmp_path: Path) -> list[Action]:
    """Return what the audit log tells, the newest first."""
    store = Store.open(Settings(data_dir=tmp_path))
    try:
        return [entry.action for entry in store.access.list_audit()]
    finally:
        store.close()


def test_nothing_is_shown_before_the_password(page: AppTest) -> None:
    """A visitor sees the question and nothing of the runs."""
    page.run()
    assert not page.exception
    assert [item.label for item in page.text_input] == ["Password"]
    assert len(page.button) == 1


def test_password_opens_and_sign_out_closes(page: AppTest, tmp_path: Path) -> None:
    """The right password shows the dashboard for this session; signing out ends that."""
    page.run()
    try_password(page, PASSWORD)
    assert not page.exception
    assert not page.text_input
    page.button(key="sign_in.out").click().run()
    assert [item.label for item in page.text_input] == ["Password"]
    assert log_of(tmp_path) == [Action.SIGNED_IN]


@pytest.mark.parametrize("wrong", ["", "Correct horse", "pässword", PASSWORD + " "])
def test_wrong_password_stays_out(page: AppTest, tmp_path: Path, wrong: str) -> None:
    """Anything else is refused, in any alphabet, and the audit log knows it."""
    page.run()
    try_password(page, wrong)
    assert "not the password" in page.error[0].value
    assert page.text_input
    assert log_of(tmp_path) == [Action.SIGN_IN_FAILED]


def test_guessing_is_slowed_down(page: AppTest) -> None:
    """After some attempts within a minute even the right password is not looked at."""
    page.run()
    for _ in range(3):
        try_password(page, "guess")
    try_password(page, PASSWORD)
    assert "Too many attempts" in page.error[0].value


def test_public_address_without_sign_in_is_refused(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started by hand on a public address, the dashboard shows why it stays closed."""
    monkeypatch.delenv("MONITOR_DASHBOARD_PASSWORD")
    monkeypatch.setattr("streamlit.get_option", lambda _name: "0.0.0.0")
    page.run()
    assert "MONITOR_DASHBOARD_PASSWORD" in page.error[0].value


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ({"is_logged_in": True, "email": "Ana@example.org"}, "dashboard"),
        ({"is_logged_in": True, "email": "bea@example.org"}, "may not use"),
        ({"is_logged_in": True, "email": "ana@example.org", "email_verified": False}, "may not"),
        ({"is_logged_in": True}, "may not use"),
        ({"is_logged_in": False}, "Sign in"),
    ],
)
def test_provider_says_who_and_operator_says_whether(
    page: AppTest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    user: dict[str, object],
    shown: str,
) -> None:
    """Of those whom a provider vouches for only the listed come in; the log names them."""
    monkeypatch.setenv("MONITOR_DASHBOARD_USERS", '["ana@example.org"]')
    monkeypatch.setattr("views.sign_in.oidc_is_configured", lambda: True)
    monkeypatch.setattr("streamlit.user", user)
    page.run()
    assert not page.exception
    seen = [item.value for item in page.error] + [item.label for item in page.button]
    assert any(shown in text for text in seen) == (shown != "dashboard")
    told = {"dashboard": [Action.SIGNED_IN], "Sign in": []}
    assert log_of(tmp_path) == told.get(shown, [Action.SIGN_IN_FAILED])


@pytest.mark.parametrize(
    ("email", "users", "allowed"),
    [
        ("ana@example.org", [], True),
        ("ana@example.org", ["Ana@Example.org"], True),
        ("bea@example.org", ["ana@example.org"], False),
        ("bea@example.org", ["@example.org"], True),
        ("bea@sub.example.org", ["@example.org"], False),
        ("bea@evil.org@example.org.evil", ["@example.org"], False),
        ("", ["@"], False),
    ],
)
def test_operator_chooses_who_may_come(email: str, users: list[str], allowed: bool) -> None:
    """Whole addresses and whole domains are compared, whatever their case."""
    assert is_allowed(email, users) is allowed
