"""A runner whose runs do something small: ``python -m tests.fake_runner DATA_DIR TARGET``.

Owns: the targets; the loop, the forks and the store are the real ones.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from errors import ModelLoadError, RunCancelledError
from report_types import Stage, TestReport, Verdict, VerdictSection
from run_job import JobTarget, StageProgress
from run_types import RunRecord
from runner import Runner, take_lock
from settings import Settings
from storage import Store


def finish(record: RunRecord, store: Store, progress: StageProgress) -> TestReport:
    """Save some data and return a report at once."""
    progress(Stage.LOAD, 0.5, "half way")
    store.save_bytes(b"x,y\n1,2\n", kind="data", name="data.csv", run_id=record.id)
    verdict = VerdictSection(verdict=Verdict.PASS, summary="All good")
    return TestReport(run_id=record.id, created_at=datetime.now(UTC), verdict=verdict)


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
    return {}["missing"]  # type: ignore[no-any-return]


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


def main(data_dir: str, target: str) -> None:
    """Serve until stdin closes or SIGTERM comes."""
    settings = Settings(data_dir=Path(data_dir), slots=2)
    if take_lock(settings.data_dir) is None:
        sys.exit(0)
    runner = Runner(Store.open(settings), TARGETS[target])
    signal.signal(signal.SIGTERM, runner.stop)
    runner.serve(sys.stdin.fileno())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
