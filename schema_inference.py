"""A schema read off a sample: types, ranges, categories, quantiles, correlation, and the target.

Owns: ``schema_from_sample`` and ``guess_target``. Files are read by ``table_reader``.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from base_types import Label
from date_forms import read_times
from date_writing import date_writing
from errors import DataError
from formatting import every_name
from model_types import ModelInfo
from ordered_numbers import quantiles
from schema_constraints import find_constraints
from schema_merge import match_names
from schema_utils import Distribution, Feature, Kind, Schema

MAX_CATEGORIES = 200
N_QUANTILES = 101
_SHARES = np.linspace(0, 1, N_QUANTILES)
MAX_CORRELATED = 100
MAX_ROWS_CORRELATED = 20_000

_CODE_NAME = re.compile(
    r"(?i)(^|[\W_])(code|zip|zipcode|postcode|postal|category|cat|type|class|group|cluster|label)$"
)
_MAX_CODES = 50
_TARGET_NAMES = (
    "target label y class outcome species churn survived diagnosis default response result exited "
    "is_fraud fraud price saleprice quality medv variety attrition loan_status approved clicked "
    "purchased income salary target_name labels classes"
)
_TARGET_RANK = {name: rank for rank, name in enumerate(_TARGET_NAMES.split())}
_WORD = re.compile(r"[^\W_][\w'-]*")


def schema_from_sample(frame: pd.DataFrame, target: str | None = None) -> Schema:
    """Describe the columns of a sample so that data like it can be drawn.

    Parameters
    ----------
    frame : DataFrame, shape (n, k)
        As ``table_reader.read_table`` returns it: text column names, n >= 1.
    target : str, optional
        Name of the target column; it is marked and never among the inputs.

    Returns
    -------
    Schema
        Numbers and times get 101 quantiles and are drawn empirically, categories their observed
        frequencies (the 200 most frequent ones), texts their words. ``correlation`` is that of the
        normal scores of the numeric inputs (Gaussian copula), over pairwise complete rows.

    Raises
    ------
    DataError
        ``target`` is no column of the sample.

    Examples
    --------
    >>> frame = pd.DataFrame({"age": [30, 40, 50], "city": ["a", "b", "a"]})
    >>> [(feature.name, feature.kind.value) for feature in schema_from_sample(frame).features]
    [('age', 'integer'), ('city', 'categorical')]
    """
    if target is not None and target not in frame.columns:
        shown = ", ".join(map(str, frame.columns[:10]))
        message = f"The target {target!r} is no column of the sample; its columns are {shown}."
        raise DataError(message)
    features = [_feature(str(name), frame[name]) for name in frame.columns if name != target]
    schema = Schema(features=features)
    numeric = [feature.name for feature in features if _varies(feature)]
    if 2 <= len(numeric) <= MAX_CORRELATED and len(frame) >= 10:
        numbers = frame[numeric].head(MAX_ROWS_CORRELATED)
        schema.correlation = copula_correlation(numbers)
        schema.correlation_names = numeric
        found = find_constraints(numbers, numeric)
        schema.ordered, schema.sums = found.ordered, found.sums
    if target is not None:
        marked = _feature(target, frame[target]).model_copy(update={"is_target": True})
        schema.features.append(marked)
    return schema


def guess_target(frame: pd.DataFrame, info: ModelInfo | None) -> str | None:
    """Guess which column of a sample holds the truth.

    Parameters
    ----------
    frame : DataFrame
        The sample.
    info : ModelInfo or None
        What the model says; columns that it takes are never the target.

    Returns
    -------
    str or None
        The column named like the model's output; else the one named like a target; else the only
        column that the model does not take. None when there is no such column or several.

    Examples
    --------
    >>> guess_target(pd.DataFrame({"age": [31, 42], "target": [0, 1]}), None)
    'target'
    """
    columns = [str(column) for column in frame.columns]
    spare = _not_taken(columns, info)
    if info is not None and info.output_names:
        matched = match_names(info.output_names[:1], spare)
        named = next(iter(matched.values()))
        if named is not None:
            return named
    if _takes_all(columns, spare, info):
        return None
    ranked = sorted((_rank(name), -position) for position, name in enumerate(spare))
    if ranked and ranked[0][0] < len(_TARGET_RANK):
        return spare[-ranked[0][1]]
    if info is None or not _knows_inputs(info):
        return None
    holding = [name for name in spare if not _counts_rows(frame[name])]
    extra = len(columns) - (info.n_features or len(info.features))
    if info.feature_names_known:
        return holding[0] if len(holding) == 1 else None
    return holding[-1] if extra in (1, 2) and holding and _fits(frame[holding[-1]], info) else None


# --- the target ------------------------------------------------------------------------------


def _not_taken(columns: list[str], info: ModelInfo | None) -> list[str]:
    """Return the columns that are not inputs of the model by name."""
    if info is None or not info.feature_names_known:
        return columns
    taken = set(match_names([feature.name for feature in info.features], columns).values())
    return [column for column in columns if column not in taken]


def _takes_all(columns: list[str], spare: list[str], info: ModelInfo | None) -> bool:
    """Whether every column of the sample goes into a model that knows only their number."""
    if not spare:
        return True
    if info is None or info.feature_names_known or info.n_features is None:
        return False
    return len(columns) <= info.n_features


def _knows_inputs(info: ModelInfo) -> bool:
    """Whether the model says which or how many columns it takes."""
    return bool(info.features) or info.n_features is not None


def _rank(name: str) -> int:
    """Return how much a name looks like a target's; ``len(_TARGET_RANK)`` if not at all."""
    plain = re.sub(r"[\s.\-]+", "_", name.strip()).lower()
    for candidate in (plain, plain.removeprefix("is_"), plain.removesuffix("d")):
        if candidate in _TARGET_RANK:
            return _TARGET_RANK[candidate]
    return len(_TARGET_RANK)


