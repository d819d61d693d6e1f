"""What holds in every row of a sample: one column never above another, columns that add up.

Owns: finding such constraints in a sample and keeping them in rows drawn from its schema.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from schema_utils import ConstantSum, Feature, Schema

Floats = NDArray[np.float64]

MIN_ROWS = 50
"""In fewer rows such a thing happens by chance."""

MAX_COLUMNS = 30
MAX_PAIRS = 50
MAX_PASSES = 10
TOLERANCE = 1e-6


def find_constraints(frame: pd.DataFrame, names: Sequence[str]) -> Schema:
    """Find the constraints between numeric columns of a sample.

    Parameters
    ----------
    frame : DataFrame, shape (n, k)
    names : sequence of str
        Numeric columns that vary; the first 30 are looked at.

    Returns
    -------
    Schema
        Without features; only ``ordered`` and ``sums`` are filled.

    Examples
    --------
    >>> low = np.arange(60.0)
    >>> frame = pd.DataFrame({"low": low, "high": low + 7, "left": 99 - low})
    >>> found = find_constraints(frame, ["low", "high", "left"])
    >>> found.ordered, found.sums[0].names
    ([('low', 'high')], ['low', 'left'])
    """
    looked_at = list(names[:MAX_COLUMNS])
    table = frame[looked_at]
    values = table.to_numpy(dtype=np.float64)
    values = values[~np.isnan(values).any(axis=1)]
    if len(values) < MIN_ROWS or not np.isfinite(values).all():
        return Schema()
    ordered = [(looked_at[i], looked_at[j]) for i, j in _ordered_pairs(values)]
    whole = [dtype.kind in "iu" for dtype in table.dtypes]
    sums = [
        ConstantSum(names=[looked_at[i] for i in group], total=float(values[0, group].sum()))
        for group in _constant_groups(values)
        if not any(whole[i] for i in group)
    ]
    return Schema(ordered=ordered[:MAX_PAIRS], sums=sums)


def _ordered_pairs(values: Floats) -> list[tuple[int, int]]:
    """Return pairs with a <= b in every row whose ranges overlap, so that it is no triviality."""
    columns = np.ascontiguousarray(values.T)
    head = columns[:, :MIN_ROWS]  # most pairs are out of order soon
    likely = (head[:, None] <= head[None]).all(axis=2)
    likely &= columns.max(axis=1)[:, None] > columns.min(axis=1)
    np.fill_diagonal(likely, val=False)
    pairs = np.argwhere(likely).tolist()
    return [(i, j) for i, j in pairs if (columns[i] <= columns[j]).all()]


def _constant_groups(values: Floats) -> list[list[int]]:
    """Return groups of columns with a constant sum: null vectors whose entries are all equal."""
    with np.errstate(over="ignore"):
        spread = values.std(axis=0)
    if not np.isfinite(spread).all():  # numbers near 1e300 leave no digits to add up
        return []
    centred = values - values.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    null = directions[sizes <= TOLERANCE * max(1.0, float(sizes[0]))]
    groups = []
    for vector in _reduced(null):
        group = np.flatnonzero(np.abs(vector) > TOLERANCE)
        equal = np.ptp(vector[group]) <= TOLERANCE if group.size else False
        if group.size >= 2 and equal and (spread[group] > 0).all():
            groups.append(group.tolist())
    return groups


def _reduced(rows: Floats) -> Floats:
    """Return the reduced row echelon form, so that separate groups become separate rows."""
    table = rows.copy()
    for i in range(len(table)):
        columns = np.abs(table[i:]).max(axis=0)
        pivot = int(np.argmax(columns > TOLERANCE))
        best = i + int(np.argmax(np.abs(table[i:, pivot])))
        table[[i, best]] = table[[best, i]]
        if abs(table[i, pivot]) <= TOLERANCE:
            return table[:i]
        table[i] /= table[i, pivot]
        others = np.arange(len(table)) != i
        table[others] -= table[others, pivot][:, None] * table[i]
    return table


# --- keeping them ----------------------------------------------------------------------------


def keep_constraints(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Change drawn rows so that the constraints of a schema hold.

    Parameters
    ----------
    frame : DataFrame
        Drawn from ``schema``.
    schema : Schema
        Its ``sums`` are kept first, then ``ordered``.

    Returns
    -------
    DataFrame
        Columns of a constant sum are scaled (shifted where some are negative). Values in the wrong
        order change places, where both stay inside their ranges. Missing values stay.
    """
    features = {feature.name: feature for feature in schema.inputs}
    changed: dict[str, Floats] = {}
    for item in schema.sums:
        if all(name in frame.columns for name in item.names):
            changed |= _scaled(frame[item.names], item)
    table = frame.assign(**changed) if changed else frame
    for _ in range(MAX_PASSES):
        swapped = False
        for one, two in schema.ordered:
            if one in features and two in features:
                table, did = _swapped(table, features[one], features[two])
                swapped |= did
        if not swapped:
            break
    return table


def _scaled(part: pd.DataFrame, item: ConstantSum) -> dict[str, Floats]:
    values = part.to_numpy(dtype=np.float64)
    sums = values.sum(axis=1, keepdims=True)
    if (values >= 0).all() and (sums > 0).all():
        values = values * (item.total / sums)
    else:
        whole = np.isfinite(sums)
        values = np.where(whole, values + (item.total - sums) / values.shape[1], values)
    return {name: values[:, i] for i, name in enumerate(item.names)}


def _swapped(frame: pd.DataFrame, one: Feature, two: Feature) -> tuple[pd.DataFrame, bool]:
    """Exchange values where the first is above the second; says whether any were."""
    a, b = frame[one.name].to_numpy(), frame[two.name].to_numpy()
    if a.dtype != b.dtype or a.dtype.kind not in "iuf":
        return frame, False
    wrong = (a > b) & _inside(b, one) & _inside(a, two)
    if not wrong.any():
        return frame, False
    new = {one.name: np.where(wrong, b, a), two.name: np.where(wrong, a, b)}
    return frame.assign(**new), True


def _inside(values: NDArray[np.generic], feature: Feature) -> NDArray[np.bool_]:
    low = -np.inf if feature.minimum is None else feature.minimum
    high = np.inf if feature.maximum is None else feature.maximum
    numbers = values.astype(np.float64)
    return np.asarray((numbers >= low) & (numbers <= high))
