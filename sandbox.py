"""Processes for models: starts the warm parent, asks it for workers, tells how they ended.

Owns: ``WorkerParent``, ``Worker``, ``Limits`` and the sentences about a model's process that
crashed, ended itself, ran out of memory or gave no answer. On Linux a worker is addressed by a
pidfd, so that the wall clock always decides and never hits a stranger; elsewhere by its number,
and only as long as its parent has not reported its end.

The parent is started once per service; jobs forked later inherit its control socket and ask on
their own. A parent that has died is replaced at the next request.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import pandas as pd

import confinement
import worker_parent
import worker_protocol
from errors import (
    DataError,
    ModelCrashedError,
    ModelError,
    ModelProtocolError,
    ModelRaisedError,
    ModelTimeoutError,
    MonitorError,
)
from frame_codec import FrameCodecError
from settings import MAX_THREADS
from worker_protocol import Reply, clean_text
from worker_start import Program

IS_LINUX = sys.platform == "linux"
"""Whether the kernel's own means hold a worker; elsewhere it has only a process of its own."""
START_SECONDS = 120.0
"""Longest wait for a worker while the warm parent may still be importing."""
END_SECONDS = 5.0
"""Longest wait for a dead worker's exit status."""
SOCKET_BUFFER_BYTES = 4 << 20
ERROR_OUTPUT_BYTES = 8192
"""How much of a dead worker's error output is looked at."""
NEAR_LIMIT = 0.9
"""Share of the memory limit above which a crash is put down to memory."""
OUT_OF_MEMORY_SIGNS = (b"bad_alloc", b"MemoryError", b"Cannot allocate memory", b"out of memory")

MEMORY_SENTENCE = "The model used more than {} MB while {} and was stopped."
CPU_SENTENCE = "The model used more than {} s of processor time in all and was stopped while {}."


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much a model may take.

    Parameters
    ----------
    memory_mb : int
        Memory beyond the libraries' own, MiB.
    load_seconds, call_seconds : float
        Wall time for loading and for one request after that.
    isolation : {"none", "partial", "full"}
        Weakest isolation under which a model may be loaded; see ``isolation.self_test``.
    cpu_seconds : int
        Time on processors over all threads and calls, seconds.
    imports : tuple of str
        Libraries imported before the process is confined, of ``worker_parent.LATE``.
    """

    memory_mb: int = 2048
    load_seconds: float = 30.0
    call_seconds: float = 60.0
    isolation: str = "none"
    cpu_seconds: int = 2400
    imports: tuple[str, ...] = ()


class Workers(Protocol):
    """Where processes that hold models come from: the warm parent, or one environment behind it."""

    isolation: Any
    """Kept for ``isolation.self_test``."""

    def spawn(self, model_path: Path, limits: Limits) -> Worker:
        """Return a fresh worker that holds the model's file open but has not loaded it."""
        ...


