"""Checks of a table column by column and row by row, the target left aside.

Owns: ``Table`` and ``column_checks``. A cost is a weight times the share concerned, so that it can
be recomputed by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from formatting import count, named, number, percent
from schema_utils import Kind
from validation_types import DataCheck, Finding

FENCE = 3.0
"""Outliers lie more than this many interquartile ranges outside the quartiles (Tukey's far out)."""

ABSURD = 1e6
"""A single number so many interquartile ranges large is worth a look: a slip, or a code for
"unknown"."""

MANY_MISSING, MANY_OUTLIERS, MANY_DUPLICATES = 0.2, 0.05, 0.05
FEW_ROWS = 100
"""Below this many rows hardly any difference can be shown."""

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
}
"""Points that a check costs when all that it looks at is concerned."""

_SINGULAR = {"hold": "holds", "mix": "mixes", "have": "has", "write": "writes"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table with what is known of its columns."""

    frame: pd.DataFrame
    kinds: dict[str, Kind]
    target: str | None = None

    @property
    def inputs(self) -> list[str]:
        """Columns other than the target."""
        return [str(name) for name in self.frame.columns if name != self.target]


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
    shares = table.frame[table.inputs].isna().mean().sort_values(ascending=False)
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
    concerned: Callable[[pd.Series, Kind], bool],
    advice: str,
) -> DataCheck:
    """Return the line of a check that either concerns a column or does not."""
    check_id, title, what = check
    fallback = Kind.FLOAT
    columns = [
        name
        for name in table.inputs
        if concerned(table.frame[name], table.kinds.get(name, fallback))
    ]
    share = len(columns) / max(1, len(table.inputs))
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


def _constant(table: Table) -> DataCheck:
    def concerned(column: pd.Series, _kind: Kind) -> bool:
        return bool(column.nunique() <= 1)

    check = ("constant", "Constant columns", "hold one value only or none")
    return _per_column(table, check, concerned, "Leave them out: they tell a model nothing.")


def _mixed_types(table: Table) -> DataCheck:
    check = ("mixed_types", "Mixed types", "mix numbers and words")
    advice = "Write missing numbers as empty cells, not as words like 'unknown'."
    return _per_column(table, check, _mixes_numbers_and_words, advice)


def _mixes_numbers_and_words(column: pd.Series, kind: Kind) -> bool:
    """Whether most, but not all, texts of a column are numbers."""
    if kind is not Kind.CATEGORICAL or column.dtype.kind in "iufbM":
        return False
    numbers = pd.to_numeric(column.dropna().head(5000).astype("str"), errors="coerce").notna()
    return bool(0.5 < numbers.mean() < 1.0)


def _infinite(table: Table) -> DataCheck:
    def concerned(column: pd.Series, _kind: Kind) -> bool:
        return column.dtype.kind == "f" and bool(np.isinf(column.to_numpy()).any())

    check = ("infinite", "Infinite values", "hold infinity")
    return _per_column(table, check, concerned, "Most models refuse infinity; find the division.")


def _high_cardinality(table: Table) -> DataCheck:
    def concerned(column: pd.Series, kind: Kind) -> bool:
        many = max(MANY_VALUES, 0.5 * column.count())
        return kind is Kind.CATEGORICAL and column.nunique() > many

    check = ("high_cardinality", "Identifiers", "have categories that hardly repeat")
    return _per_column(table, check, concerned, "A name or number of a row is no feature.")


def _spellings(table: Table) -> DataCheck:
    check = ("spellings", "Spellings", "write one category in several ways")
    advice = "Trim blanks and agree on upper or lower case: each spelling is a category of its own."
    return _per_column(table, check, _has_spellings, advice)


def _has_spellings(column: pd.Series, kind: Kind) -> bool:
    """Whether categories differ only in blanks or case."""
    if kind is not Kind.CATEGORICAL or column.dtype.kind in "iufbM":
        return False
    values = pd.Series(column.dropna().unique()[:5000]).astype("str")
    return bool(values.str.strip().str.casefold().nunique() < values.nunique())


def _outliers(table: Table) -> DataCheck:
    shares = {
        name: _outlier_share(table.frame[name])
        for name in table.inputs
        if table.kinds.get(name, Kind.FLOAT).is_numeric and table.frame[name].dtype.kind in "iuf"
    }
    worst = sorted(shares, key=lambda name: -shares[name])
    many = [name for name in worst if shares[name] > MANY_OUTLIERS]
    share = float(np.mean(list(shares.values()))) if shares else 0.0
    found = f"{percent(share)} of the numbers lie more than {FENCE:g} interquartile ranges out"
    if share > 0:
        found += f"; most in {worst[0]} ({percent(shares[worst[0]])})"
    absurd = {name: value for name in worst if (value := _absurd(table.frame[name])) is not None}
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


def _absurd(column: pd.Series) -> float | None:
    """Return the number farthest out if no distribution reaches there, such as 1e300 or 10**12."""
    values = column.to_numpy(dtype=np.float64)
    values = values[np.isfinite(values)]
    if values.size < 10:
        return None
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    far = values[np.argmax(np.abs(values / ABSURD - middle / ABSURD))]  # 1e308 - (-1e308) is inf
    return float(far) if high > low and abs(far / ABSURD) > high - low else None


def _outlier_share(column: pd.Series) -> float:
    """Return the share of a column's numbers beyond the far fences; 0 where most are equal."""
    values = column.to_numpy(dtype=np.float64)
    values = values[np.isfinite(values)]
    if values.size < 10:
        return 0.0
    low, high = np.quantile(values, [0.25, 0.75])
    reach = FENCE * (high - low)
    return float(((values < low - reach) | (values > high + reach)).mean()) if reach > 0 else 0.0


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
