"""Rows with one column taken from other rows of the same table, many variants in one call.

Owns: ``Patch`` and ``answer_patches``, on which shuffled columns and effect curves rest. A value is
always one that occurs in its column, so every type of column keeps its type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explain_columns import HybridPool
from model_types import Model, Predictions

ROWS_PER_CALL = 20_000

Integers = NDArray[np.int64]


class Patch(NamedTuple):
    """Some rows of a table, one column of them from elsewhere.

    Parameters
    ----------
    column : int
        Position of the column.
    rows : ndarray of int, shape (n,)
        The rows.
    sources : ndarray of int, shape (n,)
        The rows from which each takes its value of the column.
    """

    column: int
    rows: Integers
    sources: Integers


def patched(frame: pd.DataFrame, patches: Sequence[Patch]) -> pd.DataFrame:
    """Return the rows of all patches below each other.

    Examples
    --------
    >>> frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    >>> patched(frame, [Patch(0, np.array([0, 1]), np.array([1, 0]))]).to_numpy().tolist()
    [[2, 'x'], [1, 'y']]
    """
    rows = np.concatenate([patch.rows for patch in patches])
    ends = np.cumsum([len(patch.rows) for patch in patches])
    sources: dict[int, Integers] = {}
    for patch, end in zip(patches, ends, strict=True):
        index = sources.setdefault(patch.column, rows.copy())
        index[end - len(patch.rows) : end] = patch.sources
    positions = (sources.get(at, rows) for at in range(frame.shape[1]))
    return HybridPool(frame).take(positions, len(rows))


def answer_patches(
    model: Model, frame: pd.DataFrame, patches: Sequence[Patch], *, proba: bool = True
) -> list[Predictions]:
    """Return the model's answers, one per patch, asked in few large calls."""
    answers: list[Predictions] = []
    for batch in _batches(patches):
        told = model.predict(patched(frame, batch), proba=proba)
        ends = np.cumsum([len(patch.rows) for patch in batch])
        answers += [
            told.part(slice(end - len(patch.rows), end))
            for patch, end in zip(batch, ends, strict=True)
        ]
    return answers


def _batches(patches: Sequence[Patch]) -> list[list[Patch]]:
    batches: list[list[Patch]] = []
    size = ROWS_PER_CALL
    for patch in patches:
        if size + len(patch.rows) > ROWS_PER_CALL:
            batches.append([])
            size = 0
        batches[-1].append(patch)
        size += len(patch.rows)
    return batches
