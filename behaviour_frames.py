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
        Ordinary rows.
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

        Made column by column: a hundred small tables cost more than one large one.
        """
        if len(self.odd) == 1:
            return self.apart(next(iter(self.odd)))
        rows = np.concatenate([odd.rows for odd in self.odd.values()])
        ends = np.cumsum(list(self.sizes().values())).tolist()
        pieces: dict[str, list[tuple[int, Cells]]] = {}
        for odd, end in zip(self.odd.values(), ends, strict=True):
            for name, cells in odd.columns.items():
                pieces.setdefault(name, []).append((end - len(odd.rows), cells))
        usual = self._rows(rows)
        return with_columns(
            usual, {name: _mixed(usual[name], changed) for name, changed in pieces.items()}
        )

    def _rows(self, rows: NDArray[np.intp]) -> pd.DataFrame:
        return self.base.take(rows).reset_index(drop=True)


def _mixed(usual: pd.Series, pieces: Sequence[tuple[int, Cells]]) -> Cells:
    """Return a column with other values from some places on."""
    numbers = [usual.to_numpy(), *(np.asarray(cells) for _, cells in pieces)]
    plain = isinstance(usual.dtype, np.dtype) and all(part.dtype.kind in "iuf" for part in numbers)
    if not plain:
        return _concatenated(usual, pieces)
    mixed = usual.to_numpy(dtype=np.result_type(*numbers), copy=True)
    for start, cells in pieces:
        mixed[start : start + len(cells)] = cells
    return mixed


def _concatenated(usual: pd.Series, pieces: Sequence[tuple[int, Cells]]) -> pd.Series:
    """Return the same for texts, dates and mixed types, of which pandas knows the common type."""
    parts: list[pd.Series] = []
    end = 0
    for start, cells in pieces:
        parts += [usual.iloc[end:start], pd.Series(cells)]
        end = start + len(cells)
    parts.append(usual.iloc[end:])
    return pd.concat([part for part in parts if len(part)], ignore_index=True)
