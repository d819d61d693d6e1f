"""Does the alarm ring before the damage? Drift on purpose, at increasing severity.

Owns: ``simulate_drift``. The rows are split at random into a reference and a current half; each
scenario drifts the current half, so that the tests see two independent samples, as in production.
What the drift does to the model is read from the same rows before and after.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from base_types import Status
from drift import compare_prediction_profiles, judge_columns, prediction_profiles
from drift_alarms import (
    Alarms,
    Drift,
    Drifted,
    DriftKey,
    add_power,
    alarms,
    answered,
    drift_all,
    setting_of,
)
from drift_comparison import Depth
from drift_halves import LIMITS, MODEL_ROWS, Halves, split_halves
from drift_impact import (
    Answers,
    harm_of,
    predict_many,
    prediction_change,
    quality,
    stacked,
    take,
)
from drift_ranking import rank_features, ranked_names
from drift_scenarios import MAX_COLUMNS, SCENARIOS, Scenario, Setting
from drift_types import (
    DriftSection,
    DriftVerdict,
    FeatureHarm,
    ScenarioResult,
    SeverityPoint,
)
from errors import ModelError
from model_types import Predictions, QueueModel
from report_types import RunConfig
from schema_utils import Schema

MIN_ROWS = 20
HARM_LIMIT = 0.10
_GAPS = ("missing_values",)

Progress = Callable[[float, str], None]


def simulate_drift(
    model: QueueModel,
    frame: pd.DataFrame,
    schema: Schema,
    predictions: Predictions,
    y_true: pd.Series[Any] | None = None,
    *,
    config: RunConfig,
    progress: Progress | None = None,
) -> DriftSection:
    """Drift the data on purpose and see which tests notice and what the model loses.

    Parameters
    ----------
    model : QueueModel
        Asked for predictions of drifted rows, in a handful of large calls.
    frame : DataFrame
        Input columns of the rows to test on.
    schema : Schema
        Kinds of the columns.
    predictions : Predictions
        The model's answers for ``frame``, row by row.
    y_true : Series, optional
        True labels of the rows, in order; they stay here.
    config : RunConfig
        ``drift_severities``, ``drift_repetitions`` and ``seed``.
    progress : callable, optional
        Called with (fraction, message).

    Returns
    -------
    DriftSection
        Skipped with a reason where there are too few rows.
    """
    tell = progress or (lambda fraction, message: None)
    if len(frame) < 2 * MIN_ROWS:
        reason = f"Simulating drift takes at least {2 * MIN_ROWS} rows; there are {len(frame)}."
        return DriftSection(status=Status.SKIPPED, reason=reason)
    data = split_halves(frame, schema, predictions, y_true, (model.info, config.seed))
    tell(0.0, "ranking features by the harm of their drift")
    setting = setting_of(data)
    ranking = rank_features(model, data, setting)
    leading = next((row.feature for row in ranking if data.kinds[row.feature].is_numeric), None)
    setting = setting.led_by(leading)
    severities = sorted(severity for severity in config.drift_severities if severity > 0)
    drifted = drift_all(data, setting, severities)
    seen: Seen = {}

    def look() -> None:
        for i, scenario in enumerate(SCENARIOS):
            tell(0.3 + 0.5 * i / len(SCENARIOS), f"testing {scenario.title.lower()}")
            seen.update(_alarms_of(scenario, data, drifted))

    answers = _ask_all(model, data, drifted, meanwhile=look)
    scenarios = []
    for i, scenario in enumerate(SCENARIOS):
        tell(0.8 + 0.2 * i / len(SCENARIOS), f"comparing answers: {scenario.title.lower()}")
        outcomes = [
            _Outcome(key[1], drifted[key], answers[key], seen[key])
            for key in _keys_of(scenario, drifted)
        ]
        scenarios.append(_examine(scenario, data, setting, outcomes))
    section = _section(data, scenarios, ranking)
    if config.drift_repetitions:

        def split(repetition: int) -> Halves:
            about = (model.info, config.seed + repetition)
            return split_halves(frame, schema, predictions, y_true, about)

        add_power(scenarios, split, leading, config.drift_repetitions, tell)
        section.notes.append(
            f"The power of the tests is counted over {config.drift_repetitions} fresh random "
            "halves of the rows and fresh drift; the model was not asked again."
        )
    return section


# --- asking --------------------------------------------------------------------------------


def _ask_all(
    model: QueueModel, data: Halves, drifted: Drifted, *, meanwhile: Callable[[], None]
) -> Answers:
    """Ask about every drifted table; rows that were only left out are known already.

    Tables with empty cells go apart: they are what a model most likely refuses, and their whole
    numbers have become floats.
    """
    thinned = {scenario.id for scenario in SCENARIOS if scenario.thins}
    base = data.frame.iloc[data.model_rows]
    asked = [key for key in drifted if key[0] not in thinned]
    whole, gaps = ([key for key in asked if (key[0] in _GAPS) is gap] for gap in (False, True))

    def table(keys: list[DriftKey]) -> pd.DataFrame:
        return stacked(base, [drifted[key].columns for key in keys])

    answers = predict_many(model, table(whole), whole, meanwhile=meanwhile)
    answers |= predict_many(model, table(gaps), gaps)
    for key, drift in drifted.items():
        if key[0] in thinned:
            answers[key] = take(data.predictions, drift.rows)
    return answers


# --- one scenario ------------------------------------------------------------------------------


class _Seen(NamedTuple):
    """What the tests saw of a drift; at the highest severity everything is stored."""

    alarms: Alarms
    brief: bool


Seen = dict[DriftKey, _Seen]


class _Outcome(NamedTuple):
    """A drift with what the model and the tests said."""

    severity: float
    drift: Drift
    answer: Predictions | ModelError
    seen: _Seen


def _keys_of(scenario: Scenario, drifted: Drifted) -> list[DriftKey]:
    """Return the drifts of a scenario, from the lowest severity to the highest."""
    return [key for key in drifted if key[0] == scenario.id]


def _alarms_of(scenario: Scenario, data: Halves, drifted: Drifted) -> Seen:
    """Test the columns of a scenario at every severity."""
    keys = _keys_of(scenario, drifted)
    return {
        key: _Seen(alarms(data, drifted[key].columns, brief=key != keys[-1]), key != keys[-1])
        for key in keys
    }


def _examine(
    scenario: Scenario, data: Halves, setting: Setting, outcomes: list[_Outcome]
) -> ScenarioResult:
    result = ScenarioResult(
        id=scenario.id,
        title=scenario.title,
        description=scenario.description,
        unit=scenario.unit,
        columns=scenario.columns(setting),
    )
    if not result.columns:
        result.skipped = f"Not applicable: it needs {scenario.needs}."
        return result
    result.points = [_point(scenario, data, outcome) for outcome in outcomes]
    result.first_noticed = _first_noticed(result.points)
    for outcome, point in zip(outcomes, result.points, strict=True):
        point.harm = _harm(scenario, data, outcome.answer)
    harms = {point.severity: point.harm for point in result.points if point.harm is not None}
    result.harm = max(harms.values(), default=None)
    result.harm_severity = next((s for s, harm in harms.items() if harm >= HARM_LIMIT), None)
    return result


def _point(scenario: Scenario, data: Halves, outcome: _Outcome) -> SeverityPoint:
    severity, answer, seen = outcome.severity, outcome.answer, outcome.seen.alarms
    point = SeverityPoint(
        severity=severity,
        parameters={scenario.parameter: round(scenario.amount(severity), 6)},
        features=seen.features,
        tests_noticed=seen.noticed,
        n_columns_flagged=sum(f.verdict is DriftVerdict.DRIFT for f in seen.features),
    )
    if isinstance(answer, ModelError):
        point.error = str(answer)
    else:
        _add_impact(point, scenario, data, outcome, answer)
    return point


def _add_impact(
    point: SeverityPoint, scenario: Scenario, data: Halves, outcome: _Outcome, answer: Predictions
) -> None:
    rows = outcome.drift.rows if scenario.thins else data.model_rows
    compared_with = data.current if scenario.thins else rows
    before = take(data.predictions, compared_with)
    point.prediction = prediction_change(before, answer, data.info, same_rows=not scenario.thins)
    depth = Depth.VERDICT if outcome.seen.brief else Depth.HISTOGRAMS
    drift = compare_prediction_profiles(
        data.reference_answers, prediction_profiles(answer, data.info), depth=depth, exact=False
    )
    point.prediction_drift = answered(drift) if outcome.seen.brief else drift
    point.tests_noticed["prediction_drift"] = drift.verdict is DriftVerdict.DRIFT
    if data.truth is not None:
        old = data.quality_of_half if scenario.thins else data.quality_before
        point.quality = quality(data.truth, rows, answer)
        if old is not None and point.quality.value is not None:
            point.quality_change = point.quality.value - old


def _harm(scenario: Scenario, data: Halves, answer: Predictions | ModelError) -> float | None:
    """Return the harm to the same rows; left-out rows change no answer, so there is none."""
    if isinstance(answer, ModelError) or scenario.thins:
        return None
    return harm_of(take(data.predictions, data.model_rows), answer, data.info)


def _first_noticed(points: list[SeverityPoint]) -> dict[str, float | None]:
    """Return by test the severity from which on it noticed at every severity; None if never."""
    first: dict[str, float | None] = {}
    for point in reversed(points):
        for name, seen in point.tests_noticed.items():
            lost = name in first and first[name] is None
            if not seen:
                first.setdefault(name, None)
            elif not lost:
                first[name] = point.severity
    return first


# --- the section -------------------------------------------------------------------------------


def _section(
    data: Halves, scenarios: list[ScenarioResult], ranking: list[FeatureHarm]
) -> DriftSection:
    section = DriftSection(
        reference="A random half of the rows; the scenarios drift the other half.",
        n_reference=len(data.reference),
        n_current=len(data.current),
        scenarios=scenarios,
        ranking=ranking,
        notes=[_false_alarm_note(data)],
    )
    if data.truth is not None:
        section.quality_metric = data.truth.metric
        section.quality_reference = data.quality_before
    section.notes += _bounds(data)
    if any(point.error for scenario in scenarios for point in scenario.points):
        section.notes.append("The model failed on some drifted data; the error is at the point.")
    return section


def _bounds(data: Halves) -> list[str]:
    """Say what is left out of a wide table."""
    n_columns, n_ranked = len(data.kinds), len(ranked_names(list(data.kinds)))
    notes = []
    if n_columns > MAX_COLUMNS:
        notes.append(f"Each scenario touches at most {MAX_COLUMNS} of the {n_columns:,} columns.")
    if n_ranked < n_columns:
        notes.append(
            f"{n_ranked:,} evenly spaced columns of {n_columns:,} are drifted alone and ranked."
        )
    if len(data.model_rows) < min(MODEL_ROWS, len(data.current)):
        notes.append(
            f"Of each drifted table of {n_columns:,} columns the model was asked about "
            f"{len(data.model_rows)} rows."
        )
    return notes


def _false_alarm_note(data: Halves) -> str:
    judged = judge_columns(data.untouched, data.kinds, LIMITS)
    flagged = sum(feature.verdict is DriftVerdict.DRIFT for feature in judged)
    return (
        f"Without any drift the default verdict flags {flagged} of {len(judged)} columns between "
        "the two halves."
    )
