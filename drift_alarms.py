"""Which tests notice a drift made on purpose, once or over many repetitions.

Owns: how the halves of a simulation are drifted and compared (``drift_all``, ``alarms``), and
``add_power``. No model is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import drift_usual
from drift import judge_columns
from drift_comparison import Depth
from drift_halves import LIMITS, Halves
from drift_impact import labels_of, numbers_of
from drift_scenarios import SCENARIOS, Setting
from drift_types import DriftVerdict, FeatureDrift, ScenarioResult
from model_types import Task


class Drift(NamedTuple):
    """What became of the columns that a scenario touched, in which rows of the table."""

    columns: dict[str, pd.Series[Any]]
    rows: NDArray[np.int64]


DriftKey = tuple[str, float]
"""Scenario and severity."""

Drifted = dict[DriftKey, Drift]
"""By scenario and severity."""

Progress = Callable[[float, str], None]

_OWN_QUESTIONS = ("value_distribution", "category_shares", "word_shares")


def groups_of(data: Halves) -> NDArray[Any]:
    """Class of each current row: true where all are known, else predicted; numbers in halves."""
    truth = data.truth
    rows = data.current
    if data.info.task is Task.REGRESSION:
        labelled = truth is not None and truth.known[rows].all()
        values = truth.values if truth and labelled else numbers_of(data.predictions.y_pred)
        return np.where(values[rows] > np.nanmedian(values[rows]), "upper half", "lower half")
    if truth is not None and truth.known[rows].all():
        return truth.values[rows]
    return labels_of(data.predictions.y_pred[rows])


def setting_of(data: Halves, leading: str | None = None) -> Setting:
    """Return the untouched current half as scenarios measure by it."""
    return Setting(data.current_frame, data.kinds, groups_of(data), leading)


def drift_all(data: Halves, setting: Setting, severities: Sequence[float]) -> Drifted:
    """Return the current half, drifted by every scenario that applies, at every severity."""
    drifted: Drifted = {}
    for i, scenario in enumerate(SCENARIOS):
        if columns := scenario.columns(setting):
            for j, severity in enumerate(severities):
                amount, rng = scenario.amount(severity), data.rng(1, i, j)
                changed = scenario.change(setting.columns, amount, rng, setting)
                rows = changed[columns[0]].index.to_numpy()
                drifted[(scenario.id, severity)] = Drift(changed, rows)
    return drifted


class Alarms(NamedTuple):
    """What a drift of some columns sets off: the verdict on each, and by test whether it noticed.

    Of the tests, "default" is the product's verdict; each counts if it noticed any of the columns.
    """

    features: list[FeatureDrift]
    noticed: dict[str, bool]


def alarms(data: Halves, columns: Mapping[str, pd.Series[Any]], *, brief: bool) -> Alarms:
    """Compare the columns a scenario touched; p-values are corrected over all of the table.

    Parameters
    ----------
    data : Halves
        The rows of the simulation.
    columns : mapping of str to Series
        What became of those that the scenario touched.
    brief : bool
        Whether the features go without histograms, usual tests and questions without an answer.
    """
    depth = Depth.USUAL_TESTS if brief else Depth.HISTOGRAMS
    touched = data.compare(columns, depth)
    compared = {**data.untouched, **touched}
    features = judge_columns(compared, data.kinds, LIMITS, only=columns, brief=brief)
    noticed = {"default": any(feature.verdict is DriftVerdict.DRIFT for feature in features)}
    for feature in features:
        usual = touched[feature.feature].usual
        found = {test.name: test.drift_detected for test in feature.tests}
        found |= {name: drift_usual.noticed(name, result) for name, result in usual.items()}
        for name, seen in found.items():
            if seen is not None and name not in _OWN_QUESTIONS:
                noticed[name] = noticed.get(name, False) or seen
    return Alarms([answered(feature) for feature in features] if brief else features, noticed)


def answered(feature: FeatureDrift) -> FeatureDrift:
    """Leave out the questions that have no answer; the feature itself is changed."""
    feature.tests = [test for test in feature.tests if test.p_adjusted is not None]
    return feature


# --- over repetitions --------------------------------------------------------------------------


def add_power(
    results: list[ScenarioResult],
    split: Callable[[int], Halves],
    leading: str | None,
    repetitions: int,
    tell: Progress,
) -> None:
    """Write into every point how often each test notices, over fresh halves and fresh drift.

    Parameters
    ----------
    results : list of ScenarioResult
        All scenarios with their points; each point gets ``power``.
    split : callable
        Given the number of a repetition, from 1 on, returns the rows split afresh at random.
    leading : str or None
        The column that drift of a single column hits.
    repetitions : int
        At least 1; the standard error of a share p is ``sqrt(p (1 - p) / repetitions)``.
    tell : callable
        Called with (fraction, message).
    """
    counts: dict[tuple[str, float], Counter[str]] = {}
    for repetition in range(1, repetitions + 1):
        tell((repetition - 1) / repetitions, f"repetition {repetition} of {repetitions}")
        _count_once(results, split(repetition), leading, counts)
    for result in results:
        for point in result.points:
            hits = counts.get((result.id, point.severity), Counter())
            point.power = {name: hits[name] / repetitions for name in hits}


def _count_once(
    results: list[ScenarioResult],
    data: Halves,
    leading: str | None,
    counts: dict[tuple[str, float], Counter[str]],
) -> None:
    setting = setting_of(data, leading)
    severities = sorted({point.severity for result in results for point in result.points})
    for key, drift in drift_all(data, setting, severities).items():
        noticed = alarms(data, drift.columns, brief=True).noticed
        counts.setdefault(key, Counter()).update({n: int(seen) for n, seen in noticed.items()})
