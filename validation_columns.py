"""Checks of a table column by column and row by row, the target left aside.

Owns: ``Table`` and ``column_checks``. A cost is a weight times the share concerned, so that it can
be recomputed by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from date_writing import date_writing
from formatting import count, every_name, named, number, percent
from number_writing import number_writing
from ordered_numbers import count_distinct, quantiles
from schema_utils import Kind
from validation_types import DataCheck, Finding

FloatArray = NDArray[np.float64]

QUARTILES = np.array([0.25, 0.5, 0.75])
FENCE = 3.0
"""Outliers lie more than this many interquartile ranges outside the quartiles (Tukey's far out)."""

ABSURD = 1e6
"""A single number so many interquartile ranges large is worth a look: a slip, or a code for
"unknown"."""

MANY_MISSING, MANY_OUTLIERS, MANY_DUPLICATES = 0.2, 0.05, 0.05
FEW_ROWS = 100
"""Below this many rows hardly any difference can be shown."""

MAX_TEXTS = 5000
"""Distinct texts of a column that are looked at, the most frequent ones."""

MOST_TOLD = 3
"""Columns, and words, of which a check tells what it found; the others are only counted."""

MANY_VALUES = 50
"""Distinct values from which a category that hardly repeats is an identifier."""

WEIGHTS = {
    "missing": 40.0,
    "duplicates": 30.0,
    "constant": 20.0,
    "mixed_types": 20.0,
    "infinite": 40.0,
    "outliers": 20.0,
    "high_cardinality": 10.0,
    "spellings": 10.0,
    "date_forms": 20.0,
    "marked_numbers": 20.0,
    "truth_words": 10.0,
    "letters": 10.0,
    "placeholders": 20.0,
}
"""Points that a check costs when all that it looks at is concerned."""

_SINGULAR = {"hold": "holds", "have": "has", "write": "writes"}


@dataclass(frozen=True)
class Column:
    """An input column, and what several checks ask of it, worked out once."""

    values: pd.Series
    kind: Kind

    @cached_property
    def numbers(self) -> NDArray[Any] | None:
        """Its numbers, NaN where one is missing; None for another type."""
        return self.values.to_numpy() if self.values.dtype.kind in "iuf" else None

    @cached_property
    def ordered(self) -> NDArray[Any] | None:
        """Its numbers in ascending order, infinities included; None for another type."""
        if self.numbers is None:
            return None
        return np.sort(self.numbers[~np.isnan(self.numbers)])

    @cached_property
    def texts(self) -> dict[str, int]:
        """Its distinct texts, and how often each comes; none for numbers, truths and times."""
        if self.values.dtype.kind in "iufbM":
            return {}
        counts = self.values.dropna().astype("str").value_counts().head(MAX_TEXTS)
        return {str(text): int(number) for text, number in counts.items()}

    @property
    def n_missing(self) -> int:
        """How many rows have no value."""
        n_present = self.values.count() if self.ordered is None else self.ordered.size
        return int(len(self.values) - n_present)

    @cached_property
    def n_distinct(self) -> int:
        """How many different values it holds, missing ones aside."""
        ordered = self.ordered
        return int(self.values.nunique()) if ordered is None else count_distinct(ordered)

    @property
    def finite(self) -> FloatArray:
        """Its finite numbers in ascending order; none for another type."""
        numbers = np.empty(0) if self.ordered is None else self.ordered.astype(np.float64)
        return numbers[np.isfinite(numbers)]


@dataclass(frozen=True)
class Table:
    """A table with what is known of its columns."""

    frame: pd.DataFrame
    kinds: dict[str, Kind]
    target: str | None = None

    @property
    def inputs(self) -> list[str]:
        """Columns other than the target."""
        return [str(name) for name in self.frame.columns if name != self.target]

    @cached_property
    def columns(self) -> dict[str, Column]:
        """The columns other than the target, by name."""
        return {
            name: Column(self.frame[name], self.kinds.get(name, Kind.FLOAT)) for name in self.inputs
        }


def column_checks(table: Table) -> list[DataCheck]:
    """Check rows and input columns of a table that is not empty; one line per check."""
    return [check(table) for check in _CHECKS]


def check_line(
    check_id: str,
    title: str,
    finding: Finding,
    found: str,
    *,
    columns: Sequence[str] = (),
    share: float | None = None,
    cost: float = 0.0,
    advice: str = "",
) -> DataCheck:
    """Write the line of a check; advice is given only where something was found."""
    return DataCheck(
        id=check_id,
        title=title,
        finding=finding,
        found=found,
        columns=list(columns),
        share=share,
        cost=round(cost, 2),
        advice="" if finding is Finding.PASS else advice,
    )


# --- checks of one table ---------------------------------------------------------------------


def _rows(table: Table) -> DataCheck:
    n = len(table.frame)
    few = n < FEW_ROWS
    return check_line(
        "rows",
        "Rows",
        Finding.WARN if few else Finding.PASS,
        f"There are {count(n, 'row')}" + (f", fewer than {FEW_ROWS}." if few else "."),
        cost=10.0 * (1 - n / FEW_ROWS) if few else 0.0,
        advice="Use more rows: intervals of every number will be wide.",
    )


def _missing(table: Table) -> DataCheck:
    n = len(table.frame)
    empty = {name: column.n_missing / n for name, column in table.columns.items()}
    shares = pd.Series(empty, dtype=np.float64).sort_values(ascending=False)
    share = float(shares.mean()) if len(shares) else 0.0
    many = [str(name) for name, value in shares.items() if value > MANY_MISSING]
    found = f"{percent(share)} of the cells are empty"
    if share > 0:
        found += f"; most in {shares.index[0]} ({percent(float(shares.iloc[0]))})"
    return check_line(
        "missing",
        "Missing values",
        Finding.WARN if many else Finding.PASS,
        f"{found}.",
        columns=many or [str(name) for name, value in shares.items() if value > 0],
        share=share,
        cost=WEIGHTS["missing"] * share,
        advice="Find out why these cells are empty, or leave the columns out.",
    )


def _duplicates(table: Table) -> DataCheck:
    share = float(table.frame.duplicated().mean())
    n = round(share * len(table.frame))
    return check_line(
        "duplicates",
        "Repeated rows",
        Finding.WARN if share > MANY_DUPLICATES else Finding.PASS,
        f"{count(n, 'row')} ({percent(share)}) repeat an earlier row exactly.",
        share=share,
        cost=WEIGHTS["duplicates"] * share,
        advice="Remove repeated rows: they make every interval look narrower than it is.",
    )


def _per_column(
    table: Table,
    check: tuple[str, str, str],
    concerned: Callable[[Column], bool],
    advice: str,
) -> DataCheck:
    """Return the line of a check that either concerns a column or does not."""
    check_id, title, what = check
    columns = [name for name, column in table.columns.items() if concerned(column)]
    share = len(columns) / max(1, len(table.columns))
    verb, rest = what.split(" ", 1)
    found = f"{count(len(columns), f'column {_SINGULAR[verb]}', f'columns {verb}')} {rest}"
    return check_line(
        check_id,
        title,
        Finding.WARN if columns else Finding.PASS,
        f"{found}: {named(columns)}." if columns else f"{found}.",
        columns=columns,
        share=share,
        cost=WEIGHTS[check_id] * share,
        advice=advice,
    )


def told_line(
    table: Table, check: tuple[str, str, str, str], told: Mapping[str, str], advice: str
) -> DataCheck:
    """Return the line of a check that tells something of each column concerned.

    Parameters
    ----------
    table : Table
    check : tuple of four str
        Id, title, and what one column or several do: "mixes ...", "mix ...".
    told : mapping of str to str
        By column what was found of it.
    advice : str
    """
    check_id, title, one, several = check
    share = len(told) / max(1, len(table.columns))
    found = count(len(told), f"column {one}", f"columns {several}")
    parts = [f"{name} ({what})" for name, what in [*told.items()][:MOST_TOLD]]
    if len(told) > MOST_TOLD:
        parts.append(f"{len(told) - MOST_TOLD} more")
    return check_line(
        check_id,
        title,
        Finding.WARN if told else Finding.PASS,
        f"{found}: {'; '.join(parts)}." if told else f"{found}.",
        columns=list(told),
        share=share,
        cost=WEIGHTS[check_id] * share,
        advice=advice,
    )


def _constant(table: Table) -> DataCheck:
    check = ("constant", "Constant columns", "hold one value only or none")
    advice = "Leave them out: they tell a model nothing."
    return _per_column(table, check, lambda column: column.n_distinct <= 1, advice)


def _mixed_types(table: Table) -> DataCheck:
    told = {
        name: what
        for name, column in table.columns.items()
        if column.kind is Kind.CATEGORICAL and (what := _words_among(column.texts))
    }
    check = ("mixed_types", "Mixed types", "mixes numbers and words", "mix numbers and words")
    advice = "Write missing numbers as empty cells, not as words like 'unknown'."
    return told_line(table, check, told, advice)


def _words_among(counts: Mapping[str, int]) -> str | None:
    """Name the words of a column of which most, but not all, texts are numbers."""
    numbers = pd.to_numeric(pd.Series(list(counts), dtype="str"), errors="coerce").notna()
    words = [text for text, is_number in zip(counts, numbers, strict=True) if not is_number]
    n_words = sum(counts[word] for word in words)
    if not 0 < n_words < 0.5 * sum(counts.values()):
        return None
    shown = [f"{word!r} {count(counts[word], 'time')}" for word in words[:MOST_TOLD]]
    more = len(words) - len(shown)
    return every_name([*shown, count(more, "other word")] if more else shown)


def _holds_names(column: Column) -> bool:
    return column.kind is Kind.CATEGORICAL and column.values.dtype.kind not in "iufbM"


def _infinite(table: Table) -> DataCheck:
    def concerned(column: Column) -> bool:
        ends = None if column.ordered is None else column.ordered[[0, -1][: column.ordered.size]]
        return ends is not None and bool(np.isinf(ends).any())

    check = ("infinite", "Infinite values", "hold infinity")
    return _per_column(table, check, concerned, "Most models refuse infinity; find the division.")


def _high_cardinality(table: Table) -> DataCheck:
    def concerned(column: Column) -> bool:
        many = max(MANY_VALUES, 0.5 * column.values.count())
        if column.kind is not Kind.CATEGORICAL or column.n_distinct <= many:
            return False
        others = (date_writing, number_writing, _words_among)  # of which other checks tell
        return not any(tell(column.texts) for tell in others)

    check = ("high_cardinality", "Identifiers", "have categories that hardly repeat")
    return _per_column(table, check, concerned, "A name or number of a row is no feature.")


def _spellings(table: Table) -> DataCheck:
    check = ("spellings", "Spellings", "write one category in several ways")
    advice = "Trim blanks and agree on upper or lower case: each spelling is a category of its own."
    return _per_column(table, check, _has_spellings, advice)


def _has_spellings(column: Column) -> bool:
    """Whether categories differ only in blanks or case."""
    if not _holds_names(column):
        return False
    values = pd.Series(column.values.dropna().unique()[:5000]).astype("str")
    return bool(values.str.strip().str.casefold().nunique() < values.nunique())


def _outliers(table: Table) -> DataCheck:
    far = {
        name: _far_out(column.finite)
        for name, column in table.columns.items()
        if column.kind.is_numeric and column.ordered is not None
    }
    worst = sorted(far, key=lambda name: -far[name].share)
    many = [name for name in worst if far[name].share > MANY_OUTLIERS]
    share = float(np.mean([each.share for each in far.values()])) if far else 0.0
    found = f"{percent(share)} of the numbers lie more than {FENCE:g} interquartile ranges out"
    if share > 0:
        found += f"; most in {worst[0]} ({percent(far[worst[0]].share)})"
    absurd = {name: value for name in worst if (value := far[name].absurd) is not None}
    found += "".join(f"; {name} holds {number(value)}" for name, value in [*absurd.items()][:3])
    suspects = list(dict.fromkeys([*absurd, *many]))
    return check_line(
        "outliers",
        "Outliers",
        Finding.WARN if suspects else Finding.PASS,
        f"{found}.",
        columns=suspects,
        share=share,
        cost=WEIGHTS["outliers"] * share,
        advice="Look at these values: errors, other units, or simply a skewed column?",
    )


class _FarOut(NamedTuple):
    """What lies far out in a column.

    Parameters
    ----------
    share : float
        Of the numbers, beyond the far fences; 0 where most are equal.
    absurd : float or None
        The number farthest out if no distribution reaches there, such as 1e300 or 10**12.
    """

    share: float = 0.0
    absurd: float | None = None


def _far_out(ordered: FloatArray) -> _FarOut:
    """Return what lies far out among finite numbers in ascending order."""
    if ordered.size < 10:
        return _FarOut()
    low, middle, high = quantiles(ordered, QUARTILES).tolist()
    ends = (float(ordered[0]), float(ordered[-1]))
    # 1e308 - (-1e308) is inf
    farthest = max(ends, key=lambda end: abs(end / ABSURD - middle / ABSURD))
    absurd = high > low and abs(farthest / ABSURD) > high - low
    reach = FENCE * (high - low)
    below = np.searchsorted(ordered, low - reach, side="left")
    above = ordered.size - np.searchsorted(ordered, high + reach, side="right")
    share = float((below + above) / ordered.size) if reach > 0 else 0.0
    return _FarOut(share, farthest if absurd else None)


_CHECKS: tuple[Callable[[Table], DataCheck], ...] = (
    _rows,
    _missing,
    _duplicates,
    _constant,
    _mixed_types,
    _infinite,
    _outliers,
    _high_cardinality,
    _spellings,
)
