"""The warm parent of all runs: ``python -m runner``.

Owns: the loop that claims queued runs, forks a process for each, and watches them: cancelled,
too slow, died. One runner works per data directory, whoever started it; a second one ends at once.
It imports everything a run needs, so that a run starts within milliseconds, and computes nothing
itself (a forked child could not use numerical libraries that have started threads).
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from types import FrameType

import process_guard
import runner_lock
from access_types import LOCAL
from environment_store import EnvironmentStore
from errors import InputError, StorageError
from gate_stage import judge_gate
from isolation import self_test
from report_types import RunStatus, TestReport
from retention import Limits, apply_retention
from run_job import JobTarget, StageProgress, run_job
from run_queue import INTERRUPTED
from run_types import RunRecord
from sandbox import WorkerParent
from session_server import SessionProcess
from settings import MIB, Settings, load_settings
from storage import Store

log = logging.getLogger("runner")

POLL_SECONDS = 0.05
"""How often the queue and the running jobs are looked at; looking costs 0.3 ms."""

HEARTBEAT_SECONDS = 2.0
LEASE_SECONDS = 60.0
"""Where several machines share a store, a runner silent for this long counts as dead."""

TIDY_SECONDS = 3600.0
RETENTION_SECONDS = 24 * 3600.0

RUNS_PER_PARENT = 200
"""After so many runs the parent of models' processes is replaced: its children share its layout."""


@dataclass
class _Job:
    """One run's process."""

    run_id: str
    pid: int
    deadline: float
    limit_seconds: float
    end: tuple[RunStatus, str] | None = None
    gone: bool = False


class Runner:
    """Works on queued runs until it is told to stop.

    Parameters
    ----------
    store : Store
        The opened store; its settings say how many runs go at once.
    target : callable
        What a run does; see ``run_job.JobTarget``.
    sessions : SessionProcess, optional
        The process that keeps models open, watched here too.
    workers : WorkerParent, optional
        Where the target's models run; replaced every ``RUNS_PER_PARENT`` runs.
    """

    def __init__(
        self,
        store: Store,
        target: JobTarget,
        sessions: SessionProcess | None = None,
        workers: WorkerParent | None = None,
    ) -> None:
        self._store = store
        self._settings = store.settings
        self._target = target
        self._sessions = sessions
        self._workers = workers
        self._n_started = 0
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{time.time_ns():x}"
        self._lease = 0.0 if store.is_local else LEASE_SECONDS
        self._jobs: dict[str, _Job] = {}
        self._next_heartbeat = 0.0
        self._next_tidying = 0.0
        self._next_retention = 0.0
        self._stopping = False

    def stop(self, _signum: int = 0, _frame: FrameType | None = None) -> None:
        """Ask the loop to end; may be used as a signal handler."""
        self._stopping = True

    def serve(self, parent_pipe: int | None = None) -> None:
        """Work until ``stop`` is called or the other end of ``parent_pipe`` is closed."""
        ends = process_guard.hear_ends()  # so that the next run begins as soon as one has ended
        try:
            while not self._stopping and not _wait(parent_pipe, ends):
                self._tick()
        finally:
            self._end_all()
            process_guard.hear_no_ends()
            os.close(ends)

    def _tick(self) -> None:
        try:
            self._keep_house()
            self._watch()
            self._claim()
        except StorageError:
            log.exception("the store did not answer; trying again")
            time.sleep(1.0)

    def _keep_house(self) -> None:
        now = time.monotonic()
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + HEARTBEAT_SECONDS
            for run_id in self._store.recover(self._owner, lease_seconds=self._lease):
                log.warning("run %s was interrupted", run_id)
            if self._jobs:
                self._store.heartbeat(self._owner)
            if self._sessions is not None:
                self._sessions.ensure()
        if not self._jobs:
            try:
                self._tidy(now)
            except OSError:  # files that cannot be removed must not keep runs from going on
                log.exception("could not tidy up; trying again later")

    def _tidy(self, now: float) -> None:
        if now >= self._next_tidying:
            self._next_tidying = now + TIDY_SECONDS
            self._store.remove_orphans()
        if now >= self._next_retention:
            self._next_retention = now + RETENTION_SECONDS
            kept = self._settings
            apply_retention(self._store, Limits(kept.keep_days, kept.keep_runs, kept.keep_mb))
            EnvironmentStore(kept.environments_folder).tidy(kept.environments_mb * MIB)

    def _claim(self) -> None:
        while len(self._jobs) < self._settings.slots:
            record = self._store.claim_run(self._owner)
            if record is None:
                return
            self._start(record)

    def _start(self, record: RunRecord) -> None:
        parent_pid = os.getpid()
        self._n_started += 1
        if self._workers is not None and self._n_started % RUNS_PER_PARENT == 0:
            self._workers.renew()
        try:
            pid = os.fork()
        except OSError as error:
            reason = f"No process could be started for the run: {error.strerror}; start it again"
            self._store.fail_run(record.id, RunStatus.ERROR, reason)
            return
        if pid == 0:
            run_job(record, self._store, self._target, parent_pid)
        limit = min(record.request.config.time_limit_seconds, self._settings.run_seconds)
        self._jobs[record.id] = _Job(record.id, pid, time.monotonic() + limit, limit)
        log.info("run %s started in process %d", record.id, pid)

    def _watch(self) -> None:
        if not self._jobs:
            return
        cancelled = self._store.cancel_requests(self._owner)
        for job in list(self._jobs.values()):
            self._watch_job(job, cancelled=job.run_id in cancelled)

    def _watch_job(self, job: _Job, *, cancelled: bool) -> None:
        if not job.gone:
            if cancelled:
                job.end = (RunStatus.CANCELLED, "Cancelled while it was running")
            elif time.monotonic() > job.deadline:
                job.end = (RunStatus.TIMEOUT, _too_slow(job.limit_seconds))
            _reap(job, kill=job.end is not None)
        if job.gone:
            # changes nothing when the process wrote its own end; kept until the store took it
            status, reason = job.end or (RunStatus.ERROR, "The test process ended unexpectedly")
            self._store.fail_run(job.run_id, status, reason)
            del self._jobs[job.run_id]

    def _end_all(self) -> None:
        """Kill what still runs and say so in the store."""
        if self._sessions is not None:
            self._sessions.stop()
        for job in self._jobs.values():
            job.end = (RunStatus.INTERRUPTED, INTERRUPTED)
            if not job.gone:
                _reap(job, kill=True)
        for job in self._jobs.values():
            self._store.fail_run(job.run_id, *(job.end or (RunStatus.INTERRUPTED, INTERRUPTED)))
        self._jobs.clear()


