"""What fitted transformers know of the columns they take, and where their outputs come from.

Owns: one function per kind of scaler, imputer, encoder and discretiser, and ``HANDLERS``, which
names them; ``model_columns`` follows columns through them. Stand-alone: standard library and numpy,
Python 3.7 syntax.
"""
# ruff: noqa: B905 - zip(strict=) needs Python 3.10

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from model_facts import Facts, Origin, class_names_of, plain
from model_ranges import tell_table

Fitted = Any
"""A fitted object of any library."""

if TYPE_CHECKING:
    Columns = list[Origin | None]  # where each column of a stage's input comes from

MAX_CATEGORIES = 200
NORMAL_IQR = 1.349
"""Interquartile range of a normal distribution in standard deviations."""


def _standard_scaler(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    mean, variance, scale = stage.mean_, stage.var_, stage.scale_
    out: Columns = []
    for i, origin in enumerate(origins):
        std = None if variance is None else np.sqrt(variance[i])
        facts.tell_moments(origin, "StandardScaler", None if mean is None else mean[i], std)
        offset = mean[i] if mean is not None and stage.with_mean else 0.0
        out.append(_through(origin, 1.0 if scale is None else scale[i], offset))
    return out


def _min_max_scaler(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    out: Columns = []
    for i, origin in enumerate(origins):
        facts.tell_range(origin, "MinMaxScaler", stage.data_min_[i], stage.data_max_[i])
        out.append(_through(origin, 1 / stage.scale_[i], -stage.min_[i] / stage.scale_[i]))
    return out


def _max_abs_scaler(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    return [_through(origin, stage.scale_[i], 0.0) for i, origin in enumerate(origins)]


def _robust_scaler(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    center, scale = stage.center_, stage.scale_
    quartiles = tuple(stage.quantile_range) == (25.0, 75.0) and scale is not None
    out: Columns = []
    for i, origin in enumerate(origins):
        middle = 0.0 if center is None else center[i]
        if center is not None:
            std = scale[i] / NORMAL_IQR if quartiles else None
            facts.tell_moments(origin, "RobustScaler (median, quartiles)", middle, std)
        out.append(_through(origin, 1.0 if scale is None else scale[i], middle))
    return out


def _discretizer(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    for origin, edges in zip(origins, stage.bin_edges_):
        facts.tell_range(origin, "KBinsDiscretizer", edges[0], edges[-1])
    return None


def _quantile_transformer(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    for i, origin in enumerate(origins):
        values = stage.quantiles_[:, i]
        facts.tell_range(origin, "QuantileTransformer", values[0], values[-1])
    return [None] * len(origins)


def _splines(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    for origin, spline in zip(origins, stage.bsplines_):
        low, high = spline.t[spline.k], spline.t[-spline.k - 1]
        facts.tell_range(origin, "SplineTransformer", low, high)
    return None


def _imputer(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    fill = np.asarray(stage.statistics_, dtype=object)
    kept = [i for i, value in enumerate(fill) if not _is_missing(value)]
    _tell_filled(stage, [origins[i] for i in kept], facts)
    if stage.strategy == "mean":
        for i in kept:
            facts.tell_moments(origins[i], "SimpleImputer", fill[i], None)
    if getattr(stage, "keep_empty_features", False):
        kept = list(range(len(origins)))
    out = [origins[i] for i in kept]
    indicator = getattr(stage, "indicator_", None)
    return out if indicator is None else out + [None] * len(indicator.features_)


def _other_imputer(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    _tell_filled(stage, origins, facts)
    rows = getattr(stage, "_fit_X", None)
    if rows is not None and np.shape(rows)[1] == len(origins):
        tell_table(np.asarray(rows, dtype=float), origins, facts, type(stage).__name__)
    return list(origins) if not getattr(stage, "add_indicator", False) else None


def _tell_filled(stage: Fitted, origins: Columns, facts: Facts) -> None:
    """Note that missing values of these columns are filled, whatever with."""
    for origin in origins:
        facts.tell_part(origin, type(stage).__name__)


def _encoder(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    """Note the categories of an encoder; missing values are not a category of their own."""
    for origin, values in zip(origins, stage.categories_):
        if getattr(values, "dtype", None) is not None and values.dtype.kind == "M":
            _tell_times(facts, origin, type(stage).__name__, values)
            continue
        categories = [plain(value) for value in values if not _is_missing(value)]
        source = type(stage).__name__
        facts.tell(origin, source, kind="categorical", categories=categories[:MAX_CATEGORIES])
    return [None] * len(origins) if "OneHotEncoder" not in class_names_of(stage) else None


def _label_encoder(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    """Note the classes of an encoder of one column."""
    categories = [plain(value) for value in stage.classes_ if not _is_missing(value)]
    source = "LabelEncoder" if "CategoryMap" not in class_names_of(stage) else "dict"
    told = {"kind": "categorical", "categories": categories[:MAX_CATEGORIES]}
    facts.tell(origins[0] if origins else None, source, **told)
    return [None] if "LabelBinarizer" not in class_names_of(stage) else None


def _tell_times(facts: Facts, origin: Origin | None, source: str, times: Fitted) -> None:
    """Note that a column is one of times, with its range in seconds since 1970."""
    facts.tell(origin, source, kind="datetime")
    known = times[~np.isnat(times)].astype("datetime64[s]").astype(np.int64)
    if len(known):
        facts.tell(origin, source, minimum=float(known.min()), maximum=float(known.max()))


def _column_order(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    return [origins[i] for i in stage.positions]


def _function(stage: Fitted, origins: Columns, facts: Facts) -> Columns | None:
    return origins if stage.func is None else None


def _is_missing(value: Fitted) -> bool:
    """Whether a value stands for missing: None or a NaN of any kind."""
    return value is None or type(value).__name__ == "NAType" or bool(value != value)


def _through(origin: Origin | None, scale: float, offset: float) -> Origin | None:
    """Return the origin of a column after ``value = (before - offset) / scale``."""
    if origin is None:
        return None
    return Origin(
        origin.raw,
        float(origin.scale * scale),
        float(origin.scale * offset + origin.offset),
    )


HANDLERS: dict[str, Callable[..., Any]] = {
    "ColumnOrder": _column_order,
    "StandardScaler": _standard_scaler,
    "MinMaxScaler": _min_max_scaler,
    "MaxAbsScaler": _max_abs_scaler,
    "RobustScaler": _robust_scaler,
    "KBinsDiscretizer": _discretizer,
    "QuantileTransformer": _quantile_transformer,
    "SplineTransformer": _splines,
    "SimpleImputer": _imputer,
    "KNNImputer": _other_imputer,
    "IterativeImputer": _other_imputer,
    "OneHotEncoder": _encoder,
    "OrdinalEncoder": _encoder,
    "TargetEncoder": _encoder,
    "LabelEncoder": _label_encoder,
    "LabelBinarizer": _label_encoder,
    "CategoryMap": _label_encoder,
    "FunctionTransformer": _function,
}
"""Transformers by class name (also of a base class), in order of trial."""
