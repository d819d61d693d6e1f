"""A sample's rows in a form that the model takes: dates as times, yes and no as true and false.

Owns: ``take_rows``, which tries the forms on a few rows and keeps the first that the model accepts,
and ``known_without``, what is left of a sample of which it accepts none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from date_forms import with_times
from errors import ModelRaisedError
from model_types import Model, ModelInfo
from schema_utils import Feature, Kind, Schema

TRIED_ROWS = 5

_TRUTH = {"yes": True, "no": False, "true": True, "false": False, "y": True, "n": False}
_TRUTH |= {"t": True, "f": False, "on": True, "off": False}


@dataclass(frozen=True, slots=True)
class TakenRows:
    """Rows that the model accepts, or why it accepts none.

    Parameters
    ----------
    frame : DataFrame
        The rows in the form kept.
    schema : Schema
        Of these rows.
    note : str or None
        What was changed, for the user.
    refusal : str or None
        One sentence; None where the rows are accepted.
    """

    frame: pd.DataFrame
    schema: Schema
    note: str | None = None
    refusal: str | None = None


def take_rows(model: Model | None, aligned: pd.DataFrame, schema: Schema) -> TakenRows:
    """Return a sample's rows in the first form that the model accepts.

    Parameters
    ----------
    model : Model or None
        Without a model the first form is kept.
    aligned : DataFrame
        The inputs of ``schema``, in order.
    schema : Schema

    Returns
    -------
    TakenRows
        Dates as times; else also yes and no as true and false; else as they were read. With a
        refusal, the rows are as they were read.
    """
    first: ModelRaisedError | None = None
    for taken in _forms(aligned, schema):
        try:
            if model is not None:
                model.predict(taken.frame.head(TRIED_ROWS))
        except ModelRaisedError as error:
            first = first or error
        else:
            return taken
    told = "" if model is None or first is None else _refusal(model.info, first)
    return TakenRows(aligned, schema, refusal=told)


def _forms(aligned: pd.DataFrame, schema: Schema) -> Iterator[TakenRows]:
    dates = [feature.name for feature in schema.inputs if feature.kind is Kind.DATETIME]
    timed = with_times(aligned, dates)
    yield TakenRows(timed, schema)
    truths = [feature.name for feature in schema.inputs if _is_truth(timed[feature.name])]
    if truths:
        told = timed.assign(**{name: _as_truth(timed[name]) for name in truths})
        listed = ", ".join(repr(name) for name in truths[:5])
        note = f"Yes and no are read as true and false in {listed}."
        yield TakenRows(told, _with_truths(schema, set(truths)), note)
    if not timed.equals(aligned):
        yield TakenRows(aligned, _with_texts(schema))


def _with_texts(schema: Schema) -> Schema:
    """Return the schema with times that the model takes as texts."""
    features = [
        each.model_copy(update={"time_form": "text"}) if each.kind is Kind.DATETIME else each
        for each in schema.features
    ]
    return schema.model_copy(update={"features": features})


def _is_truth(column: pd.Series) -> bool:
    """Whether a column of texts holds nothing but words for true and false."""
    if column.dtype.kind in "biufM":
        return False
    texts = {str(value).strip().lower() for value in column.dropna().unique()[:20]}
    return bool(texts) and texts <= _TRUTH.keys()


def _as_truth(column: pd.Series) -> pd.Series:
    truths = column.map(lambda cell: _TRUTH.get(str(cell).strip().lower()), na_action="ignore")
    return truths if column.isna().any() else truths.astype(bool)


def _with_truths(schema: Schema, names: set[str]) -> Schema:
    """Return the schema with the columns as booleans, their shares kept."""
    features = [_boolean(each) if each.name in names else each for each in schema.features]
    return schema.model_copy(update={"features": features})


def _boolean(feature: Feature) -> Feature:
    shares = dict.fromkeys((True, False), 0.0)
    labels = feature.categories or []
    for label, share in zip(labels, feature.frequencies or [1.0] * len(labels), strict=True):
        shares[_TRUTH[str(label).strip().lower()]] += share
    total = sum(shares.values()) or 1.0
    update = {
        "kind": Kind.BOOLEAN,
        "categories": list(shares),
        "frequencies": [round(share / total, 6) for share in shares.values()],
    }
    return feature.model_copy(update=update)


def _refusal(info: ModelInfo, error: ModelRaisedError) -> str:
    text = f"The model refused the sample's own rows ({str(error)[:200]})."
    if "could not convert string to float" in error.message:
        return (
            f"{text} Its column names match, but it was trained on encoded values: upload rows as "
            f"{info.estimator} received them, or a pipeline that holds the encoders."
        )
    return text


def known_without(schema: Schema) -> Schema:
    """Return a sample's schema with the names alone of the columns that are no numbers.

    For a sample that the model refused: what texts stand there says nothing of what it takes.
    """
    kept = [
        feature
        if feature.kind.is_numeric or feature.is_target
        else Feature(name=feature.name, source="sample")
        for feature in schema.features
    ]
    return schema.model_copy(update={"features": kept})
