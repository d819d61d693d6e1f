"""Has the data drifted? Reference against current, per column, with a verdict and the reason.

Owns: the default verdict and the ``DriftReport`` of two tables or two sets of predictions.

A column drifts when a difference is both *beyond chance*, by p-values that use the sizes of both
samples and are corrected over all questions about all columns (Benjamini-Hochberg), and *large
enough to matter*, by an effect size with a floor. Beyond chance and at least half the floor is
``possible``; anything else is no drift, and the sentence ``why`` says which of both was missing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import drift_usual
from base_types import Status
from drift_comparison import Comparison, Depth, Evidence, Thresholds, compare_profiles
from drift_profiles import (
    NumberProfile,
    Profile,
    columns_of,
    kind_of,
    profile_column,
    profile_labels,
    profile_numbers,
)
from drift_tests import benjamini_hochberg
from drift_types import DriftReport, DriftTest, DriftVerdict, FeatureDrift
from model_types import ModelInfo, Predictions, Task
from schema_utils import Kind, Schema

Progress = Callable[[float, str], None]

_RANK = {
    DriftVerdict.UNKNOWN: 0,
    DriftVerdict.NONE: 1,
    DriftVerdict.POSSIBLE: 2,
    DriftVerdict.DRIFT: 3,
}


def compare_frames(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    schema: Schema | None = None,
    *,
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
) -> DriftReport:
    """Compare two tables column by column.

    Parameters
    ----------
    reference, current : DataFrame
        The data the model is known to work on, and the data in question. Not changed.
    schema : Schema, optional
        Kinds of the columns; without it they follow from the reference's dtypes.
    thresholds : Thresholds, optional
        Limits of the verdict.
    progress : callable, optional
        Called with (fraction, message) per column.

    Returns
    -------
    DriftReport
        One ``FeatureDrift`` per reference column; skipped with a reason if a table is empty.

    Examples
    --------
    >>> before, after = pd.DataFrame({"x": range(50)}), pd.DataFrame({"x": range(30, 80)})
    >>> compare_frames(before, after).n_drifted
    1
    """
    limits = thresholds or Thresholds()
    report = DriftReport(n_reference=len(reference), n_current=len(current))
    if reference.empty or current.empty:
        report.status = Status.SKIPPED
        report.reason = "Both tables need at least one row and one column to be compared."
        return report
    # taken apart once: looking a column up by name costs more than sorting a short one
    old, new = columns_of(reference), columns_of(current)
    kinds = column_kinds(old, schema)
    compared: dict[str, Comparison] = {}
    for i, name in enumerate(name for name in kinds if name in new):
        if progress is not None:
            progress(i / len(kinds), f"comparing {name}")
        before, after = (profile_column(columns[name], kinds[name]) for columns in (old, new))
        compared[name] = compare_profiles(before, after, limits)
    sizes = (len(reference), len(current))
    extra = [name for name in new if name not in kinds]
    return report_on(compared, kinds, limits, sizes=sizes, extra=extra)


def report_on(
    compared: Mapping[str, Comparison],
    kinds: Mapping[str, Kind],
    thresholds: Thresholds,
    *,
    sizes: tuple[int, int],
    extra: Sequence[str] = (),
) -> DriftReport:
    """Return the report on compared columns.

    Parameters
    ----------
    compared : mapping of str to Comparison
        The columns of both tables.
    kinds : mapping of str to Kind
        All columns of the reference; those that were not compared are absent from the current data.
    thresholds : Thresholds
        Limits of the verdict.
    sizes : tuple of int
        Rows of the reference and of the current data.
    extra : sequence of str
        Columns only in the current data.

    Returns
    -------
    DriftReport
        One ``FeatureDrift`` per column of ``kinds``, those compared first.
    """
    report = DriftReport(n_reference=sizes[0], n_current=sizes[1], alpha=thresholds.alpha)
    report.features = judge_columns(compared, kinds, thresholds)
    absent = [name for name in kinds if name not in compared]
    report.features += [_absent(name, kinds[name], report) for name in absent]
    return _summarised(report, list(extra))


def column_kinds(
    columns: pd.DataFrame | Mapping[str, pd.Series[Any]], schema: Schema | None
) -> dict[str, Kind]:
    """Return the kind of each column of a table, from the schema where it knows the column."""
    known = {feature.name: feature.kind for feature in schema.features} if schema else {}
    return {str(name): known.get(str(name)) or kind_of(part) for name, part in columns.items()}


def _absent(name: str, kind: Kind, report: DriftReport) -> FeatureDrift:
    return FeatureDrift(
        feature=name,
        kind=kind.value,
        n_reference=report.n_reference,
        n_current=0,
        verdict=DriftVerdict.DRIFT,
        why="Drift: the column is absent from the current data.",
    )


def _summarised(report: DriftReport, extra: list[str]) -> DriftReport:
    report.n_drifted = sum(f.verdict is DriftVerdict.DRIFT for f in report.features)
    report.verdict = max((f.verdict for f in report.features), key=_RANK.__getitem__)
    if extra:
        report.notes.append(f"Columns only in the current data, not compared: {', '.join(extra)}.")
    return report


def compare_column(
    reference: pd.Series[Any],
    current: pd.Series[Any],
    kind: Kind | None = None,
    *,
    name: str = "",
    thresholds: Thresholds | None = None,
) -> FeatureDrift:
    """Compare one column by itself.

    Parameters
    ----------
    reference, current : Series
        Its values in both tables.
    kind : Kind, optional
        What it holds; by default as the reference's dtype says.
    name : str
        For the result; by default the reference's.
    thresholds : Thresholds, optional
        Limits of the verdict.

    Returns
    -------
    FeatureDrift
        Verdict, sentence, tests, histograms; p-values corrected over this column's questions.

    Examples
    --------
    >>> before = pd.Series(range(100))
    >>> compare_column(before, before + 100).verdict.value
    'drift'
    """
    limits = thresholds or Thresholds()
    kind = kind or kind_of(reference)
    name = name or str(reference.name or "")
    comparison = compare_profiles(
        profile_column(reference, kind), profile_column(current, kind), limits
    )
    return judge_columns({name: comparison}, {name: kind}, limits)[0]


# --- verdict -----------------------------------------------------------------------------------


class _Answer(NamedTuple):
    """One question about a column with its verdict."""

    evidence: Evidence
    p_adjusted: float | None
    verdict: DriftVerdict


def judge_columns(
    compared: Mapping[str, Comparison],
    kinds: Mapping[str, Kind],
    thresholds: Thresholds,
    *,
    only: Collection[str] | None = None,
    brief: bool = False,
) -> list[FeatureDrift]:
    """Correct the evidence over all columns and give each its verdict.

    Parameters
    ----------
    compared : mapping of str to Comparison
        All columns that belong to one table.
    kinds : mapping of str to Kind
        At least these columns.
    thresholds : Thresholds
        Limits of the verdict.
    only : collection of str, optional
        Columns to judge; the correction is over all of ``compared`` nevertheless.

    brief : bool
        Whether to leave out the usual tests, which decide nothing.

    Returns
    -------
    list of FeatureDrift
        In the order of ``compared``.
    """
    adjusted = _adjusted(compared)
    return [
        _judge((name, kinds[name].value), each, adjusted[name], thresholds.alpha, brief=brief)
        for name, each in compared.items()
        if only is None or name in only
    ]


def _adjusted(compared: Mapping[str, Comparison]) -> dict[str, list[float | None]]:
    """Return the p-value of each question, adjusted over all of them (Benjamini-Hochberg)."""
    every = [item.p_value for each in compared.values() for item in each.evidence]
    corrected = iter(benjamini_hochberg([p for p in every if p is not None]).tolist())
    return {
        name: [None if item.p_value is None else next(corrected) for item in comparison.evidence]
        for name, comparison in compared.items()
    }


def _verdict_of(item: Evidence, p_adjusted: float | None, alpha: float) -> DriftVerdict:
    """Return the verdict of one question: beyond chance, and how large against its floor."""
    if p_adjusted is None:
        return DriftVerdict.UNKNOWN
    if p_adjusted > alpha or abs(item.effect) < item.floor / 2:
        return DriftVerdict.NONE
    return DriftVerdict.DRIFT if abs(item.effect) >= item.floor else DriftVerdict.POSSIBLE


def _judge(
    about: tuple[str, str],
    comparison: Comparison,
    adjusted: list[float | None],
    alpha: float,
    *,
    brief: bool,
) -> FeatureDrift:
    name, kind = about
    answers = [
        _Answer(item, p_adjusted, _verdict_of(item, p_adjusted, alpha))
        for item, p_adjusted in zip(comparison.evidence, adjusted, strict=True)
    ]
    verdict = max(
        (answer.verdict for answer in answers), key=_RANK.__getitem__, default=DriftVerdict.UNKNOWN
    )
    untested = comparison.unchecked or None in adjusted
    if untested and verdict is DriftVerdict.NONE:
        verdict = DriftVerdict.UNKNOWN
    missing = zip(comparison.n_missing, comparison.n_rows, strict=True)
    missing_reference, missing_current = (n / total if total else 0.0 for n, total in missing)
    usual = {} if brief else comparison.usual
    return FeatureDrift(
        feature=name,
        kind=kind,
        n_reference=comparison.n_rows[0],
        n_current=comparison.n_rows[1],
        verdict=verdict,
        why=_why(comparison, answers, verdict, alpha),
        tests=[
            *(_written(answer) for answer in answers),
            *(drift_usual.written(test, result) for test, result in usual.items()),
        ],
        missing_reference=missing_reference,
        missing_current=missing_current,
        new_categories=list(comparison.new_labels[:20]),
        reference=comparison.drawn[0],
        current=comparison.drawn[1],
    )


def _written(answer: _Answer) -> DriftTest:
    item = answer.evidence
    return DriftTest(
        name=item.name,
        p_value=item.p_value,
        p_adjusted=answer.p_adjusted,
        effect_size=item.effect,
        threshold=item.floor,
        threshold_source=item.source,
        drift_detected=answer.verdict is DriftVerdict.DRIFT,
        method=item.method,
        reason=item.method if item.p_value is None else None,
    )


def _why(
    comparison: Comparison, answers: list[_Answer], verdict: DriftVerdict, alpha: float
) -> str:
    """Say in one sentence what decided the verdict."""
    if verdict is DriftVerdict.UNKNOWN:
        return f"Not checked: {comparison.unchecked or _untestable(comparison.evidence)}."
    if verdict is DriftVerdict.NONE:
        return _why_none(answers, alpha)
    decisive = [answer for answer in answers if answer.verdict is verdict]
    reasons = [
        f"{answer.evidence.finding}, beyond chance (adjusted p {_shown_p(answer.p_adjusted)})"
        for answer in decisive
    ]
    if verdict is DriftVerdict.POSSIBLE:
        floor = decisive[0].evidence.floor
        reasons[0] += f", but less than the floor of {floor:.3g} from which it matters"
    return f"{verdict.value.capitalize()}: {'; '.join(reasons)}."


def _shown_p(p_value: float | None) -> str:
    if p_value is None:
        return "unknown"
    return f"= {p_value:.2g}" if p_value >= 1e-4 else "< 0.0001"


def _untestable(evidence: Sequence[Evidence]) -> str:
    reasons = [item.method for item in evidence if item.p_value is None and item.method]
    return reasons[0] if reasons else "there are no values to compare"


def _why_none(answers: list[_Answer], alpha: float) -> str:
    tested = [answer for answer in answers if answer.p_adjusted is not None]
    strongest = min(tested, key=lambda answer: answer.p_adjusted or 0.0)
    shown = _shown_p(strongest.p_adjusted)
    if (strongest.p_adjusted or 0.0) <= alpha:
        finding = strongest.evidence.finding
        return f"No drift that matters: {finding}; beyond chance (p {shown}), but small."
    return f"No drift: the difference is within chance (smallest adjusted p {shown})."


# --- predictions -------------------------------------------------------------------------------


def compare_predictions(
    reference: Predictions,
    current: Predictions,
    info: ModelInfo,
    *,
    thresholds: Thresholds | None = None,
    exact: bool | None = None,
) -> FeatureDrift:
    """Compare what a model answers on two tables.

    Parameters
    ----------
    reference, current : Predictions
        Answers for the rows of both tables.
    info : ModelInfo
        Of the model.
    thresholds : Thresholds, optional
        Limits of the verdict.
    exact : bool, optional
        See ``drift_tests.kolmogorov_smirnov``.

    Returns
    -------
    FeatureDrift
        ``feature`` is "prediction". Of a classifier both the shares of the classes and the
        distribution of the probability (binary: of the second class; else: of the class chosen)
        are questions; histograms and usual tests are of the classes. Of several numeric outputs
        each is a question; histograms and usual tests are of the first.
    """
    old, new = prediction_profiles(reference, info), prediction_profiles(current, info)
    return compare_prediction_profiles(old, new, thresholds=thresholds, exact=exact)


def compare_prediction_profiles(
    reference: Sequence[Profile],
    current: Sequence[Profile],
    *,
    thresholds: Thresholds | None = None,
    depth: Depth = Depth.HISTOGRAMS,
    exact: bool | None = None,
) -> FeatureDrift:
    """Compare as ``compare_predictions`` does, from what ``prediction_profiles`` returned."""
    limits = thresholds or Thresholds()
    pairs = list(zip(reference, current, strict=True))
    compared = [compare_profiles(old, new, limits, depth=depth, exact=exact) for old, new in pairs]
    evidence = tuple(
        item._replace(finding=f"output {i + 1}: {item.finding}") if i else item
        for i, comparison in enumerate(compared)
        for item in comparison.evidence
    )
    whole = replace(compared[0], evidence=evidence)
    kind = Kind.FLOAT if isinstance(pairs[0][0], NumberProfile) else Kind.CATEGORICAL
    return judge_columns({"prediction": whole}, {"prediction": kind}, limits)[0]


def prediction_profiles(predictions: Predictions, info: ModelInfo) -> list[Profile]:
    """Return the profiles that predictions are compared by, the main one first."""
    y_pred = predictions.y_pred
    if info.task is Task.REGRESSION:
        columns = y_pred.reshape(len(y_pred), -1).astype(np.float64)
        return [profile_numbers(column) for column in columns.T]
    profiles: list[Profile] = [profile_labels(prediction_labels(y_pred))]
    if predictions.y_proba is not None and info.task.is_classification:
        profiles.append(profile_numbers(main_probability(predictions.y_proba)))
    return profiles


def prediction_labels(y_pred: NDArray[Any]) -> NDArray[Any]:
    """Return one label per row; several outputs are joined by commas.

    Examples
    --------
    >>> prediction_labels(np.array([["a", "x"], ["b", "y"]])).tolist()
    ['a,x', 'b,y']
    """
    if y_pred.ndim == 1:
        return y_pred
    return np.array([",".join(str(label) for label in row) for row in y_pred.tolist()])


def main_probability(y_proba: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return P(second class) of two, else that of the most likely class, shape (n,).

    Examples
    --------
    >>> main_probability(np.array([[0.2, 0.8]])).tolist()
    [0.8]
    >>> main_probability(np.array([[0.2, 0.5, 0.3]])).tolist()
    [0.5]
    """
    chosen = y_proba[:, 1] if y_proba.shape[1] == 2 else y_proba.max(axis=1)
    return np.ascontiguousarray(chosen, dtype=np.float64)
