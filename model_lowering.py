"""A fitted estimator as plain arrays, for exact explanations outside the model's process.

Owns: ``transform`` (the matrix that reaches the final estimator) and ``lower`` (the final
estimator as numbers). Runs in the model's process: standard library and numpy only, Python 3.7
syntax, and nothing is imported that the estimator has not loaded already.

``lower`` returns ``(meta, arrays)``; meta is JSON:

``kind``
    ``"linear"``, ``"trees"`` or ``"sum"`` (the arrays of both; their margins are added).
``steps``
    Whether transformers stand before the final estimator, or it has an encoder of its own.
    Without them column *j* of the matrix is column *j* of the table.
``forms``
    List of ``[target, link, space]``, to be tried in order: ``link(margin)`` ought to equal the
    ``target`` (``"proba"``, ``"score"`` or ``"pred"``) that the model answers; ``space`` names
    the margin. Links: ``identity``, ``exp``, ``sigmoid``, ``softmax``, ``ovr`` (a sigmoid per
    class, divided by their sum), ``isolation`` (-2^(-margin/a) - b with the two numbers of
    ``isolation`` in meta).
``rule``
    Trees and sums only, when a row goes left: ``"le32"`` float32(x) <= threshold, ``"lt32"``
    float32(x) < float32(threshold), ``"le64"`` x <= threshold.

Arrays of kind ``linear``: ``coef`` (outputs, k) and ``intercept`` (outputs,).
Arrays of kind ``trees``, all trees behind one another:

``feature`` (nodes,) int32
    Column of the matrix, -1 at a leaf.
``threshold`` (nodes,) float64, ``missing_left`` (nodes,) uint8
    The condition, and whether a missing value goes left.
``left``, ``right`` (nodes,) int32
    Absolute numbers of the children; a leaf points to itself.
``value`` (nodes, width) float64
    What a leaf adds to the margin, scaled and averaged already; width is the number of outputs,
    or 1 where each tree serves one output.
``root`` (trees,) int32, ``tree_output`` (trees,) int32
    First node of each tree, and the output it serves (-1: all of them).
``base`` (outputs,) float64
    Added to the sum of the leaves.
``set_feature`` (sets,) int32, ``set_left`` (sets, codes) uint8
    Only where trees split on categories. ``feature`` then counts on behind the columns of the
    matrix (``columns`` in meta tells how many it has): column ``columns + s`` is 0 where the code
    in column ``set_feature[s]`` goes left by ``set_left[s]``, else 1; the last entry stands for all
    larger codes, and a missing code stays missing.

A binary classifier has one output, that of its second class. Whether the copy is right is not
decided here: ``explainability`` compares it with what the model answers.
"""
# ruff: noqa: ANN401 - estimators of any library

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import lowering_boosters
import lowering_catboost
import lowering_categories
import lowering_isolation
import lowering_sklearn
import lowering_sums

MAX_CELLS = 50_000_000
WRAPPERS = {  # classes that hand their input to the model in this attribute and return its answer
    "BoosterModel": "booster",
    "FixedThresholdClassifier": "estimator_",
    "TunedThresholdClassifierCV": "estimator_",
    "RANSACRegressor": "estimator_",
    "SelfTrainingClassifier": "estimator_",
    "FrozenEstimator": "estimator",
}


def unwrap(estimator: Any) -> tuple[list[Any], Any]:
    """Return the transformers before the final estimator, in order, and that estimator.

    Looks through searches (``best_estimator_``), the classes of ``WRAPPERS`` and nested
    pipelines. Steps without ``transform`` (resamplers) take no part in prediction.
    """
    transformers: list[Any] = []
    while True:
        inner = _inner(estimator)
        if inner is not None:
            estimator = inner
        elif hasattr(estimator, "named_steps") and hasattr(estimator, "steps"):
            steps = [step for _, step in estimator.steps]
            transformers += [step for step in steps[:-1] if hasattr(step, "transform")]
            estimator = steps[-1]
        else:
            return transformers, estimator


def _inner(estimator: Any) -> Any:
    """Return the estimator a wrapper hands its input to unchanged, or None."""
    inner = getattr(estimator, "best_estimator_", None)
    if inner is None and type(estimator).__name__ in WRAPPERS:
        inner = getattr(estimator, WRAPPERS[type(estimator).__name__], None)
    return inner


