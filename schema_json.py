"""Schemas as JSON: written exactly, read strictly.

Owns: ``schema_to_json`` and ``schema_from_json``. Besides our own format a simple one is read:
``{"features": ["age", {"name": "city", "type": "category", "categories": ["Rome", "Oslo"]}]}``.
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from pydantic import ValidationError

from errors import InputError, SchemaError
from schema_utils import Kind, Schema, ensure_schema
from strict_json import read_json

MAX_BYTES = 32 * 1024 * 1024

_FIELD_NAMES = {"type": "kind", "dtype": "kind", "min": "minimum", "max": "maximum"}
_KIND_NAMES = {
    "int": "integer",
    "int64": "integer",
    "number": "float",
    "double": "float",
    "float64": "float",
    "numeric": "float",
    "category": "categorical",
    "bool": "boolean",
    "date": "datetime",
    "str": "text",
    "string": "text",
}


def schema_to_json(schema: Schema) -> str:
    """Write a schema so that ``schema_from_json`` gives an equal one; unset fields are left out."""
    content = {"version": schema.version, **schema.model_dump(mode="json", exclude_unset=True)}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def schema_from_json(data: str | bytes) -> Schema:
    """Read a schema from JSON.

    Parameters
    ----------
    data : str or bytes
        Our own format or the simple one of the module's docstring, at most 32 MB. ``type``,
        ``min`` and ``max`` are understood for ``kind``, ``minimum`` and ``maximum``, and dates such
        as ``"2024-05-01"`` as the range of a datetime.

    Returns
    -------
    Schema
        Valid as far as it goes; what it leaves open may still come from a sample or the model.
        Features without a source get the source "json".

    Raises
    ------
    SchemaError
        Names feature and field, or line and column where it is no JSON.

    Examples
    --------
    >>> schema_from_json('{"features": ["age"]}').features[0].name
    'age'
    """
    try:
        content = read_json(data, what="The schema", max_bytes=MAX_BYTES)
    except InputError as error:
        raise SchemaError(str(error)) from error
    if isinstance(content, list):
        content = {"features": content}
    if not isinstance(content, dict) or not isinstance(content.get("features"), list):
        message = 'The schema must be an object with a list "features", one entry per column.'
        raise SchemaError(message)
    content = {**content, "features": [_feature(entry) for entry in content["features"]]}
    try:
        schema = Schema.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise SchemaError(_first_problem(error, content)) from error
    return ensure_schema(schema, complete=False)


def parse_time(text: str) -> float:
    """Return seconds since 1970 (UTC) of an ISO 8601 date or time; ValueError if it is none.

    Examples
    --------
    >>> parse_time("1970-01-02"), parse_time("1970-01-01T01:00:00+01:00")
    (86400.0, 0.0)
    """
    stamp = pd.to_datetime(text, format="ISO8601", utc=True)
    if pd.isna(stamp):
        message = f"{text!r} is no date"
        raise ValueError(message)
    return float(stamp.timestamp())


def _feature(entry: Any) -> Any:  # noqa: ANN401 - any JSON; pydantic judges it afterwards
    """Bring one entry of the simple format to ours; anything else is left to pydantic."""
    if isinstance(entry, str):
        return {"name": entry, "source": "json"}
    if not isinstance(entry, dict):
        return entry
    fields = {_FIELD_NAMES.get(key, key): value for key, value in entry.items()}
    kind = fields.get("kind")
    if isinstance(kind, str):
        fields["kind"] = _KIND_NAMES.get(kind.lower(), kind.lower())
    elif fields.get("categories"):
        fields["kind"] = Kind.CATEGORICAL.value
    if fields.get("kind") == Kind.DATETIME:
        fields |= {key: _bound(fields[key]) for key in ("minimum", "maximum") if key in fields}
    return {"source": "json", **fields}


def _bound(value: Any) -> Any:  # noqa: ANN401 - any JSON; pydantic judges what is no date
    """Turn a date into seconds."""
    if not isinstance(value, str):
        return value
    try:
        return parse_time(value)
    except ValueError:
        return value


def _first_problem(error: ValidationError, content: dict[str, Any]) -> str:
    """Say where and what the first validation problem is."""
    first = error.errors(include_url=False)[0]
    place = first["loc"]
    if len(place) < 2 or place[0] != "features" or not isinstance(place[1], int):
        return f"The schema's field {'.'.join(map(str, place))!r}: {first['msg']}."
    entry = content["features"][place[1]]
    name = entry.get("name") if isinstance(entry, dict) else None
    label = f"Feature {name!r}" if isinstance(name, str) else f"Feature number {place[1] + 1}"
    field = f", field {'.'.join(map(str, place[2:3]))!r}" if len(place) > 2 else ""
    given = repr(first["input"])
    given = given if len(given) <= 60 else given[:59] + "…"
    return f"{label}{field}: {first['msg']} (found {given})."
