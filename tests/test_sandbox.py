"""Processes that hold models: how they start, how each kind of end is told, nothing is left."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import sandbox
import worker_protocol
from errors import (
    ModelCrashedError,
    ModelError,
    ModelProtocolError,
    ModelRaisedError,
    ModelTimeoutError,
    MonitorError,
)
from sandbox import Limits, Worker, WorkerParent
from tests.hostile_models import (
    abort_for_memory,
    allocate_50_gb,
    exit_sentence,
    exit_with_3,
    file_that_calls,
    on_big_input,
    regressor_that,
    segfault,
    spin,
    tell_surroundings,
)

LOAD = {"op": "load", "policy": "custom"}
PREDICT = {"op": "predict", "proba": False}
MISBEHAVIOURS = (segfault, exit_with_3, spin, allocate_50_gb, abort_for_memory)
ONE_ROW = pd.DataFrame({"x0": [1.0]})
BIG_ROW = pd.DataFrame({"x0": [1000.0]})


@pytest.fixture
def linear(tmp_path: Path) -> Path:
    """A small honest model: y = 2 x."""
    model = LinearRegression().fit(np.array([[0.0], [1.0]]), np.array([0.0, 2.0]))
    path = tmp_path / "linear.pkl"
    path.write_bytes(pickle.dumps(model))
    return path


@pytest.fixture
def worker(workers: WorkerParent, linear: Path) -> Iterator[Worker]:
    """A worker that has loaded the honest model."""
    spawned = workers.spawn(linear, Limits())
    spawned.request(LOAD, doing="loading", timeout=30)
    yield spawned
    spawned.close()


def ask(worker: Worker, frame: pd.DataFrame, seconds: float = 30) -> list[float]:
    """Predict in a worker."""
    reply = worker.request(PREDICT, frame, doing="predicting", timeout=seconds, max_bytes=1000)
    return [float(value) for value in reply.arrays["y_pred"]]


def is_gone(pid: int) -> bool:
    """Wait for a process to be gone."""
    deadline = time.monotonic() + 50
    while time.monotonic() < deadline:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.02)
    return False


def test_a_worker_predicts(worker: Worker) -> None:
    """A model in another process answers as it would in this one."""
    assert ask(worker, pd.DataFrame({"x0": [1.0, 5.0]})) == pytest.approx([2.0, 10.0])


def test_a_worker_starts_sooner_than_its_libraries_are_imported(
    workers: WorkerParent, linear: Path
) -> None:
    """From the request to a loaded model takes less than half of what importing them takes."""
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        worker = workers.spawn(linear, Limits())
        worker.request(LOAD, doing="loading", timeout=30)
        durations.append(time.perf_counter() - start)
        worker.close()
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import pandas, sklearn.linear_model"], check=True)
    assert min(durations) < (time.perf_counter() - start) / 2


def patience_with(misbehave: Callable[[], None]) -> float:
    """Return the seconds that are over soon only where that is what should be told."""
    return 1 if misbehave is spin else 60


@pytest.mark.parametrize("misbehave", MISBEHAVIOURS, ids=lambda f: f.__name__)
def test_an_end_while_loading_is_told_in_one_sentence(
    workers: WorkerParent, tmp_path: Path, misbehave: Callable[[], None]
) -> None:
    """Whatever a file does while it is loaded, the user learns what happened."""
    path = file_that_calls(tmp_path / "model", misbehave)
    worker = workers.spawn(path, Limits())
    with pytest.raises(ModelError) as told:
        worker.request(LOAD, doing="loading", timeout=patience_with(misbehave))
    worker.close()
    assert str(told.value) == exit_sentence()[misbehave].format("loading")
    assert is_gone(worker.pid)


@pytest.mark.parametrize("misbehave", MISBEHAVIOURS, ids=lambda f: f.__name__)
def test_an_end_while_predicting_is_told_in_one_sentence(
    workers: WorkerParent, tmp_path: Path, misbehave: Callable[[], None]
) -> None:
    """A model that loads and then misbehaves for one input is told apart by how it ended."""
    path = regressor_that(tmp_path / "model", on_big_input(misbehave))
    worker = workers.spawn(path, Limits())
    worker.request(LOAD, doing="loading", timeout=30)
    assert ask(worker, ONE_ROW) == [0.0]
    with pytest.raises((ModelCrashedError, ModelTimeoutError)) as told:
        ask(worker, BIG_ROW, seconds=patience_with(misbehave))
    worker.close()
    assert str(told.value) == exit_sentence()[misbehave].format("predicting")
    assert is_gone(worker.pid)


def test_processor_time_is_bounded_over_calls(workers: WorkerParent, tmp_path: Path) -> None:
    """A model that computes beyond its share is stopped, whatever the wall clock still allows."""
    path = regressor_that(tmp_path / "model", on_big_input(spin))
    worker = workers.spawn(path, Limits(cpu_seconds=2))
    worker.request(LOAD, doing="loading", timeout=30)
    with pytest.raises(ModelCrashedError) as told:
        ask(worker, BIG_ROW, seconds=120)
    worker.close()
    assert str(told.value) == (
        "The model used more than 2 s of processor time in all and was stopped while predicting."
    )


def test_memory_taken_bit_by_bit_is_bounded(workers: WorkerParent, tmp_path: Path) -> None:
    """Many small allocations meet the same limit as one large one."""
    path = file_that_calls(tmp_path / "model", eval, "[bytearray(1 << 24) for _ in range(1000)]")
    worker = workers.spawn(path, Limits(memory_mb=256))
    with pytest.raises(ModelCrashedError, match="used more than 256 MB while loading"):
        worker.request(LOAD, doing="loading", timeout=30)
    worker.close()


def test_a_python_exception_is_told_and_the_worker_goes_on(worker: Worker) -> None:
    """A model that raises is no reason to start another process."""
    with pytest.raises(ModelRaisedError, match="ValueError: X has 2 features"):
        ask(worker, pd.DataFrame({"a": [1.0], "b": [2.0]}))
    assert ask(worker, ONE_ROW) == pytest.approx([2.0])


def test_an_exception_cannot_paint_the_terminal(workers: WorkerParent, tmp_path: Path) -> None:
    """Long texts and control characters of a model's exception do not get through."""

    def act(rows: object) -> None:
        raise ValueError("\x1b[2J\n" + "a" * 10_000)

    worker = workers.spawn(regressor_that(tmp_path / "model", act), Limits())
    worker.request(LOAD, doing="loading", timeout=30)
    with pytest.raises(ModelRaisedError) as told:
        ask(worker, ONE_ROW)
    worker.close()
    assert told.value.message.isprintable()
    assert len(told.value.message) == 2000


