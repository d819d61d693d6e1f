"""Fixtures that several test modules share.

Every test in a browser uses ``page`` (or ``watched_page``): it proves at its end that nothing was
asked of the internet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from sandbox import WorkerParent
from tests.serving import Product, running_product

if TYPE_CHECKING:  # tests without a browser start a second sooner
    from playwright.sync_api import BrowserContext, Page

settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")  # a property holds however long an example takes


@pytest.fixture(scope="session")
def workers() -> Iterator[WorkerParent]:
    """One warm parent of model processes for the whole session."""
    with WorkerParent() as parent:
        yield parent


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Dashboard and API over an empty store, one for the tests of a module."""
    with running_product(tmp_path_factory.mktemp("product") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    """A light, wide window, one for the tests of a module."""
    from tests.browsing import open_browser

    with open_browser() as context:
        yield context


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    """A page of its own for each test, which may ask nothing of the internet."""
    from tests.browsing import watched_page

    with watched_page(browser) as page:
        yield page
