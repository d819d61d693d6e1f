"""Checking files in a process of its own, so that no door ever holds a table.

Owns: ``CheckTask`` and ``check_files``, the door's side of the process whose other side is
``validation_files``. Light to import: nothing numerical.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from base_types import TypedModel
from cpu_tuning import single_threaded, tuned_environment
from errors import BusyError, DataError, InputError, MonitorError, TooLargeError
from schema_utils import Schema
from settings import Settings
from validation_types import ValidationSection

ROOT = Path(__file__).resolve().parent

_ERRORS: dict[str, type[MonitorError]] = {
    kind.__name__: kind for kind in (InputError, DataError, TooLargeError)
}
_FULL = "Two tables are being checked already; try again in a moment"
_places = threading.BoundedSemaphore(2)


class CheckTask(TypedModel):
    """What to check: one file, or a train and a test file."""

    data: Path
    data_name: str
    other: Path | None = None
    other_name: str = ""
    target: str | None = None
    expected: Schema | None = None


def check_places() -> None:
    """Raise ``BusyError`` when as many tables are being checked as may be."""
    if not _places.acquire(blocking=False):
        raise BusyError(_FULL, 2)
    _places.release()


def check_files(task: CheckTask, settings: Settings) -> ValidationSection:
    """Check files and wait for the answer.

    Parameters
    ----------
    task : CheckTask
        What to check.
    settings : Settings
        How long it may take.

    Raises
    ------
    InputError
        A file cannot be read, or has no such target.
    BusyError
        Two checks are running already.
    MonitorError
        The process took too long or died.
    """
    if not _places.acquire(blocking=False):
        raise BusyError(_FULL, 2)
    try:
        return _answer(_ask(task, settings.run_seconds))
    finally:
        _places.release()


def _ask(task: CheckTask, seconds: float) -> bytes:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "validation_files"],
            cwd=ROOT,
            env=single_threaded(tuned_environment(os.environ)),
            input=task.model_dump_json(exclude_unset=True).encode(),
            stdout=subprocess.PIPE,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        msg = f"The check took longer than {seconds:g} s and was stopped"
        raise MonitorError(msg) from None
    if done.returncode:
        msg = f"The check ended unexpectedly (code {done.returncode}); is the file too large?"
        raise MonitorError(msg)
    return done.stdout


def _answer(output: bytes) -> ValidationSection:
    line = json.loads(output)
    if "error" in line:
        raise _ERRORS.get(line["kind"], MonitorError)(line["error"])
    return ValidationSection.model_validate(line["section"])
