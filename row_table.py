"""Rows that somebody typed, as JSON carries them, become a table that a model takes.

Owns: ``rows_to_frame`` and ``RowsError``, which names every wrong row and field. The types of the
columns are those of the table that the model was tested on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from base_types import Cell
from errors import RowsError
from schema_utils import Feature, Kind, Schema

MAX_PROBLEMS = 20

Row = Mapping[str, Cell]
Problem = tuple[int, str, str]
"""Row (from 0), field, and what is wrong with it."""


def rows_to_frame(rows: Sequence[Row], schema: Schema, like: pd.DataFrame) -> pd.DataFrame:
    """Return rows as a table with the inputs of a schema.

    Parameters
    ----------
    rows : sequence of mapping
        One value per input; None is missing, times are ISO 8601.
    schema : Schema
    like : DataFrame
        A table of the same inputs whose types the result takes, where its values allow it.

    Raises
    ------
    RowsError
        With every field that is missing, unknown or of the wrong type, at most 20.

    Examples
    --------
    >>> schema = Schema(features=[Feature(name="age")])
    >>> rows_to_frame([{"age": 41}], schema, pd.DataFrame({"age": [1.5]}))["age"].tolist()
    [41.0]
    """
    problems = [problem for at, row in enumerate(rows) for problem in _problems(at, row, schema)]
    if problems:
        raise RowsError(problems[:MAX_PROBLEMS], len(problems))
    columns = {
        feature.name: _column([row[feature.name] for row in rows], feature, like[feature.name])
        for feature in schema.inputs
    }
    return pd.DataFrame(columns)


def _problems(at: int, row: Row, schema: Schema) -> Iterator[Problem]:
    known = {feature.name for feature in schema.inputs}
    for feature in schema.inputs:
        if feature.name not in row:
            yield at, feature.name, "is missing; send null for an unknown value"
        elif (wrong := _wrong(row[feature.name], feature)) is not None:
            yield at, feature.name, wrong
    for name in row:
        if name not in known:
            yield at, str(name)[:100], "is no input of this model"


def _wrong(cell: Cell, feature: Feature) -> str | None:
    """Say what is wrong with one value, or None."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    shown = repr(cell)[:60]
    if feature.kind.is_numeric and (isinstance(cell, str | bool) or not math.isfinite(cell)):
        return f"is {shown}; expected a number"
    if feature.kind is Kind.BOOLEAN and cell not in _truths(feature):
        return f"is {shown}; expected true or false"
    if feature.kind is Kind.TEXT and not isinstance(cell, str):
        return f"is {shown}; expected text"
    if feature.kind is Kind.DATETIME and not _is_time(cell):
        return f"is {shown}; expected a time such as 2024-05-31T12:00:00"
    return None


def _truths(feature: Feature) -> list[Cell]:
    return [*(feature.categories or []), True, False]


def _is_time(cell: Cell) -> bool:
    if not isinstance(cell, str):
        return False
    try:
        return not pd.isna(pd.Timestamp(cell))
    except ValueError:
        return False


def _column(cells: list[Cell], feature: Feature, like: pd.Series) -> pd.Series:
    if feature.kind is Kind.DATETIME:
        return _times(cells, like)
    kind = like.dtype
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind):
        numbers = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce").astype(float)
        return _narrowed(numbers, like)
    if pd.api.types.is_bool_dtype(kind):
        return pd.Series(cells, dtype=object if None in cells else bool)
    if pd.api.types.is_string_dtype(kind):
        return pd.Series([None if cell is None else str(cell) for cell in cells], dtype=kind)
    return pd.Series(cells, dtype=object)


def _times(cells: list[Cell], like: pd.Series) -> pd.Series:
    if not pd.api.types.is_datetime64_any_dtype(like.dtype):
        return pd.Series(cells, dtype=like.dtype)  # the model was tested on times as text
    times = pd.to_datetime(pd.Series(cells, dtype=object), format="ISO8601", utc=True)
    zone = getattr(like.dtype, "tz", None)
    return times.dt.tz_convert(zone) if zone is not None else times.dt.tz_localize(None)


def _narrowed(numbers: pd.Series, like: pd.Series) -> pd.Series:
    """Return whole numbers as such where the tested table had them."""
    whole = pd.api.types.is_integer_dtype(like.dtype)
    fits = numbers.notna().all() and (numbers == numbers.round()).all()
    return numbers.astype(like.dtype) if whole and fits else numbers
