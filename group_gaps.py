"""Does the model treat groups alike? The gap between groups of a column, with its interval.

Owns: ``compare_groups`` and ``guess_group_column``. The interval of a gap is that of the two
extreme groups; picking the extremes makes gaps look large, so the p-value is corrected for all
pairs of groups, and the interval is widened in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from base_types import Estimate
from group_types import GroupComparison, GroupGap, GroupValue
from intervals import Mean, share_estimate, wilson_interval
from paired_tests import two_proportions, welch

MIN_GROUP_ROWS = 20
MAX_GROUPS = 10
_GROUP_NAME = re.compile(
    r"(?i)^(sex|gender|race|ethnicity|ethnic_group|religion|nationality|disability|age_?group)$"
)

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


def guess_group_column(columns: Sequence[str]) -> str | None:
    """Return the first column whose name is that of a group one must not treat unequally.

    Examples
    --------
    >>> guess_group_column(["age", "Sex", "income"])
    'Sex'
    """
    return next((name for name in columns if _GROUP_NAME.match(name.strip())), None)


def compare_groups(
    groups: pd.Series,
    measures: dict[str, tuple[BoolArray | FloatArray, BoolArray]],
    *,
    guessed: bool = False,
    weights: FloatArray | None = None,
) -> GroupComparison:
    """Compare measures between groups.

    Parameters
    ----------
    groups : Series, shape (n,)
        Group of each row, missing values are left out; many numbers are cut at their quartiles.
    measures : dict
        Name to (value per row, rows it is defined on), each of shape (n,): true or false, or a
        number.
    guessed : bool
        Whether the column was chosen by its name.
    weights : ndarray of float, shape (n,), optional
        What each row counts for, >= 0; intervals then rest on the effective number of rows,
        ``sum(w)^2 / sum(w^2)`` (Kish 1965).

    Returns
    -------
    GroupComparison
        Groups of fewer than 20 rows are left out, with a note.
    """
    found = GroupComparison(column=str(groups.name), guessed=guessed)
    names = _group_names(groups)
    worth = np.ones(len(groups)) if weights is None else weights
    for measure, (values, where) in measures.items():
        kept = [
            (name, _Rows.of(values[rows], worth[rows]))
            for name in names.dropna().unique()
            if (rows := (names == name).to_numpy() & where & (worth > 0)).sum() >= MIN_GROUP_ROWS
        ]
        if len(kept) >= 2:
            found.gaps.append(_gap(measure, kept))
    if not found.gaps:
        found.notes.append(f"Fewer than two groups have {MIN_GROUP_ROWS} rows or more.")
    return found


def _group_names(groups: pd.Series) -> pd.Series:
    """Return groups as text, rare ones beyond ``MAX_GROUPS`` as missing."""
    if groups.dtype.kind in "iuf" and groups.nunique() > MAX_GROUPS:
        groups = pd.qcut(groups, 4, duplicates="drop")
    if groups.dtype.kind == "f":
        short = groups.map("{:.4g}".format, na_action="ignore")
        groups = short if short.nunique() == groups.nunique() else groups
    texts = groups.astype("str").where(groups.notna().to_numpy())
    common = texts.value_counts().index[:MAX_GROUPS]
    return texts.where(texts.isin(common).to_numpy())


@dataclass(frozen=True, slots=True)
class _Rows:
    """The mean of a group's rows, and whether they are true or false."""

    mean: Mean
    is_share: bool

    @classmethod
    def of(cls, values: BoolArray | FloatArray, worth: FloatArray) -> _Rows:
        return cls(Mean.of(values, worth), values.dtype.kind == "b")

    @property
    def hits(self) -> tuple[float, float]:
        """How often it was true, in how many (effective) rows."""
        return self.mean.value * self.mean.n, self.mean.n

    def estimate(self) -> Estimate:
        return share_estimate(*self.hits) if self.is_share else self.mean.estimate()


def _gap(measure: str, kept: list[tuple[str, _Rows]]) -> GroupGap:
    values = [GroupValue(group=name, estimate=rows.estimate()) for name, rows in kept]
    order = sorted(range(len(kept)), key=lambda i: values[i].estimate.value or 0.0)
    low, high = kept[order[0]], kept[order[-1]]
    n_pairs = len(kept) * (len(kept) - 1) // 2
    estimate, p_value = _difference(low[1], high[1], n_pairs)
    return GroupGap(
        measure=measure,
        groups=values,
        lowest=low[0],
        highest=high[0],
        gap=estimate,
        p_value=min(1.0, p_value * n_pairs),
    )


def _difference(low: _Rows, high: _Rows, n_pairs: int) -> tuple[Estimate, float]:
    """Return high minus low with an interval of 95 % over all pairs, and the plain p-value."""
    n = int(min(low.mean.n, high.mean.n))
    if not low.is_share:
        found = welch("gap", low.mean, high.mean, alpha=0.05 / n_pairs)
        return Estimate(value=found.value, low=found.low, high=found.high, n=n), found.p_value
    one, two = low.mean.value, high.mean.value
    hits = [low.hits, high.hits]
    confidence = 1 - 0.05 / n_pairs
    lows, highs = wilson_interval([h for h, _ in hits], [m for _, m in hits], confidence)
    value = two - one
    bottom = value - float(np.hypot(two - lows[1], highs[0] - one))
    top = value + float(np.hypot(highs[1] - two, one - lows[0]))
    p_value = two_proportions(hits[0], hits[1]).p_value
    return Estimate(value=value, low=bottom, high=top, n=n), p_value
