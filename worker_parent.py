"""The warm parent of all workers: imports the libraries once and forks a worker on demand.

Owns: what is imported beforehand, forking, reaping, and the end of every worker. It is started
fresh by ``sandbox`` with a clean environment, so that no secret of the service is in its memory;
it never opens a model and never runs a numerical routine (a forked child could not use the
threads of one).

It listens on one control socket of whole messages that several jobs may hold at the same time.
Nothing is ever answered there; each request brings its own ends of private channels::

    job ──(control: request + fds)──> parent ──fork──> worker
    job <─(data: pid, pidfd if any)── parent
    job <─(data: requests, replies)──────────────────> worker
    job <─(status pipe: exit status)─ parent

A job that ends closes its end of the status pipe, and its worker is killed. When nobody holds the
other end of the life pipe any more, the parent kills all workers and ends.
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import gc
import importlib.util
import json
import os
import select
import signal
import socket
import struct
import sys
import traceback
from typing import Any, NamedTuple, NoReturn

import confinement
import process_guard
from worker_start import CODECS, DATA_FD, MODEL_FD, Program, become

STATUS = struct.Struct("<iq")
"""What is written to a status pipe: exit code or minus the signal, peak resident KiB."""
HELLO = struct.Struct("<i")
"""What is sent on the data socket with the pidfd: the worker's process id."""
N_DESCRIPTORS = 4
"""Data socket, model file, write end of the status pipe, write end for error output."""
RSS_UNIT = 1024 if sys.platform == "darwin" else 1
"""What ``ru_maxrss`` counts, per KiB."""

PRELOADED = (
    *(
        "numpy",
        "pandas",
        "scipy.sparse",
        "scipy.special",
        "scipy.stats",
        "joblib",
        "lz4.frame",
        "threadpoolctl",
    ),
    *("sklearn.calibration", "sklearn.cluster", "sklearn.compose", "sklearn.decomposition"),
    *("sklearn.discriminant_analysis", "sklearn.ensemble", "sklearn.feature_extraction.text"),
    *("sklearn.feature_selection", "sklearn.gaussian_process", "sklearn.impute"),
    *("sklearn.linear_model", "sklearn.mixture", "sklearn.model_selection", "sklearn.multiclass"),
    *("sklearn.multioutput", "sklearn.naive_bayes", "sklearn.neighbors", "sklearn.neural_network"),
    *("sklearn.pipeline", "sklearn.preprocessing", "sklearn.svm", "sklearn.tree"),
    *("xgboost", "lightgbm", "onnxruntime"),
    *("model_worker", "model_lowering", "isolation_probe"),
)
"""Modules imported before the first fork; those that are not installed are left out."""

LATE = ("torch", "dill")
"""Libraries that a worker imports by itself, before it is confined, when its file needs them."""


class _Worker(NamedTuple):
    """A running worker as its parent knows it."""

    pid: int
    status_fd: int


def main(control_fd: int, life_fd: int, *, linux: bool) -> None:
    """Import the libraries, then serve fork requests until the life pipe closes.

    Parameters
    ----------
    control_fd : int
        Datagram socket on which requests come.
    life_fd : int
        Read end of a pipe that somebody holds open as long as workers may be needed.
    linux : bool
        Whether to use what only Linux has: pidfds and confinement by the kernel.
    """
    process_guard.close_memory()
    _preload()
    layers = confinement.prepare() if linux else None
    parent = _Parent(socket.socket(fileno=control_fd), life_fd, layers)
    gc.collect()
    gc.freeze()
    parent.run()


