"""Requests that wait for runs wake when theirs has ended, and cost one look for all."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

import api_waiting
import jobs
from api_waiting import LOOK_SECONDS, EndWatch
from errors import NotFoundError
from report_types import RunRequest, RunStatus
from settings import Settings
from storage import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(Settings(data_dir=tmp_path))
    yield opened
    opened.close()


def queue(store: Store) -> str:
    sha256 = store.save_bytes(b"model", kind="model", name="m.pkl")
    return store.create_run(RunRequest(model_sha256=sha256, model_name="m.pkl"))


def test_each_waits_for_its_own_run(store: Store) -> None:
    """Of three that wait, the one whose run ends is told at once, the others in their time."""
    first, second, third = (queue(store) for _ in range(3))

    async def all_of_them() -> list[RunStatus]:
        ends = EndWatch(store)
        waits = [asyncio.create_task(ends.wait(run_id, 1.0)) for run_id in (first, second, third)]
        await asyncio.sleep(LOOK_SECONDS)
        store.fail_run(second, RunStatus.ERROR, "for the test")
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        assert done == {waits[1]}
        return [record.status for record in await asyncio.gather(*waits)]

    queued = RunStatus.QUEUED
    assert asyncio.run(all_of_them()) == [queued, RunStatus.ERROR, queued]


def test_who_comes_during_a_look_is_not_woken_by_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that begins to be waited for while the store answers about others is waited for."""
    first, second = queue(store), queue(store)
    looking, came = threading.Event(), threading.Event()
    unended = store.unended

    def slow(run_ids: Collection[str]) -> set[str]:
        looking.set()
        assert came.wait(20)
        return unended(run_ids)

    monkeypatch.setattr(store, "unended", slow)

    async def both() -> RunStatus:
        ends = EndWatch(store)
        others = asyncio.create_task(ends.wait(first, 20))
        await asyncio.to_thread(looking.wait, 20)
        ours = asyncio.create_task(ends.wait(second, 20))
        while len(ends._waiting) < 2:
            await asyncio.sleep(0.01)
        store.fail_run(first, RunStatus.ERROR, "for the test")
        came.set()
        await others
        store.fail_run(second, RunStatus.CANCELLED, "for the test")
        return (await ours).status

    assert asyncio.run(both()) is RunStatus.CANCELLED


def test_whoever_asks_often_keeps_a_runner_alive(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short waits with pauses, and questions without a wait, start a runner that is gone too."""
    starts: list[float] = []
    monkeypatch.setattr(jobs, "ensure_runner", lambda _settings: starts.append(time.monotonic()))
    monkeypatch.setattr(api_waiting, "RUNNER_CHECK_SECONDS", 0.15)
    run_id = queue(store)

    async def ask(seconds: float) -> None:
        ends = EndWatch(store)
        for _ in range(2):
            await ends.wait(run_id, seconds)
            await asyncio.sleep(2 * LOOK_SECONDS)

    for seconds in (0.0, 0.05):
        starts.clear()
        asyncio.run(ask(seconds))
        assert 1 <= len(starts) <= 4


def test_twenty_that_wait_cost_as_many_looks_as_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is asked once per round, about all runs that are waited for."""
    looks: list[int] = []
    unended = store.unended

    def counted(run_ids: Collection[str]) -> set[str]:
        looks.append(len(run_ids))
        return unended(run_ids)

    monkeypatch.setattr(store, "unended", counted)
    run_id = queue(store)

    async def wait() -> float:
        ends, started = EndWatch(store), time.monotonic()
        await asyncio.gather(*(ends.wait(run_id, 0.5) for _ in range(20)))
        return time.monotonic() - started

    seconds = asyncio.run(wait())
    assert 1 <= len(looks) <= seconds / LOOK_SECONDS + 1
    assert set(looks) <= {0, 1}


def test_a_run_that_is_deleted_meanwhile_is_not_waited_for(store: Store) -> None:
    """Who waits for it is told that it is gone, long before the time is up."""
    run_id = queue(store)

    async def wait() -> None:
        waiting = asyncio.create_task(EndWatch(store).wait(run_id, 30))
        await asyncio.sleep(LOOK_SECONDS)
        store.fail_run(run_id, RunStatus.ERROR, "for the test")
        store.delete_run(run_id)
        await asyncio.wait_for(waiting, 20)

    with pytest.raises(NotFoundError, match="deleted"):
        asyncio.run(wait())
