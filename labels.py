"""Labels of a sample matched with the classes of a model, by value and not by type.

Owns: when two labels are the same (``"1"``, ``1``, ``1.0`` and ``True`` are), and what is said
about labels the model does not know.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from base_types import Label

MAX_NAMED = 5
"""Labels listed by name in a message."""


@dataclass(frozen=True, slots=True)
class MatchedLabels:
    """Labels as positions.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Position in ``labels``; -1 where the label is missing.
    labels : list of str
        The model's classes in their order; when the sample holds labels that are none of them,
        one more entry stands for these.
    n_classes : int
        How many of ``labels`` are classes of the model.
    unknown : list of str
        Distinct labels of the sample that are no class of the model.
    """

    codes: NDArray[np.int64]
    labels: list[str]
    n_classes: int
    unknown: list[str]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Rows whose label is a class of the model, shape (n,)."""
        return (self.codes >= 0) & (self.codes < self.n_classes)


def match_labels(values: pd.Series | NDArray[Any], classes: Sequence[Label]) -> MatchedLabels:
    """Match labels with classes by value.

    Tried in turn: equality; equality as text; equality as numbers, where "true" and "false" count
    as 1 and 0; equality of words in upper or lower case. A spelling that fits two classes fits
    none.

    Parameters
    ----------
    values : Series or ndarray, shape (n,)
        NaN and None are missing.
    classes : sequence of label
        In the model's order.

    Examples
    --------
    >>> match_labels(np.array(["1", "0.0", "x"]), [0, 1]).codes.tolist()
    [1, 0, 2]
    """
    cells = pd.Series(values)
    numbers = isinstance(cells.dtype, np.dtype) and cells.dtype.kind in "fiub"
    positions, distinct = pd.factorize(cells if numbers else cells.astype(object))
    matcher, uniques = _Matcher(classes), distinct.tolist()
    found = [matcher.find(value) for value in uniques]
    unknown = [str(value) for value, code in zip(uniques, found, strict=True) if code is None]
    n_classes = len(classes)
    table = np.array([n_classes if code is None else code for code in found] + [-1], dtype=np.int64)
    names = [str(label) for label in classes]
    return MatchedLabels(table[positions], names + _unknown_name(unknown), n_classes, unknown)


def _unknown_name(unknown: list[str]) -> list[str]:
    """Return the one entry that stands for all unknown labels, or nothing."""
    if len(unknown) < 2:
        return unknown[:1]
    return [f"({len(unknown)} unknown labels)"]


class _Matcher:
    """Finds the class of a label, strictest rule first."""

    def __init__(self, classes: Sequence[Label]) -> None:
        self.tables = [(rule, _table(rule, classes)) for rule in RULES]

    def find(self, value: object) -> int | None:
        """Return the position of the class, or None."""
        for rule, table in self.tables:
            position = table.get(rule(value))
            if position is not None:
                return position
        return None


def _table(
    rule: Callable[[object], Hashable | None], classes: Sequence[Label]
) -> dict[Hashable, int | None]:
    """Return key -> class position; None for a key shared by several classes."""
    table: dict[Hashable, int | None] = {}
    for position, label in enumerate(classes):
        key = rule(label)
        if key is not None:
            table[key] = None if key in table else position
    return table


def _plain(value: object) -> object:
    """Return a numpy scalar as a Python value and a whole float as an integer."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float) and plain.is_integer():
        return int(plain)
    return plain


def _exact(value: object) -> Hashable:
    """Return a key equal for equal values; numbers and texts are never equal."""
    plain = _plain(value)
    return ("number", plain) if isinstance(plain, bool | int | float) else ("text", str(plain))


def _text(value: object) -> Hashable:
    """Return the text of a value without surrounding blanks."""
    return str(_plain(value)).strip()


def _number(value: object) -> Hashable | None:
    """Return the number a value or its text stands for, or None."""
    plain = _plain(value)
    if isinstance(plain, bool | int | float):
        return plain
    text = str(plain).strip().casefold()
    if text in ("true", "false"):
        return int(text == "true")
    try:
        number = float(text) if "_" not in text else math.nan  # Python reads "1_0" as 10
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _folded(value: object) -> Hashable | None:
    """Return a word without surrounding blanks and case; a single letter may mean either."""
    text = str(_plain(value)).strip().casefold()
    return text if len(text) > 1 else None


RULES = (_exact, _text, _number, _folded)
"""When a label is a class, the strictest first."""


def name_labels(labels: Sequence[str]) -> str:
    """Return up to ``MAX_NAMED`` labels as a list for a sentence.

    Examples
    --------
    >>> name_labels(["a", "b"])
    "'a', 'b'"
    """
    named = ", ".join(repr(label[:40]) for label in labels[:MAX_NAMED])
    more = len(labels) - MAX_NAMED
    return f"{named} and {more:,} more" if more > 0 else named
