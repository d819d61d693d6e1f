"""A second opinion on an explanation: other methods, correlated columns, drifted rows.

Owns: ``second_opinion`` and the sentences where methods disagree. Shapley values tell what the
model listens to; shuffling tells what its score rests on; curves show how the mean answer moves.
Where they differ there is something to know about the data or the model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from base_types import NOT_FINITE
from explain_drift import Drifted, add_drift
from explain_effects import effect_curves
from explain_known import KnownModel
from explain_outputs import choose_view
from explain_permutation import permutation_importance, scorer_for
from explanation_reading import contribution_shares
from formatting import every_name
from model_types import Model, Predictions
from opinion_types import (
    CorrelatedColumns,
    EffectCurve,
    PermutationImportance,
    SecondOpinion,
    ShiftedImportance,
)
from report_types import ExplanationSection
from schema_utils import Kind

Progress = Callable[[float, str], None]

N_REPEATS = 5
SHUFFLED_ROWS = (200, 500)
"""Fewest and most rows that are shuffled, where there are so many."""

WORK = (12_000, 3_000)
"""Rows sent to the model for shuffling: the first amount that fits in the time. Fixed amounts,
because the same run must give the same numbers on a slower day."""

CURVES = 3
CURVE_ROWS = 100
SPEED_ROWS = (100, 500, 500, 500)
DRIFT_PART = 3
"""Drifted rows get one part in so many of the time."""
SLOW_SECONDS = 0.5
CORRELATED = 0.8
CORRELATED_COLUMNS = 20
MATTERS = 0.05
"""Share of all contributions from which on a column is worth a warning."""

LARGE_SHARE, SMALL_SHARE, CHANGED_SHARE = 0.10, 0.02, 0.10
CURVE_GAP = 0.3
MOST_OF_A_KIND = 3
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Evidence:
    """The tables that a second opinion rests on.

    Parameters
    ----------
    rows : DataFrame, shape (n, d)
        The tested rows.
    y_true : Series or None
        Their true answers.
    explained : DataFrame
        The explained rows, in the order of the section.
    background : DataFrame
        Ordinary rows.
    kinds : dict of str to Kind
        The columns, in order.
    answers : Predictions
        What the model answered for the background.
    """

    rows: pd.DataFrame
    y_true: pd.Series[Any] | None
    explained: pd.DataFrame
    background: pd.DataFrame
    kinds: dict[str, Kind]
    answers: Predictions


def second_opinion(
    model: KnownModel,
    section: ExplanationSection,
    evidence: Evidence,
    *,
    seconds: float = 3.0,
    seed: int = 0,
    positive_class: str | None = None,
) -> SecondOpinion:
    """Ask other methods about a model that was explained.

    Parameters
    ----------
    model : KnownModel
        Asked in few large calls.
    section : ExplanationSection
        The explanation; its status is ok.
    evidence : Evidence
    seconds : float
        Slow models are asked less, so that it takes about this long at most.
    seed : int
    positive_class : str, optional
        Binary models: the class to explain.

    Returns
    -------
    SecondOpinion
        Parts that cannot be had are empty, with a reason.

    Raises
    ------
    ModelError
        If the model fails.
    """
    shares = contribution_shares(section)
    opinion = SecondOpinion(correlated=correlated_columns(evidence.rows, list(shares)))
    speed = _speed(model, evidence.rows, enough=WORK[0] / seconds)
    _shuffle(model, evidence, opinion, shares, (speed * seconds, seed))
    if speed * seconds >= CURVES * CURVE_ROWS * 13:
        _draw_curves(model, evidence, opinion, shares, positive_class)
    drifted = Drifted(
        evidence.rows, evidence.explained, evidence.background, evidence.kinds, seconds / DRIFT_PART
    )
    add_drift(model, section, drifted, opinion, positive_class)
    opinion.warnings = [*_disagreements(opinion, shares)]
    return opinion


def _speed(model: KnownModel, rows: pd.DataFrame, enough: float) -> float:
    """Return rows per second of one call, the best seen so far or of a few more.

    Trying ends with a call that shows at least ``enough``, or that takes long.
    """
    for size in SPEED_ROWS:
        if model.rows_per_second >= enough:
            break
        started = time.perf_counter()
        model.predict(rows.iloc[:size])
        if time.perf_counter() - started > SLOW_SECONDS:
            break
    return model.rows_per_second


# --- shuffled columns ------------------------------------------------------------------------


def _shuffle(
    model: Model,
    evidence: Evidence,
    opinion: SecondOpinion,
    shares: dict[str, float],
    limits: tuple[float, int],
) -> None:
    affordable, seed = limits
    work = next((amount for amount in WORK if amount <= affordable), None)
    try:
        if work is None:
            message = "The model is too slow to shuffle columns in the time of the run."
            raise ValueError(message)
        scorer, known = scorer_for(model, evidence.y_true)
    except ValueError as reason:
        opinion.permutation_reason = str(reason)
        return
    n_rows = int(np.clip(work // (N_REPEATS * len(shares)), *SHUFFLED_ROWS))
    usable = np.flatnonzero(known)
    chosen = np.sort(np.random.default_rng(seed).permutation(usable)[:n_rows])
    names = list(shares)[: max(1, work // (N_REPEATS * len(chosen)))]
    scorer = scorer.at(chosen)
    if len(np.unique(scorer.target)) < 2:
        opinion.permutation_reason = "The rows drawn for shuffling have one true answer only."
        return
    score, importances = permutation_importance(
        model,
        evidence.rows.iloc[chosen],
        scorer,
        [_position(evidence.rows, name) for name in names],
        n_repeats=N_REPEATS,
        seed=seed,
    )
    if not all(np.isfinite((item.importance, item.error)).all() for item in importances):
        opinion.permutation_reason = NOT_FINITE
        return
    opinion.baseline_score, opinion.permutation = score, importances
    opinion.metric, opinion.n_rows, opinion.n_repeats = scorer.metric, len(chosen), N_REPEATS
    opinion.n_model_calls += len(chosen) * (N_REPEATS * len(names) + 1)


def _position(frame: pd.DataFrame, name: str) -> int:
    return [str(column) for column in frame.columns].index(name)


# --- curves ----------------------------------------------------------------------------------


def _draw_curves(
    model: Model,
    evidence: Evidence,
    opinion: SecondOpinion,
    shares: dict[str, float],
    positive_class: str | None,
) -> None:
    rows = evidence.background.iloc[:CURVE_ROWS]
    answers = evidence.answers.part(slice(CURVE_ROWS))
    view = choose_view(model.info, answers, positive_class)
    output = int(view.read(answers).std(axis=0).argmax())
    columns = [_position(evidence.rows, name) for name in list(shares)[:CURVES]]
    opinion.curves = effect_curves(model, rows, columns, view, output)
    opinion.space = view.space
    opinion.n_model_calls += sum(
        len(rows) * (len(curve.partial_dependence) + (2 if curve.ale else 0))
        for curve in opinion.curves
    )


# --- correlated columns ----------------------------------------------------------------------


def correlated_columns(rows: pd.DataFrame, names: list[str]) -> list[CorrelatedColumns]:
    """Return pairs of columns that say nearly the same, strongest first.

    Numbers by Spearman's rank correlation, categories by Cramér's V; from 0.8 on, among the first
    ``names``.
    """
    places = {str(column): at for at, column in reversed(list(enumerate(rows.columns)))}
    kept, kinds = names[:CORRELATED_COLUMNS], list(rows.dtypes)
    numbers = [name for name in kept if pd.api.types.is_numeric_dtype(kinds[places[name]])]
    columns = {name: rows.iloc[:, places[name]] for name in kept if name not in numbers}
    others = [name for name, column in columns.items() if column.nunique() <= 30]
    cells = rows.iloc[:, [places[name] for name in numbers]]
    ranks = pd.DataFrame(cells.to_numpy(dtype=np.float64, na_value=np.nan)).rank()
    rho = ranks.corr().to_numpy()
    found = [
        (float(rho[at, other]), first, second, "Spearman's rho")
        for (at, first), (other, second) in combinations(enumerate(numbers), 2)
    ]
    found += [
        (_cramers_v(columns[first], columns[second]), first, second, "Cramér's V")
        for first, second in combinations(others, 2)
    ]
    strong = [pair for pair in found if abs(pair[0]) >= CORRELATED]  # NaN of a constant is not
    return [
        CorrelatedColumns(first=first, second=second, strength=strength, measure=measure)
        for strength, first, second, measure in sorted(strong, key=lambda pair: -abs(pair[0]))
    ]


def _cramers_v(first: pd.Series, second: pd.Series) -> float:
    """Return Cramér's V of two columns of categories, 0 where one is constant."""
    counts = pd.crosstab(first, second).to_numpy(dtype=np.float64)
    smaller = min(counts.shape) - 1
    if smaller < 1:
        return 0.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    chi2 = float(((counts - expected) ** 2 / expected).sum())
    return float(np.sqrt(chi2 / (counts.sum() * smaller)))


