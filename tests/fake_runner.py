"""A runner whose runs do something small: ``fake_runner(data_dir, "finish")``.

Owns: the targets, and the processes of tests that share a store; the loop, the forks and the store
are the real ones.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from pathlib import Path

import runner_lock
from errors import ModelLoadError, RunCancelledError
from report_types import (
    DataSection,
    RunRequest,
    RunStatus,
    Stage,
    TestReport,
    Verdict,
    VerdictSection,
)
from run_job import JobTarget, StageProgress
from run_types import RunRecord
from runner import Runner
from settings import Settings
from storage import Store


def finish(record: RunRecord, store: Store, progress: StageProgress) -> TestReport:
    """Save some data and return a report at once."""
    progress(Stage.LOAD, 0.5, "half way")
    rows = store.save_bytes(b"x,y\n1,2\n", kind="data", name="data.csv", run_id=record.id)
    verdict = VerdictSection(verdict=Verdict.PASS, summary="All good")
    return TestReport(
        run_id=record.id,
        created_at=datetime.now(UTC),
        verdict=verdict,
        data=DataSection(artifact=rows),
    )


def slow(record: RunRecord, store: Store, progress: StageProgress) -> TestReport:
    """Go on for a minute."""
    _write_pids(store, os.getpid())
    progress(Stage.LOAD, 0.25, "sleeping")
    time.sleep(60)
    return finish(record, store, progress)


def family(record: RunRecord, store: Store, progress: StageProgress) -> TestReport:
    """Go on for a minute, and a child process too."""
    child = os.fork()
    if child:
        _write_pids(store, os.getpid(), child)
    time.sleep(60)
    return finish(record, store, progress)


def _write_pids(store: Store, *pids: int) -> None:
    path = store.settings.data_dir / "pids"
    path.with_suffix(".new").write_text(" ".join(map(str, pids)))
    path.with_suffix(".new").rename(path)


def refuse(_record: RunRecord, _store: Store, _progress: StageProgress) -> TestReport:
    """Fail in an expected way."""
    raise ModelLoadError("The file cannot be loaded")  # noqa: EM101


def stumble(_record: RunRecord, _store: Store, _progress: StageProgress) -> TestReport:
    """Fail in an unexpected way."""
    raise KeyError("missing")  # noqa: EM101


def cancel(_record: RunRecord, _store: Store, _progress: StageProgress) -> TestReport:
    """End as the pipeline does when told to cancel."""
    raise RunCancelledError("The run was cancelled.")  # noqa: EM101


def die(_record: RunRecord, _store: Store, _progress: StageProgress) -> TestReport:
    """Be killed, as by the kernel when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def leave(_record: RunRecord, _store: Store, _progress: StageProgress) -> TestReport:
    """End the process without a word."""
    os._exit(3)


TARGETS: dict[str, JobTarget] = {
    target.__name__: target
    for target in (finish, slow, family, refuse, stumble, cancel, die, leave)
}


def queue_and_claim(
    settings: Settings, sha256: str, owner: str, claimed: Queue[str | None]
) -> None:
    """Queue twenty runs, claim one after each, and tell which; None at the end."""
    store = Store.open(settings)
    for _ in range(20):
        store.create_run(RunRequest(model_sha256=sha256, model_name=owner))
        record = store.claim_run(owner)
        if record is not None:
            store.fail_run(record.id, RunStatus.ERROR, "x")
            claimed.put(record.id)
    claimed.put(None)


def serve(data_dir: Path, target: str, door: Connection) -> None:
    """Work on runs until the other end of ``door`` is closed or SIGTERM comes."""
    settings = Settings(data_dir=data_dir, slots=2)
    if runner_lock.take(settings.data_dir) is None:
        return
    runner = Runner(Store.open(settings), TARGETS[target])
    signal.signal(signal.SIGTERM, runner.stop)
    runner.serve(door.fileno())


@contextmanager
def fake_runner(data_dir: Path, target: str) -> Iterator[BaseProcess]:
    """Start a runner, wait until it holds the lock, and close its door afterwards."""
    theirs, ours = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=serve, args=(data_dir, target, theirs))
    process.start()
    theirs.close()
    try:
        while not runner_lock.is_held(data_dir):
            time.sleep(0.005)
        yield process
    finally:
        ours.close()
        process.join(20)


PROCESSES = multiprocessing.get_context("forkserver")  # imports once, forks for every runner
PROCESSES.set_forkserver_preload(["tests.fake_runner"])
