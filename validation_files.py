"""The process that checks files: ``python -m validation_files``.

Owns: reading the files. The task comes as JSON on standard input; the answer or the error goes to
standard output as one JSON object.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pandas as pd

from errors import DataError, InputError, MonitorError, TooLargeError
from schema_inference import guess_target, schema_from_sample
from table_reader import read_table
from validation import check_table
from validation_job import CheckTask
from validation_split import check_split
from validation_types import ValidationSection


def check(task: CheckTask) -> ValidationSection:
    """Read the files of a task and check them.

    Raises
    ------
    InputError
        A file cannot be read.
    DataError
        There is no such target column.
    """
    frame, notes = read_table(task.data, task.data_name)
    target = task.target or guess_target(frame, None)
    schema = schema_from_sample(frame, target=target)
    if task.other is None:
        section = check_table(frame, schema, target=target, expected=task.expected)
    else:
        other, more = read_table(task.other, task.other_name)
        notes = [*notes, *more]
        section = check_split(frame, other, schema, target=target)
    section.notes = [*notes, *_about_target(task.target, target, frame)]
    return section


def _about_target(asked: str | None, target: str | None, frame: pd.DataFrame) -> list[str]:
    if asked is not None or frame.empty:
        return []
    if target is None:
        return ["No column looks like the true answer; name one to have it checked as well."]
    return [f"{target!r} was taken as the true answer because of its name."]


def _kind(error: MonitorError) -> str:
    kinds = (TooLargeError, DataError, InputError, MonitorError)
    return next(kind.__name__ for kind in kinds if isinstance(error, kind))


def main() -> int:
    """Check what standard input says; return the exit code."""
    line: dict[str, Any]
    try:
        task = CheckTask.model_validate_json(sys.stdin.read())
        line = {"section": check(task).model_dump(mode="json")}
    except MonitorError as error:
        line = {"error": str(error), "kind": _kind(error)}
    sys.stdout.write(json.dumps(line, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