def _reap(job: _Job, *, kill: bool) -> None:
    """Note whether and how the process ended, killing its whole group first where asked."""
    if kill:
        _kill_group(job.pid)
    pid, status = os.waitpid(job.pid, 0 if kill else os.WNOHANG)
    if pid == 0:
        return
    job.gone = True
    code = os.waitstatus_to_exitcode(status)
    with contextlib.suppress(ProcessLookupError):  # its number alone may be a stranger's by now
        os.killpg(job.pid, signal.SIGKILL)  # what it may have left behind
    if code != 0 and job.end is None:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        job.end = (RunStatus.ERROR, f"The test process ended unexpectedly ({how})")


def _kill_group(pid: int) -> None:
    for kill in (os.killpg, os.kill):  # between fork and setsid there is no group yet
        try:
            kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        return


def _too_slow(limit_seconds: float) -> str:
    return (
        f"The run took longer than its limit of {limit_seconds:g} s and was stopped; test on fewer "
        "rows, switch stages off, or raise the limit"
    )


def _wait(parent_pipe: int | None, ends: int) -> bool:
    """Sleep for one turn, or until a child ends; True as soon as the parent has gone."""
    watched = [ends] if parent_pipe is None else [ends, parent_pipe]
    ready, _, _ = select.select(watched, [], [], POLL_SECONDS)
    if ends in ready:
        os.read(ends, 1 << 10)
    return parent_pipe in ready  # nobody ever writes there: readable means closed


def pipeline_target(settings: Settings, workers: WorkerParent) -> JobTarget:
    """Return what a real run does; imports everything it needs now, before any fork."""
    import sklearn.ensemble  # noqa: F401 - slow to import, wanted by most runs

    from environment import describe_environment
    from installed import installed_here
    from pipeline import run_tests

    describe_environment()  # both read the metadata of packages, once, for all runs to come
    installed_here(settings)

    def test(record: RunRecord, store: Store, progress: StageProgress) -> TestReport:
        request, run_id = record.request, record.id
        sample = request.sample_sha256

        def save_data(data: bytes, name: str) -> str:
            return store.save_bytes(data, kind="data", name=name, run_id=run_id)

        report = run_tests(
            request,
            run_id=run_id,
            model_path=store.artifact_path(request.model_sha256),
            sample_path=store.artifact_path(sample) if sample else None,
            workers=workers,
            settings=settings,
            save_data=save_data,
            find_approval=store.access.find_approval,
            progress=progress,
        )
        own = None if store.access.may_read_all(record.created_by) else record.created_by
        report.gate = judge_gate(report, request, store, created_by=own)
        _remember_composition(store, record, report)
        return report

    return test


def _remember_composition(store: Store, record: RunRecord, report: TestReport) -> None:
    """Keep how the parts belong together, where it was sent and worked; the page keeps its own."""
    said = record.request.composition
    if said is not None and record.source != "dashboard" and report.model.info is not None:
        actor = record.created_by or LOCAL
        store.compositions.remember(record.request.model_sha256, said, actor=actor)


def main() -> int:
    """Run until SIGTERM, or until the program that started it is gone; return the exit code."""
    parser = argparse.ArgumentParser(description="Works on queued runs of one data directory.")
    parser.add_argument("--watch-stdin", action="store_true", help="end when stdin is closed")
    parser.add_argument("--lock", type=int, help="descriptor that holds the lock already")
    arguments = parser.parse_args()
    process_guard.close_memory()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        settings = load_settings()
        if arguments.lock is None and runner_lock.take(settings.data_dir) is None:
            return 0
        store = Store.open(settings)
    except (InputError, StorageError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    with WorkerParent() as workers:
        target = pipeline_target(settings, workers)
        runner = Runner(store, target, SessionProcess(store, workers), workers)
        isolation = self_test(workers).summary  # runs inherit it
        runner_lock.write_note(settings.data_dir, isolation)
        log.info("isolation of models is %s", isolation)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, runner.stop)
        gc.collect()
        gc.freeze()  # keeps pages of what was imported shared with the runs
        log.info("ready, %d runs at once, data in %s", settings.slots, settings.data_dir)
        runner.serve(sys.stdin.fileno() if arguments.watch_stdin else None)
    store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