def _counts_rows(column: pd.Series) -> bool:
    """Whether a column is an identifier: whole numbers that rise by one from row to row."""
    if column.dtype.kind not in "iu" or len(column) < 3:
        return False
    return bool((np.diff(column.to_numpy()) == 1).all())


def _fits(column: pd.Series, info: ModelInfo) -> bool:
    """Whether the values of a column could be answers of the model."""
    if info.classes is None:
        return column.dtype.kind in "iuf"
    known = {str(label) for label in [*info.classes, *(info.class_codes or [])]}
    values = {str(value) for value in column.dropna().unique()[:100]}
    integral = {value.removesuffix(".0") for value in values}
    return values <= known or integral <= {label.removesuffix(".0") for label in known}


# --- one column ------------------------------------------------------------------------------


def _feature(name: str, column: pd.Series) -> Feature:
    """Describe one column."""
    if column.dtype.kind in "iuf":
        numbers = column.to_numpy()
        present = numbers[~np.isnan(numbers)]
        kind, described = _of_numbers(name, present, has_missing=present.size < numbers.size)
    else:
        present = column.dropna()
        kind, described = _of_others(present)
    if not len(present):
        described = {"minimum": 0.0, "maximum": 1.0, "notes": ["The sample has no value at all."]}
    missing = round((len(column) - len(present)) / len(column), 6)
    return Feature(name=name, kind=kind, missing_rate=missing, source="sample", **described)


def _of_numbers(
    name: str, present: NDArray[Any], *, has_missing: bool
) -> tuple[Kind, dict[str, Any]]:
    """Tell whole numbers, codes and other numbers apart, and describe them.

    pandas reads whole numbers with missing values as floats, so these count as whole again.
    """
    values = present.astype(np.float64)
    values = values[np.isfinite(values)]
    if present.dtype.kind == "f" and not (has_missing and values.size and _are_whole(values)):
        return Kind.FLOAT, _describe_numbers(values)
    if values.size == present.size and _CODE_NAME.search(name):
        codes = pd.Series(present.astype(np.int64))
        if codes.nunique() <= _MAX_CODES:
            return Kind.CATEGORICAL, _describe_labels(codes, Kind.CATEGORICAL)
    return Kind.INTEGER, _describe_numbers(values)


def _are_whole(values: NDArray[np.float64]) -> bool:
    return bool(((values == np.floor(values)) & (np.abs(values) < 2**53)).all())


def _of_others(present: pd.Series) -> tuple[Kind, dict[str, Any]]:
    """Tell the type of a column that holds no numbers, and describe it (times in seconds)."""
    kind, values = _kind(present)
    if kind is Kind.TEXT:
        return kind, _describe_words(values)
    if kind is Kind.DATETIME:
        described = _describe_numbers(values.to_numpy(dtype=np.float64))
    else:
        described = _describe_labels(values, kind)
    notes = [] if present.dtype.kind in "bM" else _about_dates(present, kind)
    return kind, described | {"notes": [*described.get("notes", []), *notes]}


def _kind(present: pd.Series) -> tuple[Kind, pd.Series]:
    """Return the type of a column and its values in that type (times in seconds)."""
    if present.dtype.kind == "b":
        return Kind.BOOLEAN, present
    if present.dtype.kind == "M":
        return Kind.DATETIME, _seconds(present)
    if not len(present):
        return Kind.FLOAT, present
    if present.map(lambda value: isinstance(value, (bool, np.bool_))).all():
        return Kind.BOOLEAN, present.astype(bool)
    texts = present.astype("str")
    times = read_times(texts)
    if times is not None:
        return Kind.DATETIME, _seconds(times)
    return (Kind.TEXT if _is_text(texts) else Kind.CATEGORICAL), texts


def _about_dates(present: pd.Series, kind: Kind) -> list[str]:
    """Say how dates that can be misread are read: in several forms, or of unknown order."""
    texts = present.astype("str")
    if date_writing(dict.fromkeys(texts.head(50), 1)) is None:
        return []
    writing = date_writing({str(text): int(n) for text, n in texts.value_counts().items()})
    several = kind is Kind.CATEGORICAL and writing is not None and len(writing.forms) > 1
    if writing is None or not (several or writing.open_order):
        return []
    named = every_name([f"{form.name} ({form.example})" for form in writing.forms])
    read = "categories, as they are written" if kind is Kind.CATEGORICAL else "month/day/year"
    return [f"Its dates are {named}; they are read as {read}."]