# --- where they disagree ---------------------------------------------------------------------


def _disagreements(opinion: SecondOpinion, shares: dict[str, float]) -> Iterator[str]:
    """Yield one plain sentence per finding."""
    yield from _about_correlation(opinion.correlated, shares)
    yield from _about_shuffling(opinion.permutation, shares)
    yield from _about_curves(opinion.curves)
    yield from _about_drift(opinion.shifted_importance)


def _about_correlation(pairs: list[CorrelatedColumns], shares: dict[str, float]) -> Iterator[str]:
    told = [
        group
        for group in correlated_groups(pairs)
        if max(shares[name] for name in group) >= MATTERS
    ]
    for group in told[:MOST_OF_A_KIND]:
        own = [pair for pair in pairs if pair.first in group]
        least = min(abs(pair.strength) for pair in own)
        yield (
            f"{_listed(group)} say nearly the same ({own[0].measure} of {least:.2f} or more): the "
            "model may use any of them, so each alone looks less important than what they share."
        )


def correlated_groups(pairs: list[CorrelatedColumns]) -> list[list[str]]:
    """Return the columns that pairs connect, each group once, in the order of the pairs."""
    groups: list[list[str]] = []
    for pair in pairs:
        touched = [group for group in groups if pair.first in group or pair.second in group]
        merged = [name for group in touched for name in group]
        merged += [name for name in (pair.first, pair.second) if name not in merged]
        at = groups.index(touched[0]) if touched else len(groups)
        groups = [group for group in groups if group not in touched]
        groups.insert(at, merged)
    return groups