class WorkerParent:
    """The warm parent process and the way to it.

    Examples
    --------
    >>> with WorkerParent() as workers:  # doctest: +SKIP
    ...     worker = workers.spawn(Path("model.pkl"), Limits())
    """

    def __init__(self) -> None:
        self.isolation: Any = None  # kept here for ``isolation.self_test``
        self._control: socket.socket | None = None
        self._life: int | None = None  # the parent ends when nobody holds this any more
        self._process: subprocess.Popen[bytes] | None = None
        self._retired: list[subprocess.Popen[bytes]] = []
        self._owner = os.getpid()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The parent's process id, where this process started it."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the parent if it is not running; returns while it still imports its libraries."""
        with self._lock:
            if self._control is None:
                self._launch()

    def renew(self) -> None:
        """Start a fresh parent; the last one ends with the last job that still holds it."""
        with self._lock:
            self._retired = [process for process in self._retired if process.poll() is None]
            if self._control is None or self._process is None:
                return
            self._let_go()
            self._retired.append(self._process)
            self._launch()

    def close(self) -> None:
        """End the parent and with it every worker."""
        for process in self._retired if os.getpid() == self._owner else ():
            process.kill()
            process.wait()
        self._retired.clear()
        self._let_go()
        self._end_process(END_SECONDS)

    def spawn(self, model_path: Path, limits: Limits, program: Program | None = None) -> Worker:
        """Return a fresh worker that holds the model's file open but has not loaded it.

        Parameters
        ----------
        model_path : Path
            The model's file.
        limits : Limits
            What the process is held to.
        program : Program, optional
            The interpreter that it runs under instead of ours.

        Raises
        ------
        MonitorError
            If no worker can be started.
        OSError
            If the file cannot be read.
        """
        for _ in range(2):
            self.start()
            control = self._control
            rules = asdict(confinement.Rules(limits.memory_mb, limits.cpu_seconds))
            asked = {**rules, "program": program, "imports": list(limits.imports)}
            worker = None
            if control is not None:
                worker = _ask_for_worker(control, model_path, limits, asked)
            if worker is not None:
                return worker
            self._forget(control)
        message = "No process for the model could be started. See the service's log for the reason."
        raise MonitorError(message)

    def _forget(self, control: socket.socket | None) -> None:
        """Drop a parent that is gone, unless somebody replaced it already."""
        with self._lock:
            if control is not None and self._control is control:
                self._let_go()
                self._end_process(0)

    def _let_go(self) -> None:
        """Close both ways to the parent; it ends when no job holds them either."""
        if self._control is not None and self._life is not None:
            self._control.close()
            os.close(self._life)
        self._control = self._life = None

    def _end_process(self, patience: float) -> None:
        """Reap the parent, if it is ours; kill it where a job still holds its socket."""
        process, self._process = self._process, None
        if process is None or os.getpid() != self._owner:
            return
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _launch(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.settimeout(START_SECONDS)
        with contextlib.ExitStack() as stack:
            stack.callback(theirs.close)
            life_end, self._life = os.pipe()
            stack.callback(os.close, life_end)
            fds = [theirs.fileno(), life_end]
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-I", "-S", "-c", _bootstrap(*fds)],
                env=clean_environment(),
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        self._owner = os.getpid()
        self._control = ours


class EnvironmentWorkers:
    """Workers under another interpreter, started and watched by the same warm parent.

    Parameters
    ----------
    parent : WorkerParent
        Where they come from.
    program : Program
        What they become before they confine themselves.
    """

    def __init__(self, parent: WorkerParent, program: Program) -> None:
        self.isolation: Any = None
        self._parent, self._program = parent, program

    def spawn(self, model_path: Path, limits: Limits) -> Worker:
        """Return a fresh worker that has imported its libraries; see ``WorkerParent.spawn``.

        Raises
        ------
        ModelError
            If the interpreter does not start or is not held as it should be.
        """
        worker = self._parent.spawn(model_path, limits, self._program)
        try:
            worker.request({"op": "memory"}, doing="starting", timeout=START_SECONDS)
        except ModelError:
            worker.close()
            raise
        return worker


class Worker:
    """One process that holds one model.

    Parameters
    ----------
    data : socket
        Requests and replies.
    pid : int
        The process by number.
    pidfd : int or None
        The same by descriptor, on Linux.
    status_fd, error_fd : int
        Read ends: how it ended, and what it wrote to its error output.
    limits : Limits
        What it is held to, for the sentence when it was too much.
    """

    def __init__(
        self,
        data: socket.socket,
        pid: int,
        pidfd: int | None,
        pipes: tuple[int, int],
        limits: Limits,
    ) -> None:
        self.pid = pid
        self.limits = limits
        self._data = data
        self._pidfd = pidfd
        self._status_fd, self._error_fd = pipes
        self._open = True
        self.n_awaited = 0
        """Requests under way: sent, their answers not yet fetched."""

    @property
    def alive(self) -> bool:
        """Whether requests can still be answered."""
        return self._open

    def request(
        self,
        header: Mapping[str, Any],
        frame: pd.DataFrame | None = None,
        *,
        doing: str,
        timeout: float,
        max_bytes: int = 0,
    ) -> Reply:
        """Ask the worker for something and wait for the answer.

        Parameters
        ----------
        header : mapping
            ``op`` and its options.
        frame : DataFrame, optional
            The table it is about.
        doing : str
            What the model is doing meanwhile, for messages: "loading", "predicting".
        timeout : float
            Wall time for sending, thinking and answering, seconds.
        max_bytes : int
            Most bytes of arrays that the answer may hold.

        Raises
        ------
        ModelRaisedError, ModelCrashedError, ModelTimeoutError, ModelProtocolError
            What went wrong, in one sentence. After the last three the worker is gone, except
            that a model that merely hit its memory limit goes on.
        DataError
            If the table cannot be sent.
        """
        if self.n_awaited:
            message = "an answer is still under way; fetch it with receive before"
            raise RuntimeError(message)
        channel = _DeadlineChannel(self._data, timeout)
        with self._failures(doing, timeout):
            self._send(channel, header, frame)
            reply = self._receive(channel, max_bytes)
        return self._without_error(reply, doing)

    def send(
        self,
        header: Mapping[str, Any],
        frame: pd.DataFrame | None = None,
        *,
        doing: str,
        timeout: float,
    ) -> None:
        """Send a request without waiting; ``receive`` fetches the answers, in the same order.

        The process reads a request only after it has answered the one before. Nobody may send
        where the answers under way may not fit into a socket's buffer: both sides would wait.

        Raises
        ------
        ModelError, DataError
            As ``request``; a failure of the process concerns the first request under way.
        """
        with self._failures(doing, timeout):
            self._send(_DeadlineChannel(self._data, timeout), header, frame)

    def receive(self, *, doing: str, timeout: float, max_bytes: int = 0) -> Reply:
        """Wait for the answer to the first request under way; parameters and errors as there."""
        with self._failures(doing, timeout):
            reply = self._receive(_DeadlineChannel(self._data, timeout), max_bytes)
        return self._without_error(reply, doing)

    def kill(self) -> None:
        """Kill the process at once."""
        if not self._open:
            return
        with contextlib.suppress(ProcessLookupError):
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            elif not _readable(self._status_fd, 0):  # not reaped yet, so the number is still its
                os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill the process and let go of it."""
        if self._open:
            self.kill()
            self._open = False
            self.n_awaited = 0
            self._data.close()
            for fd in (self._pidfd, self._status_fd, self._error_fd):
                if fd is not None:
                    os.close(fd)

    @contextlib.contextmanager
    def _failures(self, doing: str, timeout: float) -> Iterator[None]:
        """Turn what goes wrong between the processes into one sentence."""
        try:
            yield
        except FrameCodecError as error:
            message = f"The table cannot be given to a model: {error}."
            raise DataError(message) from error
        except TimeoutError as error:
            self.close()
            message = f"The model gave no answer within {timeout:g} s and was stopped ({doing})."
            raise ModelTimeoutError(message) from error
        except worker_protocol.ProtocolError as error:
            self.close()
            message = f"The model's process gave an answer of another form than promised: {error}."
            raise ModelProtocolError(message) from error
        except (EOFError, ConnectionError) as error:
            raise self._end(doing) from error

    def _send(
        self, channel: _DeadlineChannel, header: Mapping[str, Any], frame: pd.DataFrame | None
    ) -> None:
        self._refuse_unasked()
        worker_protocol.send_request(channel, dict(header), frame)
        self.n_awaited += 1

    def _receive(self, channel: _DeadlineChannel, max_bytes: int) -> Reply:
        reply = worker_protocol.receive_reply(channel, max_bytes)
        self.n_awaited -= 1
        self._refuse_unasked()
        return reply

    def _refuse_unasked(self) -> None:
        """Raise if bytes wait that nobody asked for."""
        if self.n_awaited:
            return
        if _readable(self._data.fileno(), 0) and self._data.recv(1, socket.MSG_PEEK):
            message = "bytes that nobody asked for"
            raise worker_protocol.ProtocolError(message)

    def _without_error(self, reply: Reply, doing: str) -> Reply:
        told = reply.header.get("error")
        if told is not None:
            raise self._told_error(told, doing)
        return reply

    def _told_error(self, told: Any, doing: str) -> ModelError:  # noqa: ANN401 - untrusted
        if not isinstance(told, dict):
            self.close()
            return ModelProtocolError("The model's process reported an error without a text.")
        if told.get("memory") is True:
            return ModelCrashedError(MEMORY_SENTENCE.format(self.limits.memory_mb, doing))
        kind, text = clean_text(told.get("type"), 100), clean_text(told.get("message"), 2000)
        return ModelRaisedError(kind, text)

    def _end(self, doing: str) -> ModelError:
        """Return how the process ended, as an error; it is let go of."""
        status = self._wait_status(1.0)
        if status is None:  # it closed its socket and lives on
            self.kill()
            status = self._wait_status(END_SECONDS)
        written = _read_available(self._error_fd)
        self.close()
        if status is None:
            return ModelCrashedError(f"The model's process was lost while {doing}.")
        code, peak_kib = status
        near = peak_kib * 1024 > NEAR_LIMIT * self.limits.memory_mb * confinement.MIB
        if any(sign in written for sign in OUT_OF_MEMORY_SIGNS) or (code < 0 and near):
            return ModelCrashedError(MEMORY_SENTENCE.format(self.limits.memory_mb, doing))
        if code == -signal.SIGXCPU:
            return ModelCrashedError(CPU_SENTENCE.format(self.limits.cpu_seconds, doing))
        return ModelCrashedError(f"The model {_ending(code)} while {doing}.")

    def _wait_status(self, seconds: float) -> tuple[int, int] | None:
        """Return exit code (minus the signal) and peak KiB, or None if they do not come."""
        if not _readable(self._status_fd, seconds):
            return None
        data = os.read(self._status_fd, worker_parent.STATUS.size)
        return worker_parent.STATUS.unpack(data) if data else None


class _DeadlineChannel:
    """A socket whose operations together must end in time."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + seconds

    def sendall(self, data: bytes | memoryview) -> None:
        self._set_remaining()
        self._connection.sendall(data)

    def recv_into(self, view: memoryview) -> int:
        self._set_remaining()
        return self._connection.recv_into(view)

    def _set_remaining(self) -> None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._connection.settimeout(remaining)


def clean_environment() -> dict[str, str]:
    """Return the whole environment of the warm parent and its workers."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": str(min(os.cpu_count() or 1, MAX_THREADS)),
        "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads cost more than all confinement
        "OPENBLAS_NUM_THREADS": "1",
        "JOBLIB_MULTIPROCESSING": "0",  # its semaphores need /dev/shm
        "MALLOC_ARENA_MAX": "2",  # arenas would use up the address space
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _bootstrap(control_fd: int, life_fd: int) -> str:
    """Return the program of the warm parent: our modules and the installed ones, nothing else."""
    here = str(Path(__file__).resolve().parent)
    installed = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    return (
        f"import sys; sys.path[:0] = {[here]!r}; sys.path += {installed!r}; "
        f"import worker_parent; worker_parent.main({control_fd}, {life_fd}, linux={IS_LINUX})"
    )


def _ask_for_worker(
    control: socket.socket, model_path: Path, limits: Limits, asked: dict[str, Any]
) -> Worker | None:
    """Return a worker, or None if the parent is gone."""
    with contextlib.ExitStack() as theirs:
        model = theirs.enter_context(model_path.open("rb"))
        ours, data = socket.socketpair()
        theirs.callback(data.close)
        status_fd, status = _pipe(theirs)
        error_fd, errors = _pipe(theirs)
        os.set_blocking(errors, False)  # a worker never waits for its error output to be read
        for end in (ours, data):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
        request = json.dumps(asked).encode()
        fds = [data.fileno(), model.fileno(), status, errors]
        with contextlib.suppress(ConnectionError, TimeoutError):
            socket.send_fds(control, [request], fds)
    hello = _receive_hello(ours)
    if hello is None:
        ours.close()
        os.close(status_fd)
        os.close(error_fd)
        return None
    return Worker(ours, *hello, (status_fd, error_fd), limits)


def _pipe(stack: contextlib.ExitStack) -> tuple[int, int]:
    """Return a pipe whose write end closes with the stack."""
    read_end, write_end = os.pipe()
    stack.callback(os.close, write_end)
    return read_end, write_end


def _receive_hello(data: socket.socket) -> tuple[int, int | None] | None:
    """Return the worker's pid and, on Linux, pidfd, or None if the parent is gone."""
    data.settimeout(START_SECONDS)
    try:
        message, fds, _, _ = socket.recv_fds(data, worker_parent.HELLO.size, 1)
    except (TimeoutError, ConnectionError):
        return None
    if len(message) != worker_parent.HELLO.size or len(fds) != IS_LINUX:
        return None
    return worker_parent.HELLO.unpack(message)[0], fds[0] if fds else None


def _read_available(fd: int) -> bytes:
    """Return what is in a pipe now, cut to ``ERROR_OUTPUT_BYTES``."""
    return os.read(fd, ERROR_OUTPUT_BYTES) if _readable(fd, 0) else b""


def _readable(fd: int, seconds: float) -> bool:
    """Wait until a descriptor can be read or its other end is closed."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _ending(code: int) -> str:
    """Say how a process ended, from its exit code or minus the signal.

    Examples
    --------
    >>> _ending(-11)
    'crashed (signal 11, segmentation fault)'
    """
    if code >= 0:
        return f"ended itself (exit code {code})"
    if -code == signal.SIGKILL:
        return "was killed by the system (signal 9), most likely for want of memory,"
    name = (signal.strsignal(-code) or "unknown").lower()
    return f"crashed (signal {-code}, {name})"
