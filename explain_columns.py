"""Rows mixed from two rows, and which transformed column depends on which raw column.

Owns: ``HybridPool`` (tables whose cells come from chosen rows, by row number and never by
arithmetic on cells, so text, categories and missing values stay what they are), ``column_map``
and ``varying_columns``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Cells = NDArray[Any] | pd.Series

MAP_ROWS = 30_000  # rows sent through the transformers to find the column map
MAP_CELLS = 10_000_000  # and cells that come back
PART_CELLS = 2_000_000  # of these, cells at a time


class HybridPool:
    """Rows from which mixed rows are taken.

    Parameters
    ----------
    frame : DataFrame
        Explained rows and background, one below the other.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame.reset_index(drop=True)
        self._columns: NDArray[Any] | list[Cells]
        if _is_one_block(frame):
            self._columns = np.ascontiguousarray(self.frame.to_numpy().T)
        else:
            self._columns = [_cells_of(column) for _, column in self.frame.items()]

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, positions: Iterable[Integers], n_rows: int) -> pd.DataFrame:
        """Return a table whose cells in each column are the pool's at the positions given for it.

        Parameters
        ----------
        positions : iterable of d ndarrays of int, shape (n_rows,)
            For each column the rows from which its cells are taken.
        n_rows : int
        """
        names = self.frame.columns
        if isinstance(self._columns, np.ndarray):  # one block, made and sent in one piece
            cells = np.empty((len(names), n_rows), dtype=self._columns.dtype)
            for column, source, at in zip(cells, self._columns, positions, strict=True):
                source.take(at, out=column, mode="clip")
            return pd.DataFrame(cells.T, columns=names, copy=False)
        index = pd.RangeIndex(n_rows)
        columns = {
            number: _pick(column, at, index)
            for number, (column, at) in enumerate(zip(self._columns, positions, strict=True))
        }
        frame = pd.DataFrame(columns, index=index)
        frame.columns = names
        return frame

    def mix(self, mask: NDArray[np.bool_], rows: Integers, others: Integers) -> pd.DataFrame:
        """Return rows with the cells of ``rows`` where ``mask`` holds, else of ``others``.

        Parameters
        ----------
        mask : ndarray of bool, shape (n, d)
        rows, others : ndarray of int, shape (n,)
            Row numbers in the pool.
        """
        step = rows - others  # added where the mask holds: without a choice for every cell
        shown = np.ascontiguousarray(mask.T)
        return self.take((others + step * column for column in shown), len(rows))


def _is_plain(kind: object) -> bool:
    """Tell whether columns of a type are numpy arrays of numbers, which pandas takes over."""
    return isinstance(kind, np.dtype) and kind.kind in "fiub"


def _is_one_block(frame: pd.DataFrame) -> bool:
    """Tell whether all columns of a table are numbers of the same type."""
    kinds = set(frame.dtypes)
    return len(kinds) == 1 and _is_plain(*kinds)


def _cells_of(column: pd.Series) -> Cells:
    """Return a column as an array where that says all of it."""
    return column.to_numpy() if _is_plain(column.dtype) else column


def _pick(column: Cells, positions: Integers, index: pd.RangeIndex) -> Cells:
    """Return the cells at the positions, of the column's own type."""
    if isinstance(column, np.ndarray):
        return column[positions]
    taken = column.take(positions)
    taken.index = index
    return taken


def varying_columns(frame: pd.DataFrame) -> Integers:
    """Return the numbers of the columns with more than one value (missing is a value).

    Examples
    --------
    >>> varying_columns(pd.DataFrame({"a": [1, 1], "b": [1.0, None]})).tolist()
    [1]
    """
    counts = [frame.iloc[:, number].nunique(dropna=False) for number in range(frame.shape[1])]
    return np.flatnonzero(np.array(counts, dtype=np.int64) > 1)


