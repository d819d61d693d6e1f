"""Runs as the doors see them: make sure somebody works, submit, wait, cancel.

Owns: the child process that works on runs, started by whichever door comes first. Light to
import: nothing numerical.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import runner_lock
from access_types import LOCAL
from composition_types import Composition
from cpu_tuning import single_threaded, tuned_environment
from report_types import RunRequest, RunStatus
from run_types import RunRecord
from settings import Settings, as_environment
from storage import Store

ROOT = Path(__file__).resolve().parent
CHECK_SECONDS = 1.0
"""How often somebody who waits makes sure that a runner lives."""

_lock = threading.Lock()
_runners: dict[Path, subprocess.Popen[bytes]] = {}  # by data directory, this process's own


def ensure_runner(settings: Settings) -> None:
    """Start the process that works on runs, unless one works on this data directory already.

    It ends with this process: it watches a pipe that the system closes when we are gone. Another
    door then takes over with its next call. The lock is taken here and handed over, so that two
    doors that start together do not start two.
    """
    with _lock:
        ours = _runners.get(settings.data_dir)
        if ours is not None and ours.poll() is None:
            return
        lock = runner_lock.take(settings.data_dir)
        if lock is None:
            return
        try:
            _runners[settings.data_dir] = _start(settings, lock)
        finally:
            os.close(lock)


def stop_runner(settings: Settings) -> None:
    """Stop this process's own runner, if it has one, and wait for its end."""
    with _lock:
        ours = _runners.pop(settings.data_dir, None)
    if ours is not None:
        ours.communicate()  # closes the pipe that the runner watches


def runner_alive(settings: Settings) -> bool:
    """Whether some process works on the runs of this data directory, or is about to."""
    return runner_lock.is_held(settings.data_dir)


def isolation(settings: Settings) -> str:
    """Return how models are held, as the runner found by trying; empty until it has tried."""
    return runner_lock.read_note(settings.data_dir)


def submit(
    store: Store, request: RunRequest, *, idempotency_key: str | None = None, actor: str = LOCAL
) -> str:
    """Queue a run for ``actor``, make sure that somebody works on it, and return its id.

    A file that was put together by hand before is put together like that again, unless the request
    says how.

    Raises
    ------
    BusyError
        The queue is full.
    NotFoundError
        A file of the request is not in the store.
    InputError
        The idempotency key was used for another request.
    """
    if request.composition is None:
        request = request.model_copy(
            update={"composition": _remembered(store, request, idempotency_key, actor)}
        )
    run_id = store.create_run(request, idempotency_key=idempotency_key, actor=actor)
    ensure_runner(store.settings)
    return run_id


def _remembered(
    store: Store, request: RunRequest, key: str | None, actor: str
) -> Composition | None:
    """Return the file's composition; that of the first run where a request is sent again."""
    earlier = None if key is None else store.find_by_key(key, actor=actor)
    if earlier is not None:
        return store.get_run(earlier).request.composition
    return store.compositions.find(request.model_sha256)


def wait(store: Store, run_id: str, seconds: float) -> RunRecord:
    """Return the run as soon as it has ended, or as it is after ``seconds``.

    Raises
    ------
    NotFoundError
        There is no such run.
    """
    deadline = time.monotonic() + seconds
    next_check = 0.0
    pause = 0.02
    while True:
        record = store.get_run(run_id)
        now = time.monotonic()
        if record.status.is_final or now >= deadline:
            return record
        if now >= next_check:
            next_check = now + CHECK_SECONDS
            ensure_runner(store.settings)
        time.sleep(min(pause, deadline - now))
        pause = min(0.1, pause * 1.2)


def cancel(store: Store, run_id: str, *, actor: str = LOCAL) -> RunStatus:
    """Cancel a run and return its status; a running one ends within moments.

    Raises
    ------
    NotFoundError
        There is no such run.
    """
    return store.request_cancel(run_id, actor=actor)


def _start(settings: Settings, lock: int) -> subprocess.Popen[bytes]:
    environment = single_threaded(tuned_environment(os.environ)) | as_environment(settings)
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "runner", "--watch-stdin", "--lock", str(lock)],
        cwd=ROOT,
        env=environment,
        pass_fds=[lock],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the terminal is the door's to handle
    )
