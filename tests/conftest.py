"""Fixtures that several test modules share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import WorkerParent


@pytest.fixture(scope="session")
def workers() -> Iterator[WorkerParent]:
    """One warm parent of model processes for the whole session."""
    with WorkerParent() as parent:
        yield parent