def transform(estimator: Any, frame: Any) -> np.ndarray[Any, Any]:
    """Return the matrix that reaches the final estimator.

    Parameters
    ----------
    estimator : fitted estimator
        Possibly a search or a pipeline.
    frame : DataFrame or ndarray, shape (n, d)
        What ``estimator.predict`` accepts.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Dense; the input itself where no transformer stands before the final estimator.

    Raises
    ------
    ValueError
        If the matrix holds anything but numbers or would be too large.
    """
    data = _transformed(estimator, frame)
    if int(np.prod(data.shape)) > MAX_CELLS:
        message = "The transformed table has {} x {} cells, too many to hold".format(*data.shape)
        raise ValueError(message)
    if hasattr(data, "toarray"):
        data = data.toarray()
    return _as_floats(_encoded(unwrap(estimator)[1], data))


def transform_sparse(estimator: Any, frame: Any) -> tuple[int, dict[str, np.ndarray[Any, Any]]]:
    """Return what ``transform`` does without its zeros, for text of many thousand words.

    Returns
    -------
    width : int
        Columns of the matrix.
    arrays : dict
        ``data`` f8, ``indices`` i8 and ``indptr`` i8 of compressed sparse rows.

    Raises
    ------
    ValueError
        If the matrix holds anything but numbers or would be too large.
    """
    data = _transformed(estimator, frame)
    if hasattr(data, "tocsr"):
        rows = data.tocsr()
        cells, places, ends = rows.data, rows.indices, rows.indptr
    else:
        dense = _as_floats(data)
        at, places = np.nonzero(dense)
        cells, ends = dense[at, places], np.searchsorted(at, np.arange(len(dense) + 1))
    if len(cells) > MAX_CELLS:
        message = f"The transformed table has {len(cells)} cells that are not 0, too many"
        raise ValueError(message)
    arrays = {"data": np.asarray(cells, dtype=np.float64)}
    arrays["indices"] = np.asarray(places, dtype=np.int64)
    arrays["indptr"] = np.asarray(ends, dtype=np.int64)
    return int(data.shape[1]), arrays


def _transformed(estimator: Any, frame: Any) -> Any:
    """Return what the transformers before the final estimator make of a table."""
    transformers, _ = unwrap(estimator)
    data = frame
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in transformers:
            data = step.transform(data)
    return data


def _encoded(final: Any, data: Any) -> Any:
    """Return the data in the numbers that the final estimator compares."""
    if type(final).__name__ in lowering_catboost.READERS:
        return lowering_catboost.encode(final, data)
    return lowering_categories.encode(final, data)


def _as_floats(data: Any) -> np.ndarray[Any, Any]:
    """Return a two-dimensional float64 array, missing values as NaN."""
    if hasattr(data, "to_numpy") and hasattr(data, "dtypes"):
        values = data.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        values = np.asarray(data, dtype=np.float64)
    if values.ndim == 1:
        values = values.reshape(-1, 1)
    return np.ascontiguousarray(values, dtype=np.float64)


def lower(estimator: Any) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]] | None:
    """Return ``(meta, arrays)`` of the final estimator, or None where no exact form is known.

    The module docstring says what they hold.
    """
    transformers, final = unwrap(estimator)
    name = type(final).__name__
    try:
        if name in lowering_sums.READERS:
            lowered = lowering_sums.READERS[name](final, lower)
        else:
            lowered = _readers().get(name, lowering_sklearn.lower_linear)(final)
    except AttributeError:  # another version of the library keeps it elsewhere: no form is known
        return None
    if lowered is None:
        return None
    meta, arrays = lowered
    meta["steps"] = bool(transformers) or bool(meta.get("steps"))
    meta["estimator"] = name
    return meta, arrays


def _readers() -> dict[str, Callable[[Any], Any]]:
    """Return the reader of each class of trees; everything else may be linear."""
    readers: dict[str, Callable[[Any], Any]] = {}
    for part in (lowering_sklearn, lowering_boosters, lowering_catboost, lowering_isolation):
        readers.update(part.READERS)
    return readers
