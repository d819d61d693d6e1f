"""What happens inside the process of one run, from its fork to its end.

Owns: ``run_job``, reporting progress, and ``cut_loose`` for every process that the runner forks;
turning whatever happens into a status and a sentence in the store.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from typing import NoReturn

import process_guard
from errors import MonitorError, RunCancelledError
from report_types import RunStatus, Stage, TestReport
from run_types import RunRecord
from storage import Store

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.2
"""Shortest time between two progress entries; who follows a run looks no oftener."""

StageProgress = Callable[[Stage, float, str], None]
JobTarget = Callable[[RunRecord, Store, StageProgress], TestReport]
"""Does the work of a run: gets the run, the store and where to report progress."""


def run_job(record: RunRecord, store: Store, target: JobTarget, parent_pid: int) -> NoReturn:
    """Do one run in a freshly forked process and end the process; never returns."""
    exit_code = 1
    try:
        cut_loose(parent_pid)
        store.after_fork()
        _do(record, store, target)
        exit_code = 0
    except BaseException:  # nothing may return into the parent's code after a fork
        log.exception("run %s could not be ended properly", record.id)
    finally:
        os._exit(exit_code)


def cut_loose(parent_pid: int) -> None:
    """Get a session of one's own, default signals, and die when the parent does."""
    os.setsid()
    process_guard.hear_no_ends()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, signal.SIG_DFL)
    process_guard.die_with_parent()
    if os.getppid() != parent_pid:  # it died before the line above
        os._exit(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)  # the parent's own parent is watched through this descriptor
    os.close(null)


def _do(record: RunRecord, store: Store, target: JobTarget) -> None:
    """Run the target; every outcome ends in the store."""
    try:
        report = target(record, store, _Progress(store, record.id))
    except RunCancelledError as error:
        store.fail_run(record.id, RunStatus.CANCELLED, str(error))
    except MonitorError as error:
        store.fail_run(record.id, RunStatus.ERROR, str(error))
    except Exception as error:
        log.exception("run %s failed", record.id)
        reason = f"Unexpected error: {type(error).__name__}: {error}"[:2000]
        store.fail_run(record.id, RunStatus.ERROR, reason)
    else:
        store.finish_run(report)


class _Progress:
    """Writes progress to the store, but not more often than anybody could see."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._written = 0.0

    def __call__(self, stage: Stage, fraction: float, message: str) -> None:
        now = time.monotonic()
        if now - self._written >= PROGRESS_SECONDS:
            self._written = now
            self._store.set_progress(self._run_id, stage, fraction, message)
