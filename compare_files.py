"""The process that compares two files: ``python -m compare_files``.

Owns: ``Options`` and ``compare_files``. The task comes as one line of JSON on standard input;
progress, and at last the report or the error, go to standard output, one JSON object per line. The
process, which leads a session of its own, ends when standard input is closed: then nobody wants the
answer any more.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from pydantic import Field, ValidationError

from base_types import TypedModel
from drift import compare_frames
from drift_comparison import Thresholds
from drift_job import DriftTask
from drift_reference import ReferenceProfile, compare_with_profile, is_profile
from drift_types import DriftReport
from errors import (
    DataError,
    InputError,
    ModelError,
    MonitorError,
    NotFoundError,
    TooLargeError,
)
from schema_inference import schema_from_sample
from schema_utils import Schema
from table_reader import Table, read_table

Tell = Callable[[float, str], None]

KIND_ROWS = 20_000
"""Rows of the reference from which the kinds of its columns are read."""


class Options(TypedModel):
    """What a caller may decide."""

    thresholds: Thresholds = Field(default_factory=Thresholds)
    jointly: bool = Field(default=False, description="Also test all columns at once")
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="Of the tests of all columns")


def compare_files(task: DriftTask, tell: Tell) -> DriftReport:
    """Read both files and compare them.

    Parameters
    ----------
    task : DriftTask
        What to compare.
    tell : callable
        Called with (fraction, message).

    Returns
    -------
    DriftReport
        With what was decided while reading among its notes.

    Raises
    ------
    InputError
        A file or an option cannot be used.
    """
    options = _options(task.options)
    tell(0.02, f"reading {task.reference_name}")
    kept = task.reference.read_bytes()
    if is_profile(kept):
        return _compare_with_kept(ReferenceProfile.from_bytes(kept), (task, options), tell)
    reference = read_table(task.reference, task.reference_name)
    tell(0.2, f"reading {task.current_name}")
    current = read_table(task.current, task.current_name)
    if task.labels in reference.frame and task.labels not in current.frame:
        reference.notes.append(f"{task.labels!r} was not compared: current rows have no answers")
        reference = reference._replace(frame=reference.frame.drop(columns=task.labels))
    schema = schema_from_sample(reference.frame.head(KIND_ROWS))
    report = compare_frames(
        reference.frame,
        current.frame,
        schema,
        thresholds=options.thresholds,
        progress=lambda fraction, message: tell(0.4 + 0.4 * fraction, message),
    )
    report.notes += _notes(task.reference_name, reference) + _notes(task.current_name, current)
    _compare_further(report, (reference.frame, current.frame, schema), (task, options), tell)
    return report


def _notes(name: str, table: Table) -> list[str]:
    return [f"{name}: {note}" for note in table.notes]


def _compare_with_kept(
    profile: ReferenceProfile, asked: tuple[DriftTask, Options], tell: Tell
) -> DriftReport:
    """Compare with a reference that is not a table but the saved profile of one."""
    task, options = asked
    tell(0.2, f"reading {task.current_name}")
    current = read_table(task.current, task.current_name)
    report = compare_with_profile(profile, current.frame, thresholds=options.thresholds)
    report.notes += _notes(task.current_name, current)
    if options.jointly or task.model is not None:
        report.notes.append(
            "The reference is a profile without rows: neither all columns at once nor predictions "
            "can be compared with it."
        )
    return report


def _options(given: Mapping[str, Any]) -> Options:
    try:
        return Options.model_validate(given)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, item['loc']))} is {item['input']!r:.80}: {item['msg']}"
            for item in error.errors(include_url=False)
        ]
        raise InputError("In the options: " + "; ".join(problems)) from None


def _compare_further(
    report: DriftReport,
    tables: tuple[pd.DataFrame, pd.DataFrame, Schema],
    asked: tuple[DriftTask, Options],
    tell: Tell,
) -> None:
    reference, current, schema = tables
    task, options = asked
    if options.jointly:
        from drift_multivariate import compare_jointly  # imports scikit-learn

        tell(0.8, "testing all columns at once")
        report.multivariate = compare_jointly(reference, current, schema, seed=options.seed)
    if task.model is not None:
        from compare_answers import compare_answers  # imports what opens models

        tell(0.85, f"asking {task.model.request.model_name}")
        try:
            report.prediction, notes = compare_answers(
                task.model,
                (reference, current, schema),
                options.thresholds,
                lambda fraction, message: tell(0.85 + 0.15 * fraction, message),
            )
            report.notes += notes
        except (ModelError, NotFoundError) as error:
            report.notes.append(f"Predictions were not compared: {error}")


def _write(line: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(line, allow_nan=False) + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    """Wait until standard input is closed, then end the process at once, with all it started."""
    sys.stdin.read()
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _kind(error: MonitorError) -> str:
    kinds = (TooLargeError, DataError, InputError, ModelError, MonitorError)
    return next(kind.__name__ for kind in kinds if isinstance(error, kind))


def main() -> int:
    """Compare what standard input says; return the exit code."""
    task = DriftTask.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        report = compare_files(
            task, lambda fraction, message: _write({"fraction": fraction, "message": message})
        )
    except MonitorError as error:
        _write({"error": str(error), "kind": _kind(error)})
        return 0
    _write({"report": report.model_dump(mode="json")})
    return 0


if __name__ == "__main__":
    sys.exit(main())
