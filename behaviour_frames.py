"""Odd tables as changes to ordinary rows, and many of them as one table.

Owns: ``Group``, tables that may be asked in one call because the model shall treat every row by
itself: ``Changes`` (ordinary rows with other values in some columns) and ``OneTable``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Cells = pd.Series | NDArray[Any]
"""New values of a column, one per row."""
ASSIGNED = 4
"""A table is put together anew where one column in so many changes."""


def with_columns(frame: pd.DataFrame, cells: Mapping[str, Cells]) -> pd.DataFrame:
    """Return a table with other cells in some columns; many are put together at once.

    ``assign`` puts in one column after the other, which for thousands takes a second.

    Examples
    --------
    >>> with_columns(pd.DataFrame({"a": [1], "b": [2]}), {"b": [3.5]}).to_dict("list")
    {'a': [1], 'b': [3.5]}
    """
    if len(cells) * ASSIGNED < frame.shape[1]:
        return frame.assign(**cells)
    names = map(str, frame.columns)
    columns = {name: cells[name] if name in cells else frame[name] for name in names}
    return pd.DataFrame(columns, index=frame.index)


class Group(Protocol):
    """Tables that may be asked together."""

    @property
    def name(self) -> str:
        """Its key among the answers."""
        ...

    @property
    def proba(self) -> bool:
        """Whether probabilities or scores are wanted too."""
        ...

    def sizes(self) -> dict[str, int]:
        """Return the number of rows of every table by its name, in the order of ``joined``."""
        ...

    def apart(self, name: str) -> pd.DataFrame:
        """Return one of the tables."""
        ...

    def joined(self) -> pd.DataFrame:
        """Return all tables, one below the other."""
        ...


class Odd(NamedTuple):
    """Some of the ordinary rows, by place, and the columns that are changed in them."""

    rows: NDArray[np.intp]
    columns: Mapping[str, Cells]


class OneTable(NamedTuple):
    """A table of its own, such as one with other columns."""

    name: str
    frame: pd.DataFrame
    proba: bool = False

    def sizes(self) -> dict[str, int]:
        """Return its number of rows by its name."""
        return {self.name: len(self.frame)}

    def apart(self, name: str) -> pd.DataFrame:
        """Return the table."""
        return self.joined()

    def joined(self) -> pd.DataFrame:
        """Return the table."""
        return self.frame


@dataclass(frozen=True, slots=True)
class Changes:
    """Tables that differ from ordinary rows in some columns.

    Parameters
    ----------
    name : str
        Its key among the answers.
    base : DataFrame, shape (n, k)
        Ordinary rows, numbered from 0.
    odd : mapping of str to Odd
        What is changed, by the table's name; at least one.
    proba : bool
        Whether probabilities or scores are wanted too.

    Examples
    --------
    >>> base = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    >>> first = np.arange(1)
    >>> odd = {"a": Odd(first, {"a": np.array([0.5])}), "b": Odd(first, {"b": np.array([9])})}
    >>> Changes("odd", base, odd).joined().to_dict("list")
    {'a': [0.5, 1.0], 'b': [3, 9]}
    """

    name: str
    base: pd.DataFrame
    odd: Mapping[str, Odd]
    proba: bool = False

    def sizes(self) -> dict[str, int]:
        """Return the number of rows of every table by its name."""
        return {name: len(odd.rows) for name, odd in self.odd.items()}

    def apart(self, name: str) -> pd.DataFrame:
        """Return one of the tables, shape (its rows, k)."""
        rows, columns = self.odd[name]
        return with_columns(self._rows(rows), columns)

    def joined(self) -> pd.DataFrame:
        """Return all tables, of the types that ``pandas.concat`` gives their columns.

        A hundred small tables cost more than one large one.
        """
        if len(self.odd) == 1:
            return self.apart(next(iter(self.odd)))
        rows = np.concatenate([odd.rows for odd in self.odd.values()])
        pieces = self._pieces()
        if _all_floats(self.base, pieces):
            return _float_table(self.base, rows, pieces)
        usual = self._rows(rows)
        return with_columns(
            usual, {name: _mixed(usual[name], changed) for name, changed in pieces.items()}
        )

    def _pieces(self) -> dict[str, list[_Piece]]:
        """Return what changes by column, and in which rows of the joined table."""
        pieces: dict[str, list[_Piece]] = {}
        end = 0
        for odd in self.odd.values():
            place = slice(end, end + len(odd.rows))
            end = place.stop
            for name, cells in odd.columns.items():
                pieces.setdefault(name, []).append(_Piece(place, cells))
        return pieces

    def _rows(self, rows: NDArray[np.intp]) -> pd.DataFrame:
        is_whole = np.array_equal(rows, np.arange(len(self.base)))
        return self.base if is_whole else self.base.take(rows).reset_index(drop=True)


class _Piece(NamedTuple):
    """New cells of a column in the rows of one table."""

    place: slice
    cells: Cells


def _is_plain(cells: Cells) -> bool:
    """Whether numpy alone knows these numbers."""
    return isinstance(cells.dtype, np.dtype) and cells.dtype.kind in "iuf"


def _all_floats(base: pd.DataFrame, pieces: Mapping[str, Sequence[_Piece]]) -> bool:
    changed = {piece.cells.dtype for some in pieces.values() for piece in some}
    return {*base.dtypes, *changed} == {np.dtype(np.float64)}


def _float_table(
    base: pd.DataFrame, rows: NDArray[np.intp], pieces: Mapping[str, Sequence[_Piece]]
) -> pd.DataFrame:
    """Return the changed rows of a table of floats, which are one array."""
    columns = base.to_numpy().T[:, rows]
    for at, name in zip(base.columns.get_indexer(pd.Index(pieces)), pieces, strict=True):
        for place, cells in pieces[name]:
            columns[at, place] = cells
    return pd.DataFrame(columns.T, columns=base.columns, copy=False)


def _mixed(usual: pd.Series, pieces: Sequence[_Piece]) -> Cells:
    """Return a column with other values in some places."""
    several = [usual, *(piece.cells for piece in pieces)]
    plain = [_is_plain(cells) for cells in several]
    if not any(plain) or sum(map(len, several)) == 2 * len(usual):
        return _concatenated(usual, pieces)
    dtype = np.result_type(*map(np.asarray, several)) if all(plain) else object
    mixed = usual.to_numpy(dtype=dtype, copy=True)
    for place, cells in pieces:
        mixed[place] = cells
    return pd.Series(mixed, dtype=dtype)  # a bare array of texts would become a column of texts


def _concatenated(usual: pd.Series, pieces: Sequence[_Piece]) -> pd.Series:
    """Return the same for texts and dates, of which pandas knows the common type.

    So it does for a column that is new in all rows, whose former type does not count.
    """
    parts: list[pd.Series] = []
    end = 0
    for place, cells in pieces:
        parts += [usual.iloc[end : place.start], pd.Series(cells)]
        end = place.stop
    parts.append(usual.iloc[end:])
    return pd.concat([part for part in parts if len(part)], ignore_index=True)