class _Parent:
    """The loop: fork on request, report every end, kill what nobody waits for."""

    def __init__(
        self, control: socket.socket, life_fd: int, layers: confinement.Layers | None
    ) -> None:
        self._control = control
        self._life_fd = life_fd
        self._layers = layers
        self._pid = os.getpid()
        self._by_status: dict[int, _Worker] = {}
        self._ends = process_guard.hear_ends()
        self._poll = select.poll()
        for fd in (control.fileno(), self._ends):
            self._poll.register(fd, select.POLLIN)
        self._poll.register(life_fd, 0)  # POLLHUP comes unasked

    def run(self) -> None:
        """Serve until nobody holds the life pipe."""
        while True:
            # one event at a time: handling it may close descriptors whose numbers come back
            fd, _ = self._poll.poll()[-1]
            if fd == self._ends:
                os.read(fd, 1 << 10)
                self._reap(os.WNOHANG)
            elif fd in self._by_status:  # the job's end is gone
                _kill(self._by_status[fd])
                self._poll.unregister(fd)
            elif fd == self._life_fd:
                self._kill_all()
                return
            else:
                self._serve_request()

    def _serve_request(self) -> None:
        """Fork one worker."""
        data, fds, _, _ = socket.recv_fds(self._control, 1 << 16, N_DESCRIPTORS)
        if len(fds) == N_DESCRIPTORS:
            self._spawn(json.loads(data), fds)
        else:
            _close_all(fds)

    def _spawn(self, options: dict[str, Any], fds: list[int]) -> None:
        data_fd, model_fd, status_fd, error_fd = fds
        try:
            pid = os.fork()
        except OSError:  # the job sees its channels close and says so
            _close_all(fds)
            return
        if pid == 0:
            self._become_worker(options, data_fd, model_fd, error_fd)
        pidfds = [] if self._layers is None else [os.pidfd_open(pid)]
        with socket.socket(fileno=data_fd) as data, contextlib.suppress(OSError):
            # a job that is gone already: its status pipe says so in the next round
            socket.send_fds(data, [HELLO.pack(pid)], pidfds)
        _close_all([model_fd, error_fd, *pidfds])
        self._by_status[status_fd] = _Worker(pid, status_fd)
        self._poll.register(status_fd, 0)  # POLLERR comes unasked

    def _become_worker(
        self, options: dict[str, Any], data_fd: int, model_fd: int, error_fd: int
    ) -> NoReturn:
        """Turn the forked child into a worker; never returns."""
        code = 1
        try:
            process_guard.hear_no_ends()
            _arrange_descriptors(data_fd, model_fd, error_fd)
            rules = confinement.Rules(options["memory_mb"], options["cpu_seconds"])
            if options["program"] is not None:
                become(Program(*options["program"]), rules, self._layers, self._pid)
            _import_late(options["imports"])
            confinement.confine(rules, self._layers, self._pid)
            worker = sys.modules["model_worker"]
            worker.serve(worker.FileChannel(DATA_FD), MODEL_FD)
            code = 0
        except BaseException:  # noqa: BLE001 - a child must never return into the parent's loop
            traceback.print_exc()
        finally:
            os._exit(code)

    def _reap(self, options: int) -> None:
        """Report every worker that has ended, or wait for all of them (options 0)."""
        for worker in list(self._by_status.values()):
            pid, status, usage = os.wait4(worker.pid, options)
            if pid == 0:
                continue
            told = STATUS.pack(os.waitstatus_to_exitcode(status), usage.ru_maxrss // RSS_UNIT)
            with contextlib.suppress(OSError):  # the job may be gone
                os.write(worker.status_fd, told)
            del self._by_status[worker.status_fd]
            with contextlib.suppress(KeyError):
                self._poll.unregister(worker.status_fd)
            os.close(worker.status_fd)

    def _kill_all(self) -> None:
        for worker in self._by_status.values():
            _kill(worker)
        self._reap(0)


def _preload() -> None:
    for name in PRELOADED:
        if importlib.util.find_spec(name.partition(".")[0]) is None:
            continue
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001 - goes to the service's log; only its own models suffer
            traceback.print_exc()
    for name in CODECS:
        codecs.lookup(name)
    sys.modules["joblib"].cpu_count(only_physical_cores=True)  # reads files a worker may not
    _see_a_table()
    _see_libraries()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def _see_libraries() -> None:
    """Let the numerical libraries be found whose threads a timed call limits."""
    worker_predict = sys.modules.get("worker_predict")
    if worker_predict is not None:
        worker_predict.one_thread(len(sys.modules))


def _see_a_table() -> None:
    """Let scikit-learn import what it reads tables with; else each worker's first call would."""
    tables, scalers = sys.modules.get("pandas"), sys.modules.get("sklearn.preprocessing")
    if tables is not None and scalers is not None:
        scalers.StandardScaler().fit(tables.DataFrame({"a": [0.0, 1.0]}))


def _import_late(names: list[str]) -> None:
    """Import libraries that few models need and that cannot be imported once confined."""
    for name in names:
        if name in LATE and importlib.util.find_spec(name) is not None:
            importlib.import_module(name)


def _arrange_descriptors(data_fd: int, model_fd: int, error_fd: int) -> None:
    """Keep the worker's own descriptors at fixed places and close all others."""
    above = 10  # clear of the places that are filled next
    data, model, errors = (
        fcntl.fcntl(fd, fcntl.F_DUPFD, above) for fd in (data_fd, model_fd, error_fd)
    )
    null = fcntl.fcntl(os.open(os.devnull, os.O_RDWR), fcntl.F_DUPFD, above)
    for place, fd in enumerate((null, null, errors, data, model)):
        os.dup2(fd, place, inheritable=False)
    os.closerange(MODEL_FD + 1, os.sysconf("SC_OPEN_MAX"))


def _kill(worker: _Worker) -> None:
    os.kill(worker.pid, signal.SIGKILL)  # not reaped yet, so the number is still its


def _close_all(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