def column_map(
    pool: HybridPool,
    transform: Callable[[pd.DataFrame], Floats],
    reference: Floats,
    *,
    seed: int = 0,
) -> Integers | None:
    """Return the raw column on which each transformed column depends, or None where they mix.

    Swaps the cells of one raw column at a time between rows and looks which transformed columns
    change. Nothing needs to be known of the transformers.

    Parameters
    ----------
    pool : HybridPool
    transform : callable
        The transformers before the final estimator.
    reference : ndarray, shape (n, k)
        The transformed pool.
    seed : int

    Returns
    -------
    ndarray of int, shape (k,), or None
        Number of the raw column, -1 for a constant. None when a transformed column depends on
        two raw columns, or varies though no single swap moves it.
    """
    varying = varying_columns(pool.frame)
    constant = np.asarray(_same(reference, reference[:1]).all(axis=0))
    if not len(varying):
        return np.full(len(constant), -1) if constant.all() else None
    at = _map_rows(len(pool), len(varying), reference.shape[1])
    swaps = (at, at[_derangement(len(at), seed)])
    changed = _all_moved(pool, transform, reference, varying, swaps)
    rare = np.flatnonzero(~changed.any(axis=0) & ~constant)
    if 0 < 2 * len(rare) <= len(at):  # moved by cells that were not among the swapped ones
        extremes = np.nan_to_num(reference[:, rare], nan=np.inf)
        ends = (extremes.argmin(axis=0), extremes.argmax(axis=0))
        swaps = (np.concatenate(ends), np.concatenate(ends[::-1]))
        changed |= _all_moved(pool, transform, reference, varying, swaps)
    movers = changed.sum(axis=0)
    # a column that is the same in every row, yet moves, depends on cells that only go together
    if np.any(movers != np.where(constant, 0, 1)):
        return None
    return np.where(movers == 1, varying[changed.argmax(axis=0)], -1)


def _all_moved(
    pool: HybridPool,
    transform: Callable[[pd.DataFrame], Floats],
    reference: Floats,
    varying: Integers,
    swaps: tuple[Integers, Integers],
) -> NDArray[np.bool_]:
    """Return ``_moved`` for all columns, for as many at once as fit in ``PART_CELLS``."""
    cells = len(swaps[0]) * max(reference.shape[1], pool.frame.shape[1])
    step = max(1, PART_CELLS // cells)
    parts = [varying[start : start + step] for start in range(0, len(varying), step)]
    return np.vstack([_moved(pool, transform, reference, part, swaps) for part in parts])


def _moved(
    pool: HybridPool,
    transform: Callable[[pd.DataFrame], Floats],
    reference: Floats,
    varying: Integers,
    swaps: tuple[Integers, Integers],
) -> NDArray[np.bool_]:
    """Return which transformed columns move, (columns, k), when rows take cells of others."""
    at, source = swaps
    blocks = {int(column): number for number, column in enumerate(varying)}
    own = np.tile(at, (len(varying), 1))

    def positions() -> Iterator[Integers]:  # one at a time: a wide table has many
        for column in range(len(pool.frame.columns)):
            swapped = own.copy()
            if column in blocks:
                swapped[blocks[column]] = source
            yield swapped.ravel()

    answers = transform(pool.take(positions(), own.size)).reshape(len(varying), len(at), -1)
    return ~np.asarray(_same(answers, reference[at][None]).all(axis=1))


def _map_rows(n_rows: int, n_columns: int, width: int) -> Integers:
    """Return which rows are swapped: all, or evenly spread ones where that would cost much."""
    affordable = min(MAP_ROWS, MAP_CELLS // max(width, 1))
    count = int(np.clip(affordable // n_columns, 2, n_rows))
    return np.linspace(0, n_rows - 1, count).astype(np.int64)


def _derangement(size: int, seed: int) -> Integers:
    """Return a random partner for each of ``size`` rows, never itself."""
    order = np.random.default_rng(seed).permutation(size)
    partner = np.empty(size, dtype=np.int64)
    partner[order] = np.roll(order, 1)
    return partner


def _same(left: Floats, right: Floats) -> NDArray[np.bool_]:
    """Compare cells up to rounding, missing equal to missing."""
    same = np.asarray(left == right)
    other = np.nonzero(~same)  # few cells: most are the same to the last bit
    one, two = left[other], np.broadcast_to(right, left.shape)[other]
    same[other] = np.isclose(one, two, rtol=1e-9, atol=1e-12, equal_nan=True)
    return same