def test_an_exception_without_a_text_is_an_exception(workers: WorkerParent, tmp_path: Path) -> None:
    """A model whose exception fails when it is written out has raised, and did not end itself."""

    def act(rows: object) -> None:
        odd = type("Odd", (Exception,), {"__str__": lambda _self: None})
        raise odd

    worker = workers.spawn(regressor_that(tmp_path / "model", act), Limits())
    worker.request(LOAD, doing="loading", timeout=30)
    with pytest.raises(ModelRaisedError, match="Odd: its text cannot be made"):
        ask(worker, ONE_ROW)
    worker.close()


def test_a_table_beyond_the_memory_is_told_as_memory(workers: WorkerParent, linear: Path) -> None:
    """A worker that cannot even take in the table ran out of memory, and did not end itself."""
    worker = workers.spawn(linear, Limits(memory_mb=64))
    worker.request(LOAD, doing="loading", timeout=30)
    with pytest.raises(ModelCrashedError, match="used more than 64 MB while predicting"):
        ask(worker, pd.DataFrame({"x0": np.zeros(10_000_000)}))
    worker.close()


@pytest.mark.parametrize(
    "lie",
    [
        b"\0\0\0\x04null",
        b"\0\0\0\x0e" + b'{"arrays": []}' + b"more",
        b"\0\0\0\x02{}",
        b"\xff\xff\xff\xff",
    ],
)
def test_a_lying_worker_is_stopped(workers: WorkerParent, tmp_path: Path, lie: bytes) -> None:
    """A model that writes to its worker's socket itself is found out and killed."""
    path = file_that_calls(tmp_path / "model", os.write, 3, lie)
    worker = workers.spawn(path, Limits())
    with pytest.raises(ModelProtocolError):
        worker.request(LOAD, doing="loading", timeout=30)
    assert not worker.alive
    assert is_gone(worker.pid)


def test_a_worker_that_hangs_up_is_stopped(workers: WorkerParent, tmp_path: Path) -> None:
    """A model that closes the socket and lives on does not outlive the request."""
    code = "import os, time; os.close(3); time.sleep(60)"
    worker = workers.spawn(file_that_calls(tmp_path / "model", exec, code), Limits())
    with pytest.raises(ModelCrashedError):
        worker.request(LOAD, doing="loading", timeout=30)
    assert is_gone(worker.pid)


def test_a_worker_sees_nothing_of_the_service(workers: WorkerParent, tmp_path: Path) -> None:
    """Environment and open descriptors of the service do not reach a model."""
    path = file_that_calls(tmp_path / "model", tell_surroundings)
    worker = workers.spawn(path, Limits())
    with pytest.raises(ModelRaisedError) as told:
        worker.request(LOAD, doing="loading", timeout=30)
    worker.close()
    seen = set(told.value.message.split())
    assert "LANG" in seen
    assert not seen & {"HOME", "USER", "PYTEST_CURRENT_TEST", "PYTEST_VERSION"}
    assert {name for name in seen if name.isdigit()} <= {"0", "1", "2", "3", "4", "5"}


