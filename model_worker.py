"""The loop inside the process that holds a model: load, describe, predict, time, lower.

Owns: the operations a worker answers and the form of its errors. It reads requests from one
socket until that closes; the model's bytes arrive as an open file. Nothing here is trusted by the
other side. Stand-alone: standard library, numpy and what the model itself needs; written for
Python 3.7 and later, so that it also runs in the environment a model was made with::

    python model_worker.py SOCKET_FD MODEL_FD
"""

from __future__ import annotations

import importlib
import os
import resource
import sys
import time
import warnings
from typing import Any

import model_describe
import restricted_pickle
import worker_protocol
from worker_predict import Predictor, TimingPlan, one_filter
from worker_protocol import Request

MAX_WARNINGS = 20
TYPE_LENGTH, MESSAGE_LENGTH = 100, 2000


class WorkerError(Exception):
    """A request that this worker cannot answer; the message says why."""


class Session:
    """One model and the operations on it.

    Parameters
    ----------
    model_fd : int
        Open, readable descriptor of the model's file.
    """

    def __init__(self, model_fd: int) -> None:
        self._model_fd = model_fd
        self._predictor: Predictor | None = None
        self._operations = {
            "load": self._load,
            "predict": self._predict,
            "time": self._time,
            "memory": self._memory,
            "transform": self._transform,
            "transform_sparse": self._transform_sparse,
            "lower": self._lower,
            "probe": self._probe,
        }

    def answer(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return header and arrays for a request; a failure becomes an ``error`` header."""
        try:
            operation = self._operations[request.header["op"]]
            header, arrays = operation(request)
        except Exception as error:  # noqa: BLE001 - whatever the model raises is its answer
            return {"error": _told(error)}, {}
        return header, arrays

    @property
    def predictor(self) -> Predictor:
        """The loaded model."""
        if self._predictor is None:
            message = "no model was loaded before this request"
            raise WorkerError(message)
        return self._predictor

    def _load(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        before = _resident_bytes()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with os.fdopen(os.dup(self._model_fd), "rb") as file:
                loaded = restricted_pickle.load(file, policy=request.header["policy"])
            opened = model_describe.open_loaded(loaded, request.header.get("composition"))
            estimator = opened.estimator
            info = model_describe.describe(estimator)
        info["notes"] = opened.notes + list(info.get("notes", []))
        info["memory_bytes"] = max(0, _resident_bytes() - before)
        self._predictor = Predictor(estimator, info)
        texts = [_clean(f"{w.category.__name__}: {w.message}") for w in caught]
        unique = list(dict.fromkeys(texts))
        told = {"info": info, "warnings": unique[:MAX_WARNINGS], "bundle": opened.found}
        return told, {}

    def _predict(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        proba = bool(request.header["proba"])
        if self.predictor.first_call_ns is None:  # that call is timed, under the usual filters
            return {}, self.predictor.predict(request.frame(), proba=proba)
        with one_filter():
            return {}, self.predictor.predict(request.frame(), proba=proba)

    def _time(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        plan = TimingPlan(**request.header["plan"])
        before = time.process_time_ns()
        arrays = self.predictor.time_calls(request.frame(), plan)
        spent = time.process_time_ns() - before
        return {"cold_ns": self.predictor.first_call_ns, "cpu_ns": spent}, arrays

    def _memory(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak_bytes = peak if sys.platform == "darwin" else peak * 1024
        return {"peak_bytes": peak_bytes, "resident_bytes": _resident_bytes()}, {}

    def _transform(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        transform = _lowering("transform")
        rows = self.predictor.inputs(request.frame())
        with one_filter():
            return {}, {"matrix": transform(self.predictor.estimator, rows)}

    def _transform_sparse(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        transform = _lowering("transform_sparse")
        rows = self.predictor.inputs(request.frame())
        with one_filter():
            width, arrays = transform(self.predictor.estimator, rows)
        return {"width": width}, arrays

    def _lower(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        lowered = _lowering("lower")(self.predictor.estimator)
        if lowered is None:
            return {"meta": None}, {}
        meta, arrays = lowered
        return {"meta": meta}, arrays

    def _probe(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        probe = importlib.import_module("isolation_probe")
        targets = request.header["targets"]
        if targets is None:
            probe.run_a_program()
            return {"got_through": []}, {}
        return {"got_through": probe.attempt_all(targets)}, {}


class FileChannel:
    """A socket used as a file: a confined worker may make no socket calls.

    Parameters
    ----------
    fd : int
        Descriptor of a connected stream socket.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def sendall(self, data: bytes | memoryview) -> None:
        """Write everything."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def recv_into(self, view: memoryview) -> int:
        """Fill the start of ``view``; 0 means that the other side has closed."""
        return os.readv(self._fd, [view])


def serve(channel: FileChannel, model_fd: int) -> None:
    """Answer requests until the other side closes."""
    session = Session(model_fd)
    while True:
        request = worker_protocol.receive_request(channel)
        if request is None:
            return
        header, arrays = session.answer(request)
        _send(channel, header, arrays)
        del request, arrays


def _send(channel: FileChannel, header: dict[str, Any], arrays: dict[str, Any]) -> None:
    try:
        worker_protocol.send_reply(channel, header, arrays)
    except (worker_protocol.ProtocolError, TypeError, ValueError) as error:  # nothing was sent yet
        worker_protocol.send_reply(channel, {"error": _told(error)}, {})


def _lowering(name: str) -> Any:  # noqa: ANN401 - a function of a module that may be missing
    try:
        return getattr(importlib.import_module("model_lowering"), name)
    except (ImportError, AttributeError) as error:
        message = f"this worker cannot {name} a model: {error}"
        raise WorkerError(message) from error


def _told(error: BaseException) -> dict[str, Any]:
    """Return an exception as short clean text, and whether memory ran out."""
    name = worker_protocol.clean_text(type(error).__name__, TYPE_LENGTH)
    text = _text_of(error)
    ran_out = isinstance(error, MemoryError) or "bad allocation" in text
    return {"type": name, "message": _clean(text), "memory": ran_out}


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a model's own exception may fail at this too
        return "its text cannot be made"


def _clean(text: object) -> str:
    return worker_protocol.clean_text(text, MESSAGE_LENGTH)


def _resident_bytes() -> int:
    """Return this process's resident memory, 0 where the platform does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - one line, no path
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


if __name__ == "__main__":
    serve(FileChannel(int(sys.argv[1])), int(sys.argv[2]))
