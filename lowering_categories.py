"""Native categories of boosted trees: codes for the matrix, sets of codes for the splits.

Owns: ``encode`` (a table as the numbers that XGBoost, LightGBM and histogram gradient boosting
themselves compare) and ``add_sets``, which turns a split on categories into a column of its own,
so that whatever follows trees knows thresholds only. Runs in the model's process (numpy only,
Python 3.7 syntax); the arrays are described in ``model_lowering``.
"""
# ruff: noqa: ANN401 - estimators of any library

from __future__ import annotations

from typing import Any

import numpy as np

MAX_SET_CELLS = 5_000_000
BOOSTERS = ("xgboost", "lightgbm")
WORD_BITS = 32


def encode(final: Any, data: Any) -> Any:
    """Return what reaches the trees of a model with native categories; else the data as it is.

    Parameters
    ----------
    final : fitted estimator
    data : DataFrame or ndarray, shape (n, d)
        What ``final.predict`` accepts.
    """
    preprocessor = getattr(final, "_preprocessor", None)
    if type(final).__name__.startswith("HistGradient") and preprocessor is not None:
        return preprocessor.transform(data)  # categories first, as codes
    kinds = getattr(data, "dtypes", ())
    if type(final).__module__.split(".")[0] not in BOOSTERS or "category" not in map(str, kinds):
        return data
    coded = data.copy(deep=False)
    for name, kind in zip(data.columns, kinds):  # noqa: B905 - Python 3.7
        if str(kind) == "category":
            codes = data[name].cat.codes
            coded[name] = codes.astype(np.float64).where(codes >= 0)
    return coded


def bits_of(words: Any) -> Any:
    """Return the bits of 32-bit words, the lowest first, (n, 32 × words).

    Examples
    --------
    >>> np.flatnonzero(bits_of(np.array([[5, 1]]))[0]).tolist()
    [0, 2, 32]
    """
    words = np.asarray(words).astype(np.int64)
    bits = (words[:, :, None] >> np.arange(WORD_BITS)) & 1
    return bits.reshape(len(words), WORD_BITS * words.shape[1]).astype(np.uint8)


def add_sets(arrays: dict[str, Any], parts: list[dict[str, Any]], n_columns: int) -> Any:
    """Turn splits on categories into columns behind those of the matrix.

    Parameters
    ----------
    arrays : dict
        Of ``lowering_sklearn.join_trees``; changed in place.
    parts : list of dict
        The same trees; ``sets``, where there, is a list of (node, codes): a uint8 vector that
        tells which codes go left, its last entry standing for all larger ones.
    n_columns : int
        Columns of the matrix.

    Returns
    -------
    dict or None
        What belongs into ``meta``: nothing without categories. None for more than can be held.
    """
    found = [
        (int(root) + int(node), codes)
        for root, part in zip(arrays["root"], parts)  # noqa: B905 - Python 3.7
        for node, codes in part.get("sets", ())
    ]
    if not found:
        return {}
    width = max(len(codes) for _, codes in found)
    if len(found) * width > MAX_SET_CELLS:
        return None
    nodes = np.array([node for node, _ in found])
    padded = [np.append(codes, np.full(width - len(codes), codes[-1])) for _, codes in found]
    table = np.column_stack([arrays["feature"][nodes], np.array(padded)])
    distinct, places = np.unique(table, axis=0, return_inverse=True)
    arrays["feature"][nodes] = n_columns + places.ravel()
    arrays["threshold"][nodes] = 0.5
    arrays["set_feature"] = distinct[:, 0].astype(np.int32)
    arrays["set_left"] = distinct[:, 1:].astype(np.uint8)
    return {"columns": int(n_columns), "steps": True}
