"""A schema as an editable table: one row per feature, every cell a text, number or tick.

Owns: ``schema_to_table`` and ``schema_from_table``, the two ways of the dashboard's editor.
Categories are written ``Oslo: 0.3 | Rome: 0.7``, parameters ``mean=3, std=1``, the range of a
datetime as ISO dates. A label that would read as something else is put in double quotes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from pydantic import ValidationError

from base_types import Label
from errors import SchemaError
from schema_json import parse_time
from schema_utils import Distribution, Feature, Kind, Schema, ensure_schema, feature_problems

COLUMNS = [
    "name",
    "kind",
    "minimum",
    "maximum",
    "categories",
    "distribution",
    "parameters",
    "missing_rate",
    "outlier_rate",
    "is_target",
]
"""Columns of the table, in order."""

_ENTRY = re.compile(
    r'\s*(?P<label>"(?:[^"\\]|\\.)*"|[^|"]*?)\s*(?::\s*(?P<share>[-+0-9.eE]+)\s*)?(?P<end>\||$)'
)


def schema_to_table(schema: Schema) -> pd.DataFrame:
    """Write a schema as a table.

    Returns
    -------
    DataFrame, shape (n_features, 10)
        Columns ``COLUMNS``: texts, except ``missing_rate`` and ``outlier_rate`` (float64) and
        ``is_target`` (bool). Quantiles and correlation are not in it; they stay with the sample.
    """
    rows = [_row(feature) for feature in schema.features]
    table = pd.DataFrame(rows, columns=COLUMNS)
    numbers = {"missing_rate": "float64", "outlier_rate": "float64", "is_target": "bool"}
    return table.astype({name: numbers.get(name, "str") for name in COLUMNS})


def schema_from_table(table: pd.DataFrame) -> Schema:
    """Read the table back; the features come from "hand".

    Parameters
    ----------
    table : DataFrame
        Columns of ``COLUMNS``; only ``name`` is needed. Rows that are all empty are left out.

    Raises
    ------
    SchemaError
        Names row (from 1), feature and field.

    Examples
    --------
    >>> table = pd.DataFrame({"name": ["city"], "kind": ["categorical"], "categories": ["a | b"]})
    >>> schema_from_table(table).features[0].categories
    ['a', 'b']
    """
    if "name" not in table.columns:
        message = "The table has no column 'name'; every feature needs a name."
        raise SchemaError(message)
    features = []
    for number, row in enumerate(table.to_dict("records"), start=1):
        cells = {key: value for key, value in row.items() if not _is_empty(value)}
        if cells.keys() & {"name", "kind", "minimum", "maximum", "categories", "distribution"}:
            features.append(_feature(cells, number))
    return ensure_schema(Schema(features=features), complete=False)


# --- to the table ----------------------------------------------------------------------------


def _row(feature: Feature) -> dict[str, Any]:
    """Write one feature as a row."""
    return {
        "name": feature.name,
        "kind": feature.kind.value,
        "minimum": bound_text(feature.minimum, feature.kind),
        "maximum": bound_text(feature.maximum, feature.kind),
        "categories": format_categories(feature.categories, feature.frequencies),
        "distribution": feature.distribution.value if feature.distribution else "",
        "parameters": ", ".join(f"{key}={value!r}" for key, value in feature.parameters.items()),
        "missing_rate": feature.missing_rate,
        "outlier_rate": feature.outlier_rate,
        "is_target": feature.is_target,
    }


def bound_text(value: float | None, kind: Kind) -> str:
    """Write an end of the range: a number without needless zeros, or an ISO date."""
    if value is None:
        return ""
    if kind is Kind.DATETIME and abs(value) < 2.5e11:
        moment = datetime.fromtimestamp(value, UTC).replace(tzinfo=None)
        return moment.isoformat().removesuffix("T00:00:00")
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def format_categories(labels: list[Label] | None, shares: list[float] | None) -> str:
    """Write categories with their frequencies, e.g. ``Oslo: 0.3 | Rome: 0.7``.

    Examples
    --------
    >>> format_categories(["Oslo", "Rome"], [0.3, 0.7])
    'Oslo: 0.3 | Rome: 0.7'
    """
    names = [_label_text(label) for label in labels or []]
    if shares is None or len(shares) != len(names):
        return " | ".join(names)
    return " | ".join(f"{name}: {share!r}" for name, share in zip(names, shares, strict=True))


def _label_text(label: Label) -> str:
    """Write a label so that reading it gives the same label."""
    if not isinstance(label, str):
        return json.dumps(label)
    plain = label == label.strip() and label.isprintable() and not set(label) & set('|:"')
    return label if plain and label and _read_bare(label) == label else json.dumps(label)


# --- from the table --------------------------------------------------------------------------


def _feature(cells: Mapping[Hashable, Any], number: int) -> Feature:
    """Read one row."""
    name = str(cells.get("name", "")).strip()
    where = f"Row {number} ({name!r})"
    fields: dict[str, Any] = {"name": name, "source": "hand"}
    for field, read in _READERS.items():
        if field in cells:
            try:
                fields |= read(cells[field], cells)
            except ValueError as error:
                message = f"{where}, field {field!r}: {error}."
                raise SchemaError(message) from error
    try:
        feature = Feature.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = f"{where}, field {str(first['loc'][0])!r}: {first['msg']}."
        raise SchemaError(message) from error
    for field, problem in feature_problems(feature, complete=False):
        message = f"{where}, field {field!r}: {problem}"
        raise SchemaError(message)
    return feature


def _is_empty(value: object) -> bool:
    """Whether a cell says nothing."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    return value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def _read_kind(value: object, _cells: Mapping[Hashable, Any]) -> dict[str, Any]:
    return {"kind": _one_of(value, Kind)}