def test_a_dead_parent_is_replaced_and_a_closed_one_leaves_nothing(linear: Path) -> None:
    """Killing the warm parent costs the next request only time; closing it ends all workers."""
    workers = WorkerParent()
    first = workers.spawn(linear, Limits())
    assert workers.pid is not None
    os.kill(workers.pid, signal.SIGKILL)
    assert is_gone(first.pid)
    with pytest.raises(ModelCrashedError):
        first.request(LOAD, doing="loading", timeout=30)
    second = workers.spawn(linear, Limits())
    second.request(LOAD, doing="loading", timeout=30)
    workers.close()
    assert is_gone(second.pid)
    second.close()


def test_a_job_that_dies_takes_its_worker_along(workers: WorkerParent, linear: Path) -> None:
    """A forked job shares the parent; when it is killed, its worker is killed too."""
    read_end, write_end = os.pipe()
    job = os.fork()
    if job == 0:
        worker = workers.spawn(linear, Limits())
        os.write(write_end, str(worker.pid).encode())
        signal.pause()
    worker_pid = int(os.read(read_end, 20))
    assert Path(f"/proc/{worker_pid}").exists()
    os.kill(job, signal.SIGKILL)
    os.waitpid(job, 0)
    assert is_gone(worker_pid)
    os.close(read_end)
    os.close(write_end)


def test_a_file_that_is_not_there_is_an_error(workers: WorkerParent, tmp_path: Path) -> None:
    """The service's own mistakes are not blamed on the model."""
    with pytest.raises(FileNotFoundError):
        workers.spawn(tmp_path / "missing", Limits())


def test_a_parent_that_cannot_start_is_told(linear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no process can be started at all, one sentence says so."""
    monkeypatch.setattr(sandbox, "_bootstrap", lambda *_fds: "raise SystemExit(1)")
    with WorkerParent() as broken, pytest.raises(MonitorError, match="could be started"):
        broken.spawn(linear, Limits())


def test_a_trickle_of_bytes_does_not_extend_the_deadline() -> None:
    """The time limit is on the whole answer, not on each piece of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(1) as pool:
        channel, is_over = sandbox._DeadlineChannel(ours, 0.3), threading.Event()

        def trickle() -> None:
            while not is_over.wait(0.05):
                theirs.send(b"\0")

        pool.submit(trickle)
        with pytest.raises(TimeoutError):
            worker_protocol._receive_into(channel, memoryview(bytearray(100)))
        is_over.set()


def mixed_crowd(workers: WorkerParent, tmp_path: Path, linear: Path, rounds: int) -> None:
    """Run bad and good models four at a time and check every single outcome."""

    def one(number: int) -> None:
        misbehave = [*MISBEHAVIOURS, None][number % 6]
        path = linear
        if misbehave is not None:
            path = regressor_that(tmp_path / str(number), on_big_input(misbehave))
        worker = workers.spawn(path, Limits())
        worker.request(LOAD, doing="loading", timeout=60)
        if misbehave is None:
            assert ask(worker, BIG_ROW) == pytest.approx([2000.0])
        else:
            with pytest.raises((ModelCrashedError, ModelTimeoutError)) as told:
                ask(worker, BIG_ROW, seconds=patience_with(misbehave))
            assert str(told.value) == exit_sentence()[misbehave].format("predicting")
        worker.close()
        assert is_gone(worker.pid)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(rounds)))


def test_bad_neighbours_do_no_harm(workers: WorkerParent, tmp_path: Path, linear: Path) -> None:
    """Crashing, exiting, spinning and greedy models beside honest ones: each gets its own end."""
    mixed_crowd(workers, tmp_path, linear, rounds=6)


@pytest.mark.slow
def test_many_bad_neighbours_do_no_harm(
    workers: WorkerParent, tmp_path: Path, linear: Path
) -> None:
    """The same twenty times over."""
    mixed_crowd(workers, tmp_path, linear, rounds=120)


def test_a_renewed_parent_serves_and_the_old_one_ends(workers: WorkerParent, linear: Path) -> None:
    """A job forked before goes on with the old parent, which ends with it; we have the new one."""
    waits, renewed = os.pipe()
    answer, told = os.pipe()
    first = workers.pid
    job = os.fork()
    if job == 0:
        try:
            os.read(waits, 1)
            os.write(told, parent_that_answers(workers, linear).encode())
        finally:
            os._exit(0)
    os.close(told)
    workers.renew()
    os.write(renewed, b"!")
    assert os.read(answer, 20).decode() == str(first)
    assert parent_that_answers(workers, linear) == str(workers.pid) != str(first)
    os.waitpid(job, 0)
    assert workers._retired[-1].wait(60) == 0
    for end in (waits, renewed, answer):
        os.close(end)


def parent_that_answers(workers: WorkerParent, linear: Path) -> str:
    """Return the process id of the parent whose new worker predicts rightly."""
    with contextlib.closing(workers.spawn(linear, Limits())) as worker:
        worker.request(LOAD, doing="loading", timeout=30)
        assert ask(worker, ONE_ROW) == pytest.approx([2.0])
        return Path(f"/proc/{worker.pid}/stat").read_text().split()[3]