def _listed(names: list[str]) -> str:
    """Return names as a list for a sentence."""
    shown, more = names[:MOST_NAMED], len(names) - MOST_NAMED
    if more > 0:
        return f"{', '.join(shown)} and {more} more columns"
    return every_name(shown)


def _about_shuffling(
    permutation: list[PermutationImportance], shares: dict[str, float]
) -> Iterator[str]:
    gains = {item.feature: max(item.importance, 0.0) for item in permutation}
    total = sum(gains.values()) or 1.0
    unused = [
        item.feature
        for item in permutation
        if shares[item.feature] >= LARGE_SHARE and not item.clear
    ]
    for name in unused[:MOST_OF_A_KIND]:
        yield (
            f"{name} makes {shares[name]:.0%} of the contributions, yet shuffling it does not "
            "clearly worsen the score: the model listens to it without gaining from it, or "
            "another column says the same."
        )
    hidden = [
        item.feature
        for item in permutation
        if item.clear
        and gains[item.feature] / total >= LARGE_SHARE
        and shares[item.feature] < SMALL_SHARE
    ]
    for name in hidden[:MOST_OF_A_KIND]:
        yield (
            f"Shuffling {name} costs {gains[name]:.3f} of the score although it makes only "
            f"{shares[name]:.0%} of the contributions: it matters for few rows, but there it "
            "decides."
        )


def _about_curves(curves: list[EffectCurve]) -> Iterator[str]:
    widest = max((np.ptp(curve.partial_dependence) for curve in curves), default=0.0)
    for curve in curves:
        if curve.ale is None:
            continue
        local, mean = np.array(curve.ale), np.array(curve.partial_dependence)
        span, gap = max(np.ptp(local), np.ptp(mean)), float(np.abs(local - mean).max())
        if span >= 0.1 * widest and gap > CURVE_GAP * span:
            yield (
                f"The two curves of {curve.feature} differ by up to {gap:.3g}: it moves together "
                "with other columns, and partial dependence asks about rows that do not occur; "
                "trust the local effects."
            )


def _about_drift(items: list[ShiftedImportance]) -> Iterator[str]:
    changed = sorted(items, key=lambda item: -abs(item.shifted - item.reference))
    for item in changed[:1]:
        beyond_doubt = abs(item.shifted - item.reference) > 2 * (item.error or 0.0)
        if abs(item.shifted - item.reference) >= CHANGED_SHARE and beyond_doubt:
            yield (
                f"When the data drifts by one standard deviation, {item.feature} makes "
                f"{item.shifted:.0%} of the contributions instead of {item.reference:.0%}: "
                "explanations from before do not hold after such a drift."
            )
