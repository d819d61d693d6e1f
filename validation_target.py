"""Checks of the column of true answers: gaps, balance, contradictions, and columns that betray it.

Owns: ``target_checks``. A column betrays the target when it alone predicts it nearly perfectly on
rows that were not used to learn how: then it is usually a copy, or was written afterwards.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from formatting import count, named, percent
from validation_columns import Column, Table
from validation_types import DataCheck, Finding

LEAK = 0.99
"""Held-out accuracy, or absolute rank correlation, from which a column betrays the target."""

RARE_CLASS = 0.05
MAX_CLASSES = 50
"""A target with more distinct numbers than this is a number, not a class."""

N_BINS = 20
MAX_ROWS = 5000
LEAK_COST, RARE_COST, CONTRADICTION_WEIGHT, GAP_WEIGHT = 20.0, 5.0, 30.0, 40.0


def target_checks(table: Table) -> list[DataCheck]:
    """Check the target of a table; nothing where it has none."""
    if table.target is None or table.target not in table.frame.columns:
        return []
    checks = [_gaps(table)]
    known = table.frame[table.frame[table.target].notna()]
    if len(known) < 10:
        return checks
    labels = known[table.target]
    if is_class(labels):
        checks.append(_balance(labels))
    return [*checks, _contradictions(known, table), _leakage(known, table)]


def is_class(labels: pd.Series) -> bool:
    """Whether a target names classes: texts, booleans, or few whole numbers.

    Examples
    --------
    >>> is_class(pd.Series(["a", "b"])), is_class(pd.Series([1.5, 2.25, 3.125]))
    (True, False)
    """
    if labels.dtype.kind not in "iuf":
        return True
    values = labels.dropna().unique()
    return bool(len(values) <= MAX_CLASSES and (values == np.floor(values)).all())


def _gaps(table: Table) -> DataCheck:
    share = float(table.frame[table.target].isna().mean())
    return DataCheck(
        id="target_missing",
        title="Missing answers",
        finding=Finding.WARN if share > 0 else Finding.PASS,
        found=f"{percent(share)} of the rows have no true answer.",
        columns=[str(table.target)] if share else [],
        share=share,
        cost=round(GAP_WEIGHT * share, 2),
        advice="Rows without an answer cannot be scored." if share else "",
    )


def _balance(labels: pd.Series) -> DataCheck:
    shares = labels.value_counts(normalize=True)
    rarest, share = str(shares.index[-1]), float(shares.iloc[-1])
    single = len(shares) == 1
    rare = single or (share < RARE_CLASS and share < 0.5 / len(shares))
    return DataCheck(
        id="class_balance",
        title="Balance of the classes",
        finding=Finding.FAIL if single else Finding.WARN if rare else Finding.PASS,
        found="There is one class only." if single else _balance_sentence(shares, rarest, share),
        share=share,
        cost=4 * RARE_COST if single else RARE_COST if rare else 0.0,
        advice="Judge by recall and precision per class, not by accuracy." if rare else "",
    )


def _balance_sentence(shares: pd.Series, rarest: str, share: float) -> str:
    classes = f"{len(shares)} classes"
    return f"{classes}; the rarest, {rarest}, has {percent(share)} of the rows."


def _contradictions(known: pd.DataFrame, table: Table) -> DataCheck:
    """Find rows with equal inputs and different answers."""
    inputs = pd.util.hash_pandas_object(known[table.inputs], index=False)
    twins = inputs.duplicated(keep=False).to_numpy()
    share = 0.0
    if table.inputs and twins.any():
        answers = known.loc[twins, table.target].astype("str").groupby(inputs[twins].to_numpy())
        share = float((answers.transform("nunique") > 1).sum() / len(known))
    n = round(share * len(known))
    return DataCheck(
        id="contradictions",
        title="Contradicting answers",
        finding=Finding.WARN if share > 0.01 else Finding.PASS,
        found=f"{count(n, 'row')} ({percent(share)}) have the inputs of a row with another answer.",
        share=share,
        cost=round(CONTRADICTION_WEIGHT * share, 2),
        advice="No model can be right on both; look for a missing column." if share > 0.01 else "",
    )


# --- leakage ---------------------------------------------------------------------------------


def _leakage(known: pd.DataFrame, table: Table) -> DataCheck:
    rows = known.sample(min(len(known), MAX_ROWS), random_state=0)
    told = _Labels(rows[table.target])
    kinds = {name: column.kind for name, column in table.columns.items()}
    scores = {name: _telling(Column(rows[name], kinds[name]), told) for name in kinds}
    leaks = sorted((name for name in scores if scores[name] >= LEAK), key=lambda n: -scores[n])
    found = "No column alone tells the answer."
    if leaks:
        alone = percent(scores[leaks[0]])
        tell = "tells" if len(leaks) == 1 else "tell"
        found = f"{named(leaks)} {tell} the answer alone ({alone} for {leaks[0]})."
    return DataCheck(
        id="target_leakage",
        title="Leakage of the target",
        finding=Finding.FAIL if leaks else Finding.PASS,
        found=found,
        columns=leaks,
        cost=min(2, len(leaks)) * LEAK_COST,
        advice="Was the column written after the answer was known? Then leave it out."
        if leaks
        else "",
    )


class _Labels:
    """The true answers, and what every column is compared with: worked out once."""

    def __init__(self, labels: pd.Series) -> None:
        self.labels = labels
        self.differ = labels.nunique() > 1
        self.are_classes = is_class(labels)
        named = labels.astype("str") if self.are_classes else labels
        self.codes = named.factorize()[0].astype(np.int64)


def _telling(column: Column, told: _Labels) -> float:
    """Return how well a column alone tells the target, 0..1, beyond always guessing the same."""
    if column.n_distinct < 2 or not told.differ:
        return 0.0
    if not told.are_classes:
        return _rank_correlation(column.values, told.labels)
    bins, codes = _binned(column), told.codes
    accuracy = _held_out_accuracy(bins, codes, len(codes) // 2)
    guess = float(np.bincount(codes).max()) / len(codes)
    return accuracy if accuracy - guess > 0.5 * (1 - guess) else 0.0


def _rank_correlation(column: pd.Series, labels: pd.Series) -> float:
    if column.dtype.kind not in "iuf":
        return 0.0
    both = pd.DataFrame({"x": column, "y": labels}).dropna().rank()
    if len(both) < 10 or both["x"].nunique() < 2:
        return 0.0
    return abs(float(np.corrcoef(both["x"], both["y"])[0, 1]))


def _binned(column: Column) -> NDArray[np.int64]:
    """Return a code per value: categories as they are, many numbers in bins of equal counts.

    Of numbers, bin k holds those of which a share of (k - 1) / 20 to k / 20 is no larger; missing
    ones are in bin 0.
    """
    numbers, ordered = column.numbers, column.ordered
    if numbers is None or ordered is None or column.n_distinct <= N_BINS:
        return np.asarray(column.values.astype("str").factorize()[0], dtype=np.int64)
    ranks = np.searchsorted(ordered, numbers, side="right") / ordered.size
    ranks[np.isnan(numbers)] = 0.0
    return np.asarray(np.ceil(ranks * N_BINS), dtype=np.int64)


def _held_out_accuracy(bins: NDArray[np.int64], codes: NDArray[np.int64], half: int) -> float:
    """Learn the most frequent class per bin on one half, score it on the other."""
    counts = np.zeros((int(bins.max()) + 1, int(codes.max()) + 1))
    np.add.at(counts, (bins[:half], codes[:half]), 1)
    seen = counts.sum(axis=1) > 0
    said = np.where(seen, counts.argmax(axis=1), -1)[bins[half:]]
    return float((said == codes[half:]).mean())
