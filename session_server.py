"""The process that keeps models open for the doors, a child of the runner.

Owns: ``SessionProcess`` (start, restart, stop) and the socket it listens on. The models themselves
are in workers, as in every run; a crash of one is an error in one answer. This process dies with
the runner.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from pydantic import TypeAdapter, ValidationError

import model_sessions
from errors import BusyError, InputError, MonitorError
from model_session import ModelSession, Sessions
from model_sessions import PlayQuestion, Question, describe_error
from run_job import cut_loose
from sandbox import WorkerParent
from storage import Store

log = logging.getLogger("sessions")

_QUESTIONS: TypeAdapter[Question | PlayQuestion] = TypeAdapter(Question | PlayQuestion)

AT_ONCE = 8
"""Questions worked on at the same time; further ones are told to come back."""

QUESTION_SECONDS = 10.0
"""How long a question may take to arrive."""

LOOK_SECONDS = 1.0


class SessionProcess:
    """The runner's hold on the process: started when missing, killed at the end.

    Parameters
    ----------
    store : Store
    workers : WorkerParent
        Where processes that hold models come from.
    """

    def __init__(self, store: Store, workers: WorkerParent) -> None:
        self._store, self._workers = store, workers
        self.pid: int | None = None
        self._replaced: list[int] = []
        self._workers_pid = workers.pid

    def ensure(self) -> None:
        """Start the process unless it lives, and anew where the parent of workers is another.

        A process that is replaced answers what it was asked and ends: as long as it lives, so does
        the parent that its models were forked from.
        """
        self._replaced = [pid for pid in self._replaced if not _has_ended(pid)]
        if self.pid is not None and _has_ended(self.pid):
            self.pid = None
        if self._workers_pid != self._workers.pid:
            self._workers_pid = self._workers.pid
            old, self.pid = self.pid, None
            self._start()
            if old is not None:
                self._replaced.append(old)
                os.kill(old, signal.SIGTERM)
        elif self.pid is None:
            self._start()

    def _start(self) -> None:
        parent_pid = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _become_server(self._store, self._workers, parent_pid)

    def stop(self) -> None:
        """Kill the process; the workers behind it end with it."""
        for pid in [*self._replaced, *([] if self.pid is None else [self.pid])]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self._replaced, self.pid = [], None


def _has_ended(pid: int) -> bool:
    return os.waitpid(pid, os.WNOHANG)[0] != 0


def _become_server(store: Store, workers: WorkerParent, parent_pid: int) -> NoReturn:
    """Serve in a freshly forked process; never returns."""
    try:
        cut_loose(parent_pid)
        leave = threading.Event()
        signal.signal(signal.SIGTERM, lambda _signum, _frame: leave.set())
        store.after_fork()
        serve(store, Sessions(lambda run_id: ModelSession(store, run_id, workers)), leave)
        os._exit(0)
    except BaseException:  # nothing may return into the parent's code after a fork
        log.exception("the process that holds models ended")
    finally:
        os._exit(1)


def serve(store: Store, sessions: Sessions, leave: threading.Event) -> None:
    """Answer questions, each in a thread, until ``leave`` is set and the last one is answered."""
    places = threading.BoundedSemaphore(AT_ONCE)
    listener = _listen(store)
    while True:
        sessions.close_idle(time.monotonic())
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            if leave.is_set():
                break
            continue
        connection.settimeout(QUESTION_SECONDS)
        if places.acquire(blocking=False):
            threading.Thread(
                target=_converse, args=(connection, sessions, places.release), daemon=True
            ).start()
        else:
            _refuse(connection)
    for _ in range(AT_ONCE):
        places.acquire()


def _listen(store: Store) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    old_mask = os.umask(0o177)  # only this user may connect, from the first moment on
    try:
        with model_sessions.socket_address(store.settings.data_dir) as address:
            if os.path.lexists(address):
                os.unlink(address)  # noqa: PTH108 - of a process that is gone; we hold the lock
            listener.bind(address)
    finally:
        os.umask(old_mask)
    listener.listen(32)
    listener.settimeout(LOOK_SECONDS)
    return listener


def _converse(connection: socket.socket, sessions: Sessions, done: Callable[[], None]) -> None:
    """Read one question and answer it."""
    try:
        with connection:
            content = model_sessions.receive(connection, model_sessions.MAX_QUESTION_BYTES)
            model_sessions.send(connection, _answer(content, sessions))
    except OSError:
        log.info("a door went away before its answer")
    finally:
        done()


def _refuse(connection: socket.socket) -> None:
    busy = BusyError(f"{AT_ONCE} questions to models are being answered already; try again")
    try:
        with connection:
            model_sessions.receive(connection, model_sessions.MAX_QUESTION_BYTES)
            model_sessions.send(connection, _error_bytes(busy))
    except OSError:
        log.info("a door went away before it was refused")


def _answer(content: bytes, sessions: Sessions) -> bytes:
    try:
        question = _QUESTIONS.validate_json(content)
        answer = (
            sessions.play(question)
            if isinstance(question, PlayQuestion)
            else sessions.ask(question)
        )
    except ValidationError as error:
        return _error_bytes(InputError(f"The question cannot be read: {error}"))
    except MonitorError as error:
        return _error_bytes(error)
    except Exception as error:  # a defect in one answer must not end the others' models
        log.exception("a question about run %s failed", content[:100])
        return _error_bytes(MonitorError(f"Unexpected error: {type(error).__name__}: {error}"))
    return b'{"answer":' + answer.model_dump_json().encode() + b"}"


def _error_bytes(error: MonitorError) -> bytes:
    return json.dumps({"error": describe_error(error)}).encode()
