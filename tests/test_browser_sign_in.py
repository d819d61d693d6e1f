"""Signing in through a real OpenID Connect provider, in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from access_types import Action
from settings import Settings
from storage import Store
from tests.browsing import assert_no_error_box, settle, visit
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, running_provider
from tests.serving import ROOT, Product, free_port, running_product

pytestmark = pytest.mark.browser

ANA, BEA = "ana@example.org", "bea@example.org"
NOT_COPIED = (".venv", ".git", "data", "tests", ".mypy_cache", ".ruff_cache", "__pycache__")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A copy of the product whose secrets name a provider that knows Ana and Bea; Ana may come."""
    folder = tmp_path_factory.mktemp("oidc")
    root = folder / "product"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*NOT_COPIED))
    port = free_port()
    with running_provider(ANA, BEA) as provider:
        (root / ".streamlit" / "secrets.toml").write_text(
            "[auth]\n"
            f'redirect_uri = "http://127.0.0.1:{port}/oauth2callback"\n'
            'cookie_secret = "a-long-random-text-of-the-operator"\n'
            f'client_id = "{CLIENT_ID}"\nclient_secret = "{CLIENT_SECRET}"\n'
            f'server_metadata_url = "{provider.issuer}/.well-known/openid-configuration"\n'
        )
        users = {"MONITOR_DASHBOARD_USERS": f'["{ANA}"]'}
        with running_product(
            folder / "data", root, MONITOR_DASHBOARD_PORT=str(port), **users
        ) as running:
            yield running


def sign_in(page: Page, product: Product, person: str) -> None:
    """Ask to be signed in and tell the provider who one is."""
    visit(page, product.dashboard)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name=person).click()
    page.wait_for_url(f"{product.dashboard}/**")
    settle(page)


def test_the_provider_vouches_and_the_operator_decides(product: Product, page: Page) -> None:
    """Ana comes in and goes out again; Bea, not on the list, stays out; the log names both."""
    sign_in(page, product, BEA)
    expect(page.get_by_text("may not use this dashboard")).to_be_visible()
    expect(page.get_by_role("heading", name="Try an example")).to_have_count(0)
    assert_no_error_box(page)
    page.get_by_role("button", name="Use another account").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    sign_in(page, product, ANA)
    expect(page.get_by_role("link", name="Runs")).to_be_visible()
    assert_no_error_box(page)
    page.reload()
    settle(page)
    expect(page.get_by_role("link", name="Runs")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.reload()
    settle(page)
    expect(page.get_by_role("link", name="Runs")).to_have_count(0)
    assert _told(product.data_dir) == {
        (f"user {BEA}", Action.SIGN_IN_FAILED),
        (f"user {ANA}", Action.SIGNED_IN),
    }


def test_a_forged_cookie_is_nobody(product: Product, page: Page) -> None:
    """A sign-in cookie that the operator's secret did not sign opens nothing."""
    forged = "2|1:0|10:1700000000|15:_streamlit_user|8:eyJhIjox|" + "0" * 64
    page.context.add_cookies(
        [{"name": "_streamlit_user", "value": forged, "url": product.dashboard}]
    )
    visit(page, product.dashboard)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.get_by_role("link", name="Runs")).to_have_count(0)


def _told(data_dir: Path) -> set[tuple[str, Action]]:
    store = Store.open(Settings(data_dir=data_dir))
    try:
        return {(entry.actor, entry.action) for entry in store.access.list_audit()}
    finally:
        store.close()
