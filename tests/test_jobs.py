"""Runs end with the right status whatever happens to their process, and leave nothing behind."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cpu_tuning
import jobs
import runner_lock
from errors import NotFoundError
from report_types import RunConfig, RunRequest, RunStatus
from runner import Runner, _Job, _reap
from settings import Settings
from storage import Store
from tests.fake_runner import fake_runner, finish


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(Settings(data_dir=tmp_path, slots=2))
    yield opened
    opened.close()


def until(condition: Callable[[], bool], seconds: float = 50.0) -> None:
    """Wait until something holds, for less than the minute that a slow run sleeps."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "waited in vain"
        time.sleep(0.01)


def queue(store: Store, config: RunConfig | None = None) -> str:
    sha256 = store.save_bytes(b"model", kind="model", name="m.pkl")
    request = RunRequest(model_sha256=sha256, model_name="m.pkl", config=config or RunConfig())
    return store.create_run(request)


def has_ended(store: Store, run_id: str) -> bool:
    return store.get_run(run_id).status.is_final


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def pids_of(store: Store) -> list[int]:
    """Return the processes of a slow run once it has started them."""
    path = store.settings.data_dir / "pids"
    until(path.exists)
    return [int(pid) for pid in path.read_text().split()]


def test_run_is_worked_on_and_stored(store: Store) -> None:
    """A queued run ends with its report and the data it saved."""
    run_id = queue(store)
    with fake_runner(store.settings.data_dir, "finish"):
        record = jobs.wait(store, run_id, 50)
    assert (record.status, record.fraction) == (RunStatus.DONE, 1.0)
    assert store.get_report(run_id).verdict.summary == "All good"


@pytest.mark.parametrize(
    ("target", "status", "reason"),
    [
        ("refuse", RunStatus.ERROR, "The file cannot be loaded"),
        ("stumble", RunStatus.ERROR, "Unexpected error: KeyError: 'missing'"),
        ("cancel", RunStatus.CANCELLED, "The run was cancelled."),
        ("die", RunStatus.ERROR, "The test process ended unexpectedly (signal 9)"),
        ("leave", RunStatus.ERROR, "The test process ended unexpectedly (exit code 3)"),
    ],
)
def test_every_ending_is_told(store: Store, target: str, status: RunStatus, reason: str) -> None:
    """However a run's process ends, the run has a status and a reason, and its runner lives on."""
    ids = [queue(store), queue(store)]
    with fake_runner(store.settings.data_dir, target) as process:
        records = [jobs.wait(store, run_id, 50) for run_id in ids]
        assert process.is_alive()
    assert [(record.status, record.error) for record in records] == [(status, reason)] * 2


def test_cancel_kills_at_once(store: Store) -> None:
    """A cancelled run is marked long before its end, and its whole process group is gone."""
    run_id = queue(store)
    with fake_runner(store.settings.data_dir, "family"):
        pids = pids_of(store)
        assert jobs.cancel(store, run_id) is RunStatus.RUNNING
        until(lambda: has_ended(store, run_id))
        assert store.get_run(run_id).status is RunStatus.CANCELLED
        until(lambda: not any(is_alive(pid) for pid in pids))


def test_time_limit(store: Store) -> None:
    """A run that takes longer than its limit is stopped and says how long that was."""
    run_id = queue(store, RunConfig(time_limit_seconds=0.3))
    with fake_runner(store.settings.data_dir, "slow"):
        record = jobs.wait(store, run_id, 50)
    assert record.status is RunStatus.TIMEOUT
    assert "limit of 0.3 s" in (record.error or "")


@pytest.mark.parametrize("end", ["close", "terminate"])
def test_end_of_the_door_interrupts(store: Store, end: str) -> None:
    """When its door goes, or SIGTERM comes, the runner ends its runs and marks them."""
    run_id = queue(store)
    with fake_runner(store.settings.data_dir, "family") as process:
        pids = pids_of(store)
        if end == "terminate":
            process.terminate()
    assert store.get_run(run_id).status is RunStatus.INTERRUPTED
    assert process.exitcode == 0
    until(lambda: not any(is_alive(pid) for pid in pids))
    assert not jobs.runner_alive(store.settings)


def test_killed_runner_is_recovered_from(store: Store) -> None:
    """After kill -9 of the runner its run dies too, and the next runner marks it and goes on."""
    run_id = queue(store)
    with fake_runner(store.settings.data_dir, "slow") as process:
        pid = pids_of(store)[0]
        process.kill()
        until(lambda: not is_alive(pid))
    assert store.get_run(run_id).status is RunStatus.RUNNING
    later = queue(store)
    with fake_runner(store.settings.data_dir, "finish"):
        assert jobs.wait(store, later, 50).status is RunStatus.DONE
    assert store.get_run(run_id).status is RunStatus.INTERRUPTED


def test_as_many_runs_at_once_as_slots(store: Store) -> None:
    """With two slots two of three runs go on and one waits."""
    ids = [queue(store) for _ in range(3)]
    with fake_runner(store.settings.data_dir, "slow"):
        until(lambda: store.queue_state().n_running == 2)
        time.sleep(0.2)
        statuses = [store.get_run(run_id).status.value for run_id in ids]
        assert statuses == ["running", "running", "queued"]


