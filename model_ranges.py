"""What a fitted predictor learnt of the range of its input columns.

Owns: ``tell_learnt``: kept training rows, moments, and the split points of trees. Stand-alone:
standard library and numpy, Python 3.7 syntax.
"""
# ruff: noqa: B905 - zip(strict=) needs Python 3.10

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

import model_boosters
from model_facts import Facts, Origin, class_names_of, read, shape_of

if TYPE_CHECKING:  # old numpy versions have no numpy.typing
    from numpy.typing import NDArray

Fitted = Any
"""A fitted object of any library."""

MAX_MEMBERS = 200
"""Members of an ensemble that are asked for their split points."""

MARGIN = 0.1
"""Split points lie inside the data: ranges are widened by this share of their span."""

MIN_INTEGER_SPLITS = 3
"""So many different split points, all halves of integers, make a column an integer one."""

ROWS = ("_fit_X", "X_train_", "X_fit_", "support_vectors_", "cluster_centers_")
"""Where predictors keep rows of their training data (or rows like them)."""

MOMENTS = (("_x_mean", "_x_std"), ("xbar_", ""), ("X_offset_", ""))


def tell_learnt(model: Fitted, origins: list[Origin | None], facts: Facts) -> None:
    """Note what a predictor knows of the columns it sees.

    Parameters
    ----------
    model : object
        A predictor without further estimators around it.
    origins : list of Origin or None
        Where its input columns come from.
    facts : Facts
    """
    source = type(model_boosters.unwrap(model)).__name__
    for origin, told in zip(origins, model_boosters.column_facts(model)):
        facts.tell(origin, source, kind=told.get("kind"), categories=told.get("categories"))
        if "minimum" in told:
            facts.tell_range(origin, source, told["minimum"], told["maximum"])
        if "splits" in told:
            tell_splits(facts, origin, np.asarray(told["splits"], dtype=float), source)
    _tell_rows(model, origins, facts)
    _tell_moments(model, origins, facts)
    for i, splits in sorted(_tree_splits(model).items()):
        if i < len(origins):
            tell_splits(facts, origins[i], splits, source)


def tell_table(rows: NDArray[Any], origins: list[Origin | None], facts: Facts, source: str) -> None:
    """Note range, mean and standard deviation of kept rows, ignoring missing values."""
    for i, origin in enumerate(origins):
        values = rows[:, i][np.isfinite(rows[:, i])]
        if len(values):
            facts.tell_range(origin, source, values.min(), values.max())
            facts.tell_moments(origin, source, values.mean(), values.std())


def tell_splits(facts: Facts, origin: Origin | None, splits: NDArray[Any], source: str) -> None:
    """Note the range that split points span, widened, and whether they lie between integers.

    A tree splits half-way between neighbouring values, so all split points of an integer column
    are multiples of one half; a column of 0 and 1 is only ever split at 0.5.
    """
    splits = np.unique(splits[np.isfinite(splits)])
    if origin is None or not len(splits):
        return
    source = f"{source} split points"
    span = splits[-1] - splits[0]
    halves = origin.scale == 1 and origin.offset == 0 and bool(np.all(splits * 2 % 1 == 0))
    if halves and (len(splits) >= MIN_INTEGER_SPLITS or list(splits) == [0.5]):
        facts.tell(origin, source, kind="integer")
        # beyond the outermost splits too, or one side of them is hardly ever drawn
        low, high = splits[0] - MARGIN * span, splits[-1] + MARGIN * span
        low = low if splits[0] < 0 else max(0.0, low)  # counts do not fall below zero
        facts.tell_range(origin, source, np.floor(low), np.ceil(high))
        return
    margin = MARGIN * (span if span > 0 else max(abs(splits[0]), 1.0) * 5)
    low, high = _at_least_two_deviations(
        facts, origin, float(splits[0] - margin), float(splits[-1] + margin)
    )
    facts.tell_range(origin, source, low, high)


