"""Open models that answer at once: what the doors know of them, and how they ask.

Owns: ``explain_rows`` and ``play_with_run``, the form of questions and answers, and where they are
exchanged: a socket in the data directory that only this user can open. The models are in processes
behind ``session_server``, which the runner keeps; nothing numerical is imported here.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

import errors
from base_types import Cell, TypedModel
from errors import BusyError, ModelTimeoutError, MonitorError, RowsError, StorageError
from playground_types import OwnKnobs, OwnOutcome
from report_types import ExplanationSection
from settings import Settings

MAX_ROWS = 200
MAX_QUESTION_BYTES = 4 << 20
MAX_ANSWER_BYTES = 64 << 20
MAX_SECONDS = 20.0
"""Longest time an estimated explanation may take."""

WAIT_SECONDS = 120.0
"""Longest wait for an answer; opening a large model is part of it."""

SOCKET_NAME = "models.sock"
Answer = TypeVar("Answer", bound=TypedModel)

_LENGTH = struct.Struct(">I")
_ERRORS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, MonitorError)
}


class Question(TypedModel):
    """Rows of one run's model to predict and to explain.

    ``base_rows`` are positions in the tested data, one per row; a row then names only the fields
    that differ from them.
    """

    run_id: str = Field(max_length=64)
    rows: list[dict[str, Cell]] = Field(min_length=1, max_length=MAX_ROWS)
    base_rows: list[int] | None = Field(default=None, max_length=MAX_ROWS)
    seconds: float = Field(default=2.0, gt=0, le=MAX_SECONDS)
    space: Literal["auto", "probability"] = "auto"


class RowAnswers(TypedModel):
    """What a model answers for some rows, and why."""

    run_id: str
    predictions: list[Cell | list[Cell]] = Field(description="One per row; a list per output")
    classes: list[str] = Field(default_factory=list, description="Columns of probabilities")
    probabilities: list[list[float]] = Field(default_factory=list, description="(rows, classes)")
    explanation: ExplanationSection


class PlayQuestion(TypedModel):
    """Drift to try on the rows of one run, and its model to ask about them."""

    run_id: str = Field(max_length=64)
    knobs: OwnKnobs


def explain_rows(settings: Settings, question: Question) -> RowAnswers:
    """Ask the model of a finished run about rows; takes the model's time, so use a thread.

    Raises
    ------
    NotFoundError
        There is no such run, or it kept no model.
    RowsError
        Fields are missing, unknown or of the wrong type.
    ModelError
        The model failed; the next question gets a fresh process.
    BusyError
        The process that holds models is not there, or all places are taken.
    """
    return _asked(settings, question, RowAnswers)


def play_with_run(settings: Settings, question: PlayQuestion) -> OwnOutcome:
    """Drift the rows of a finished run and ask its model; raises as ``explain_rows`` does."""
    return _asked(settings, question, OwnOutcome)


def _asked(settings: Settings, question: TypedModel, kind: type[Answer]) -> Answer:
    answer = _exchange(settings.data_dir, question.model_dump_json().encode())
    try:
        content = json.loads(answer)
        if "error" in content:
            raise _error_of(content["error"])
        return kind.model_validate(content["answer"])
    except (ValueError, KeyError, ValidationError) as error:
        message = "The process that holds models gave an answer of another form; start anew"
        raise StorageError(message) from error


def describe_error(error: MonitorError) -> dict[str, Any]:
    """Return an error as an answer carries it."""
    told: dict[str, Any] = {"kind": type(error).__name__, "text": str(error)}
    if isinstance(error, RowsError):
        told |= {"problems": error.problems, "total": error.total}
    return told


def _error_of(told: Mapping[str, Any]) -> MonitorError:
    kind = _ERRORS.get(told["kind"], MonitorError)
    if kind is RowsError:
        return RowsError([tuple(problem) for problem in told["problems"]], told["total"])
    if kind is errors.ModelRaisedError:  # takes its text apart; it comes as a whole
        kind = errors.ModelError
    return kind(told["text"])


def _exchange(data_dir: Path, question: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(WAIT_SECONDS)
        try:
            with socket_address(data_dir) as address:
                connection.connect(address)
            send(connection, question)
            return receive(connection, MAX_ANSWER_BYTES)
        except TimeoutError as error:
            message = f"The model gave no answer within {WAIT_SECONDS:g} s"
            raise ModelTimeoutError(message) from error
        except OSError as error:
            message = "The process that holds models is not running; try again in a few seconds"
            raise BusyError(message, retry_after_seconds=3) from error


@contextlib.contextmanager
def socket_address(data_dir: Path) -> Iterator[str]:
    """Yield the socket's address: on Linux short, however long the path of the directory is."""
    if not Path("/proc/self/fd").exists():
        yield str(data_dir / SOCKET_NAME)
        return
    descriptor = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


def send(connection: socket.socket, content: bytes) -> None:
    """Send one message: its length, then its bytes."""
    connection.sendall(_LENGTH.pack(len(content)) + content)


def receive(connection: socket.socket, max_bytes: int) -> bytes:
    """Return one message.

    Raises
    ------
    OSError
        The other side ended early, or announced more than ``max_bytes``.
    """
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if length > max_bytes:
        message = f"a message of {length:,} bytes; at most {max_bytes:,} are read"
        raise ConnectionError(message)
    return _exactly(connection, length)


def _exactly(connection: socket.socket, size: int) -> bytes:
    buffer = bytearray()
    while len(buffer) < size:
        part = connection.recv(min(size - len(buffer), 1 << 20))
        if not part:
            message = "the connection ended early"
            raise ConnectionError(message)
        buffer += part
    return bytes(buffer)