def _seconds(times: pd.Series) -> pd.Series:
    """Return seconds since 1970."""
    if getattr(times.dtype, "tz", None) is not None:
        times = times.dt.tz_convert("UTC").dt.tz_localize(None)
    return times.astype("datetime64[us]").astype(np.int64) / 1e6


def _is_text(texts: pd.Series) -> bool:
    """Whether strings are prose rather than names of categories: several words, hardly repeated."""
    head = texts.head(1000)
    words = 1 + head.str.strip().str.count(r"\s+").mean()
    varied = head.nunique() > 0.5 * len(head)
    return bool(varied and (words >= 4 or head.str.len().mean() > 50))


def _describe_numbers(values: NDArray[np.float64]) -> dict[str, Any]:
    """Return range, quantiles and distribution of finite numbers."""
    if not values.size:
        return {"minimum": 0.0, "maximum": 1.0, "notes": ["The sample has no finite value."]}
    ordered = np.sort(values)
    return {
        "minimum": float(ordered[0]),
        "maximum": float(ordered[-1]),
        "quantiles": np.maximum.accumulate(quantiles(ordered, _SHARES)).tolist(),
        "distribution": Distribution.EMPIRICAL,
    }


def _describe_labels(values: pd.Series, kind: Kind) -> dict[str, Any]:
    """Return categories with frequencies, most frequent first."""
    counts = values.value_counts()
    notes = []
    if len(counts) > MAX_CATEGORIES:
        kept = counts.iloc[:MAX_CATEGORIES].sum() / counts.sum()
        notes.append(
            f"{len(counts):,} categories; the {MAX_CATEGORIES} most frequent ones "
            f"({kept:.0%} of the rows) are used."
        )
        counts = counts.iloc[:MAX_CATEGORIES]
    labels = [_label(value, kind) for value in counts.index]
    return _with_frequencies(labels, np.array(counts, dtype=np.float64)) | {"notes": notes}


def _with_frequencies(labels: list[Label], counts: NDArray[np.float64]) -> dict[str, Any]:
    """Return categories and their shares."""
    shares = np.round(counts / counts.sum(), 6).tolist()  # readable in the editor
    return {"categories": labels, "frequencies": shares, "distribution": Distribution.CHOICE}


def _label(value: Any, kind: Kind) -> Label:  # noqa: ANN401 - a cell of any table
    """Return a cell as a label that JSON can carry."""
    if kind is Kind.BOOLEAN:
        return bool(value)
    return int(value) if isinstance(value, (int, np.integer)) else str(value)


def _describe_words(texts: pd.Series) -> dict[str, Any]:
    """Return the most frequent words of prose and how many words the texts have."""
    found = [_WORD.findall(text[:2000]) for text in texts.head(2000)]
    counts = Counter(word for words in found for word in words)
    if not counts:
        return {}
    lengths = np.quantile([len(words) for words in found], _SHARES)
    words, numbers = zip(*counts.most_common(MAX_CATEGORIES), strict=True)
    notes = ["Text: synthetic rows are made of its most frequent words."]
    told = _with_frequencies(list(words), np.array(numbers, dtype=np.float64))
    return told | {"notes": notes, "quantiles": np.maximum.accumulate(lengths).tolist()}


# --- correlation -----------------------------------------------------------------------------


def _varies(feature: Feature) -> bool:
    """Whether a feature is numeric and not constant."""
    return (
        feature.kind.is_numeric and bool(feature.quantiles) and feature.minimum != feature.maximum
    )


def copula_correlation(frame: pd.DataFrame) -> list[list[float]]:
    """Return the correlation of normal scores, pair by pair.

    Parameters
    ----------
    frame : DataFrame, shape (n, k)
        Numeric columns that are not constant; missing values are left out pair by pair.

    Returns
    -------
    list of list of float, shape (k, k)
        Pearson correlation of ``Phi^-1(rank / (n + 1))`` (van der Waerden scores, mid-ranks for
        ties); 0 where a pair has no common rows, 1 on the diagonal.
    """
    ranks = frame.rank().to_numpy(dtype=np.float64)
    present = np.isfinite(ranks).sum(axis=0)
    scores = special.ndtri(ranks / (present + 1))
    if (present == len(frame)).all():
        with np.errstate(divide="ignore", invalid="ignore"):  # a column constant in these rows
            found = np.corrcoef(scores, rowvar=False)
    else:
        found = pd.DataFrame(scores).corr().to_numpy()
    matrix = np.nan_to_num(found, nan=0.0)
    np.fill_diagonal(matrix, 1.0)
    matrix = np.round(np.clip((matrix + matrix.T) / 2, -1.0, 1.0), 6)
    rows: list[list[float]] = matrix.tolist()
    return rows
