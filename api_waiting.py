"""Requests that wait for the end of a run: one look at the store serves them all.

Owns: ``EndWatch``. Nothing here blocks the server: the store is asked in a thread, briefly, and
only while somebody waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable

from starlette.concurrency import run_in_threadpool

import jobs
from errors import MonitorError
from run_types import RunRecord
from storage import Store

LOOK_SECONDS = 0.1
"""How often the runs that are waited for are looked at, however many wait."""

RUNNER_CHECK_SECONDS = 2.0
"""How often somebody who asks for an unfinished run makes sure that a runner lives."""


class EndWatch:
    """Wakes requests as soon as their runs have ended.

    Parameters
    ----------
    store : Store
        Where the runs are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[asyncio.Future[None], str] = {}
        self._looking: asyncio.Task[None] | None = None
        self._next_check = time.monotonic() + RUNNER_CHECK_SECONDS

    async def wait(self, run_id: str, seconds: float) -> RunRecord:
        """Return the run as soon as it has ended, or as it is after ``seconds``.

        Raises
        ------
        NotFoundError
            There is no such run.
        StorageError
            The store did not answer.
        """
        record = await run_in_threadpool(self._store.get_run, run_id)
        if record.status.is_final:
            return record
        await self._keep_runner()
        if seconds <= 0:
            return record
        end = asyncio.get_running_loop().create_future()
        self._waiting[end] = run_id
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(end, seconds)
        finally:
            del self._waiting[end]
        return await run_in_threadpool(self._store.get_run, run_id)

    async def _look(self) -> None:
        """Look again and again, until nobody waits."""
        while self._waiting:
            await asyncio.sleep(LOOK_SECONDS)
            asked = dict(self._waiting)  # the answer says nothing of a run that is asked for later
            try:
                going_on = await run_in_threadpool(self._store.unended, set(asked.values()))
                await self._keep_runner()
            except MonitorError as error:
                self._fail(error)
            else:
                _wake(end for end, run_id in asked.items() if run_id not in going_on)

    async def _keep_runner(self) -> None:
        """Make sure, now and then, that somebody works on runs as long as anybody asks for one."""
        now = time.monotonic()
        if now >= self._next_check:
            self._next_check = now + RUNNER_CHECK_SECONDS
            await run_in_threadpool(jobs.ensure_runner, self._store.settings)

    def _fail(self, error: MonitorError) -> None:
        for end in self._waiting:
            if not end.done():
                end.set_exception(error)


def _wake(ends: Iterable[asyncio.Future[None]]) -> None:
    for end in ends:
        if not end.done():
            end.set_result(None)