def _read_distribution(value: object, _cells: Mapping[Hashable, Any]) -> dict[str, Any]:
    return {"distribution": _one_of(value, Distribution)}


def _one_of(value: object, choices: type[Kind] | type[Distribution]) -> str:
    """Return the choice, or say which there are."""
    text = str(value).strip().lower()
    names = [choice.value for choice in choices]
    if text not in names:
        message = f"{value!r} is unknown; choose {', '.join(names)}"
        raise ValueError(message)
    return text


def _read_bound(field: str, value: object, cells: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Read an end of the range."""
    if isinstance(value, str) and str(cells.get("kind", "")).strip().lower() == Kind.DATETIME:
        return {field: parse_time(value)}
    return {field: _number(value)}


def _number(value: object) -> float:
    """Read a finite number."""
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        message = f"{value!r} is not a number"
        raise ValueError(message)
    return number


def _read_categories(value: object, _cells: Mapping[Hashable, Any]) -> dict[str, Any]:
    labels, shares = parse_categories(str(value))
    return {"categories": labels} | ({"frequencies": shares} if shares else {})


def _read_parameters(value: object, _cells: Mapping[Hashable, Any]) -> dict[str, Any]:
    parameters: dict[str, float] = {}
    for part in str(value).split(","):
        name, equals, number = part.partition("=")
        if not equals or not name.strip():
            message = f"{part.strip()!r} is not of the form name=number"
            raise ValueError(message)
        parameters[name.strip()] = _number(number.strip())
    return {"parameters": parameters}


def _read_target(value: object, _cells: Mapping[Hashable, Any]) -> dict[str, Any]:
    text = str(value).strip().lower()
    if text not in {"true", "false", "1", "0", "yes", "no"}:
        message = f"{value!r} is neither true nor false"
        raise ValueError(message)
    return {"is_target": text in {"true", "1", "yes"}}


_READERS = {
    "kind": _read_kind,
    "minimum": lambda value, cells: _read_bound("minimum", value, cells),
    "maximum": lambda value, cells: _read_bound("maximum", value, cells),
    "categories": _read_categories,
    "distribution": _read_distribution,
    "parameters": _read_parameters,
    "missing_rate": lambda value, _cells: {"missing_rate": _number(value)},
    "outlier_rate": lambda value, _cells: {"outlier_rate": _number(value)},
    "is_target": _read_target,
}


def parse_categories(text: str) -> tuple[list[Label], list[float] | None]:
    """Read ``a: 0.3 | b: 0.7`` into labels and frequencies.

    Returns
    -------
    labels : list
        Numbers, true and false are read as such; quoted labels are texts.
    frequencies : list of float or None
        None when no label has one.

    Raises
    ------
    ValueError
        A stray quote, a broken number, or frequencies for some labels only.

    Examples
    --------
    >>> parse_categories("Oslo: 0.3 | Rome: 0.7")
    (['Oslo', 'Rome'], [0.3, 0.7])
    >>> parse_categories('1 | "1" | true')
    ([1, '1', True], None)
    """
    labels: list[Label] = []
    shares: list[float] = []
    position = 0
    while position <= len(text):
        entry = _ENTRY.match(text, position)
        if entry is None or not entry["label"]:
            message = f"{text[position:].strip()[:40]!r} is no category; write a: 0.3 | b: 0.7"
            raise ValueError(message)
        labels.append(_read_label(entry["label"]))
        if entry["share"] is not None:
            shares.append(_number(entry["share"]))
        if not entry["end"]:
            break
        position = entry.end()
    if shares and len(shares) != len(labels):
        message = f"{len(shares)} of {len(labels)} categories have a share; give all or none"
        raise ValueError(message)
    return labels, shares or None


def _read_label(text: str) -> Label:
    """Read one label."""
    return str(json.loads(text)) if text.startswith('"') else _read_bare(text)


def _read_bare(text: str) -> Label:
    """Read a label without quotes: a JSON number or boolean is one, anything else is text."""
    if text in {"true", "false"}:
        return text == "true"
    try:
        return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else _float_label(text)
    except ValueError:
        return text


def _float_label(text: str) -> float:
    """Read a label such as 1.5; names such as nan, inf or 1_000 stay texts."""
    if not re.fullmatch(r"-?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?", text):
        raise ValueError(text)
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return value