def _at_least_two_deviations(
    facts: Facts, origin: Origin, low: float, high: float
) -> tuple[float, float]:
    """Widen a range of split points to mean ± 2 deviations, where a scaler told these."""
    told = facts.columns[origin.raw]
    if "mean" not in told or "std" not in told or origin.scale == 0:
        return low, high
    mean = (told["mean"] - origin.offset) / origin.scale
    reach = 2 * told["std"] / abs(origin.scale)
    return min(low, mean - reach), max(high, mean + reach)


def _tell_rows(model: Fitted, origins: list[Origin | None], facts: Facts) -> None:
    for name in ROWS:
        rows = read(model, name)
        if rows is None or isinstance(rows, (list, tuple)):
            continue
        if np.ndim(rows) == 2 and rows.shape[1] == len(origins) and not hasattr(rows, "tocsr"):
            tell_table(np.asarray(rows, dtype=float), origins, facts, type(model).__name__)
            return


def _tell_moments(model: Fitted, origins: list[Origin | None], facts: Facts) -> None:
    """Note means (and deviations) of the training data that linear models and Bayes keep."""
    source = type(model).__name__
    for mean_name, std_name in MOMENTS:
        mean, std = read(model, mean_name), read(model, std_name) if std_name else None
        if shape_of(model, mean_name) != (len(origins),) or not np.any(mean):
            continue
        for i, origin in enumerate(origins):
            facts.tell_moments(origin, source, mean[i], None if std is None else std[i])
    if "GaussianNB" in class_names_of(model) and shape_of(model, "var_")[1:] == (len(origins),):
        mean = model.class_prior_ @ model.theta_
        within = model.class_prior_ @ (model.var_ + model.theta_**2)
        for i, origin in enumerate(origins):
            variance = max(within[i] - mean[i] ** 2, 0.0)
            facts.tell_moments(origin, source, mean[i], np.sqrt(variance))


# ---------------------------------------------------------------- split points


def _tree_splits(model: Fitted) -> dict[int, NDArray[Any]]:
    """Return the split points of each column over the trees of a scikit-learn model."""
    mapper = read(model, "_bin_mapper")
    if mapper is not None:
        return _binned_splits(model, mapper)
    found: dict[int, list[NDArray[Any]]] = {}
    for tree, columns in _trees(model):
        inner = tree.children_left >= 0
        feature, threshold = tree.feature[inner], tree.threshold[inner]
        for i in np.unique(feature):
            column = int(i) if columns is None else int(columns[i])
            found.setdefault(column, []).append(threshold[feature == i])
    return {i: np.concatenate(parts) for i, parts in found.items()}


def _trees(model: Fitted) -> Iterator[tuple[Fitted, Any]]:
    """Yield the trees of a tree or an ensemble, with the columns each of them sees."""
    tree = read(model, "tree_")
    if tree is not None:
        yield tree, None
        return
    members = read(model, "estimators_")
    if members is None:
        return
    if isinstance(members, np.ndarray):
        members = list(members.ravel())
    subsets = read(model, "estimators_features_") or [None] * len(members)
    for member, columns in list(zip(members, subsets))[:MAX_MEMBERS]:
        for inner, inner_columns in _trees(member):
            yield inner, inner_columns if columns is None else columns


def _binned_splits(model: Fitted, mapper: Fitted) -> dict[int, NDArray[Any]]:
    """Return the bin edges of a histogram gradient boosting model, by raw column.

    With categorical columns the model reorders its input: categories first.
    """
    categorical = read(model, "is_categorical_")
    count = len(mapper.bin_thresholds_)
    if categorical is None:
        return dict(enumerate(mapper.bin_thresholds_))
    reordered = read(model, "_preprocessor") is not None
    order = np.argsort(~np.asarray(categorical), kind="stable") if reordered else np.arange(count)
    numeric = [i for i in range(count) if not mapper.is_categorical_[i]]
    return {int(order[i]): mapper.bin_thresholds_[i] for i in numeric}
