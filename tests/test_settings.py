"""Settings come from the environment, are checked at the start and say what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from errors import InputError
from settings import Settings, load_settings


def test_defaults_are_local_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any setting both doors listen on the loopback address and SQLite is used."""
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    assert (settings.api_host, settings.dashboard_host) == ("127.0.0.1", "127.0.0.1")
    assert settings.url == f"sqlite:///{tmp_path}/data/monitor.db"


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable MONITOR_<NAME> sets the field of that name."""
    monkeypatch.setenv("MONITOR_API_PORT", "9123")
    monkeypatch.setenv("MONITOR_ALLOWED_HOSTS", '["monitor.example.org"]')
    settings = load_settings()
    assert settings.api_port == 9123
    assert settings.allowed_hosts == ["monitor.example.org"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MONITOR_API_PORT", "70000"),
        ("MONITOR_MODEL_POLICY", "anything"),
        ("MONITOR_SLOTS", "0"),
        ("MONITOR_RUN_SECONDS", "-1"),
        ("MONITOR_DATABASE_URL", "mysql://x"),
        ("MONITOR_DATA_DIR", __file__),
    ],
)
def test_wrong_values_are_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong value is refused with the variable's name and the value found."""
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=name) as caught:
        load_settings()
    assert value.rsplit("/", maxsplit=1)[-1] in str(caught.value)


def test_public_dashboard_needs_a_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dashboard refuses an address that others can reach unless people must sign in."""
    monkeypatch.setenv("MONITOR_DASHBOARD_HOST", "0.0.0.0")
    with pytest.raises(InputError, match="MONITOR_DASHBOARD_PASSWORD"):
        load_settings()
    monkeypatch.setenv("MONITOR_DASHBOARD_PASSWORD", "correct horse")
    assert load_settings().has_sign_in


def test_provider_is_a_sign_in_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A section [auth] in Streamlit's secrets serves as well; an unreadable file is named."""
    monkeypatch.setenv("MONITOR_DASHBOARD_HOST", "0.0.0.0")
    monkeypatch.setattr("settings.SECRETS", tmp_path / "secrets.toml")
    (tmp_path / "secrets.toml").write_text("[auth]\nclient_id = 'x'\n")
    assert load_settings().has_sign_in
    (tmp_path / "secrets.toml").write_text("[auth")
    with pytest.raises(InputError, match=r"secrets\.toml is no TOML"):
        load_settings()


def test_short_password_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that is too short is refused without repeating it."""
    monkeypatch.setenv("MONITOR_DASHBOARD_PASSWORD", "hunter2")
    with pytest.raises(InputError, match="MONITOR_DASHBOARD_PASSWORD") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_token_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token never appears when the settings are printed."""
    monkeypatch.setenv("MONITOR_API_TOKEN", "a-long-token")
    assert "a-long-token" not in repr(load_settings())


def test_every_setting_is_described() -> None:
    """Each field carries the sentence that the documentation shows."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