def test_one_runner_per_directory(store: Store) -> None:
    """A second runner ends quietly while the first goes on."""
    with (
        fake_runner(store.settings.data_dir, "finish") as first,
        fake_runner(store.settings.data_dir, "finish") as second,
    ):
        second.join(50)
        assert second.exitcode == 0
        assert first.is_alive()


def test_lock_is_seen(tmp_path: Path) -> None:
    """A runner counts as alive exactly while its lock is held."""
    settings = Settings(data_dir=tmp_path)
    assert not jobs.runner_alive(settings)
    lock = runner_lock.take(tmp_path)
    assert lock is not None
    assert jobs.runner_alive(settings)
    assert runner_lock.take(tmp_path) is None
    runner_lock.write_note(tmp_path, "full: all layers")
    assert jobs.isolation(settings) == "full: all layers"
    os.close(lock)
    assert not jobs.runner_alive(settings)
    assert jobs.isolation(settings) == ""


def test_a_look_at_the_lock_does_not_keep_it_from_anybody(tmp_path: Path) -> None:
    """Whoever takes the lock while somebody looks whether it is held gets it."""
    lock = runner_lock.take(tmp_path)
    assert lock is not None
    os.close(lock)
    look = os.open(tmp_path / "runner.lock", os.O_RDONLY)
    fcntl.flock(look, fcntl.LOCK_SH)
    threading.Timer(0.01, os.close, (look,)).start()
    lock = runner_lock.take(tmp_path)
    assert lock is not None
    os.close(lock)


def test_a_number_that_was_given_back_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a run's process is reaped, its number may be anybody's: only its group is ended."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda number, _signum: killed.append(number))
    job = _Job("run", pid, time.monotonic() + 60, 60)
    while not job.gone:
        _reap(job, kill=False)
    assert killed == []


def test_a_run_without_a_process_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives no process, the run ends with that reason and the runner goes on."""

    def no_fork() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    run_id = queue(store)
    monkeypatch.setattr(os, "fork", no_fork)
    runner = Runner(store, finish)
    runner._claim()
    record = store.get_run(run_id)
    assert record.status is RunStatus.ERROR
    assert "Resource temporarily unavailable" in (record.error or "")


@pytest.mark.slow  # imports the whole pipeline
def test_door_starts_one_runner_that_ends_with_it(tmp_path: Path) -> None:
    """A door's runner holds the lock from the first moment, is started once, and is stopped."""
    settings = Settings(data_dir=tmp_path)
    for _ in range(2):
        jobs.ensure_runner(settings)
        assert jobs.runner_alive(settings)
    # the lock is held before the new process shows its name
    until(lambda: running_modules("runner", tmp_path) != [])
    assert len(running_modules("runner", tmp_path)) == 1
    jobs.stop_runner(settings)
    assert not jobs.runner_alive(settings)


def running_modules(module: str, data_dir: Path) -> list[int]:
    """Return the processes that run a module of ours for a data directory."""
    wanted = f"MONITOR_DATA_DIR={data_dir}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:  # ended meanwhile, or not ours
            continue
        if module.encode() in command and wanted in environment:
            found.append(int(process.name))
    return found


def test_waiting_ends_in_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for a run that does not end returns it as it is when the time is over."""
    monkeypatch.setattr(jobs, "ensure_runner", lambda _settings: None)
    started = time.monotonic()
    assert jobs.wait(store, queue(store), 0.2).status is RunStatus.QUEUED
    assert time.monotonic() - started >= 0.2
    with pytest.raises(NotFoundError):
        jobs.wait(store, "nope", 1)


def test_run_has_its_own_process_group(store: Store) -> None:
    """A run's children share its session, so that nothing of it can outlive a cancel."""
    queue(store)
    with fake_runner(store.settings.data_dir, "family") as process:
        parent, child = pids_of(store)
        assert os.getpgid(child) == parent != os.getpgid(process.pid or 0)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ("vendor_id : AuthenticAMD\ncpu family : 25\nflags : avx2 avx512f", "X86_V4"),
        ("vendor_id : AuthenticAMD\ncpu family : 25\nflags : avx2", None),
        ("vendor_id : AuthenticAMD\ncpu family : 26\nflags : avx512f", None),
        ("vendor_id : GenuineIntel\ncpu family : 25\nflags : avx512f", None),
        ("", None),
    ],
)
def test_sort_path_is_set_on_zen4_only(
    facts: str, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only AMD's family 25 with AVX-512 gets numpy's AVX2 sort, and never against the user."""
    (tmp_path / "cpuinfo").write_text(facts)
    found = cpu_tuning._cpu_facts(tmp_path / "cpuinfo")
    monkeypatch.setattr(cpu_tuning, "_cpu_facts", lambda _path: found)
    assert cpu_tuning.tuned_environment({}).get("NPY_DISABLE_CPU_FEATURES") == expected
    kept = cpu_tuning.tuned_environment({"NPY_DISABLE_CPU_FEATURES": "mine"})
    assert kept["NPY_DISABLE_CPU_FEATURES"] == "mine"


def test_memory_is_kept_unless_the_user_says_otherwise() -> None:
    """What glibc gives back is bounded in every process, and never against the user."""
    assert cpu_tuning.KEPT_MEMORY.items() <= cpu_tuning.tuned_environment({}).items()
    set_already = {"MALLOC_TRIM_THRESHOLD_": "1"}
    assert cpu_tuning.tuned_environment(set_already)["MALLOC_TRIM_THRESHOLD_"] == "1"
