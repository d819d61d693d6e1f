"""Features by how much the drift of each alone hurts this model, and whether tests notice it.

Owns: ``rank_features`` and ``expected_harm``. Every feature is drifted alone, by one standard
deviation if it is a number, else by moving half of the rows to its rarest category, and the model's
answers for the same rows are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drift import judge_columns
from drift_comparison import Comparison
from drift_halves import LIMITS, Halves
from drift_impact import Answers, harm_of, predict_many, quality, stacked, take
from drift_scenarios import Setting, as_dtype_of, floats_of
from drift_types import DriftVerdict, FeatureDrift, FeatureHarm
from errors import ModelError
from model_types import Predictions, QueueModel

MAX_RANKING_ROWS = 10_000
"""Rows over all features that the model is asked about."""

MAX_RANKING_CELLS = 20_000_000
"""Cells of all drifted tables together: of wide tables fewer features are drifted."""

CELLS_AT_ONCE = 2_000_000
"""Cells of the drifted tables that are made and sent at once."""

MIN_FEATURE_ROWS = 20
CATEGORY_SHARE = 0.5
HARMLESS = 0.01
HARMFUL = 0.05


def rank_features(model: QueueModel, data: Halves, setting: Setting) -> list[FeatureHarm]:
    """Drift each feature alone and rank them by what it does to the predictions.

    Parameters
    ----------
    model : QueueModel
        Asked about all drifted tables at once.
    data : Halves
        The rows of the simulation.
    setting : Setting
        Their current half.

    Returns
    -------
    list of FeatureHarm
        Most harmful first. A feature that cannot be drifted (constant, free text) or whose drift
        the model refuses is left out.
    """
    names = ranked_names(list(data.kinds))
    drifted = {name: column for name in names if (column := _drift_alone(name, data, setting))}
    per_feature = MAX_RANKING_ROWS // max(1, len(drifted))
    rows = data.model_rows[: max(MIN_FEATURE_ROWS, per_feature)]
    answers: Answers = {}
    for part in _parts(list(drifted), len(rows) * len(data.kinds)):
        table = stacked(data.frame.iloc[rows], [{name: drifted[name][0]} for name in part])
        answers |= predict_many(model, table, part)
    compared = data.compare({name: column for name, (column, _) in drifted.items()})
    harms = [
        _feature_harm(data, drifted[str(name)][1], {str(name): compared[str(name)]}, answer)
        for name, answer in answers.items()
        if not isinstance(answer, ModelError)
    ]
    return sorted(harms, key=lambda harm: -harm.harm)


def _parts(names: list[str], cells: int) -> Iterator[list[str]]:
    """Yield the features by as many as may be asked about at once; each takes ``cells`` cells."""
    step = max(1, CELLS_AT_ONCE // cells)
    yield from (names[start : start + step] for start in range(0, len(names), step))


def ranked_names(names: list[str]) -> list[str]:
    """Return the features to drift alone: all, or evenly spaced ones of a wide table.

    Examples
    --------
    >>> len(ranked_names([f"x{i}" for i in range(300)])), len(ranked_names(["x"] * 20_000))
    (300, 50)
    """
    limit = max(1, MAX_RANKING_CELLS // (MIN_FEATURE_ROWS * max(1, len(names))))
    if len(names) <= limit:
        return names
    return [names[at] for at in np.linspace(0, len(names) - 1, limit).astype(int)]


Drift = tuple["pd.Series[Any]", str]


def _drift_alone(name: str, data: Halves, setting: Setting) -> Drift | None:
    """Return the current half of one column, drifted, and in words how; None where it cannot be."""
    column = setting.columns[name]
    if name in setting.spread:
        return as_dtype_of(
            column, floats_of(column) + setting.spread[name][1]
        ), "+ 1 standard deviation"
    if name in setting.rarest:
        hit = data.rng(2, list(data.kinds).index(name)).random(len(column)) < CATEGORY_SHARE
        moved = column.mask(hit, setting.rarest[name]).astype(column.dtype)
        return moved, f"{CATEGORY_SHARE:.0%} of the rows moved to the rarest category"
    return None


def _feature_harm(
    data: Halves, scenario: str, compared: dict[str, Comparison], answer: Predictions
) -> FeatureHarm:
    rows = data.model_rows[: len(answer.y_pred)]
    before = take(data.predictions, rows)
    harm = harm_of(before, answer, data.info)
    judged = judge_columns(compared, data.kinds, LIMITS)[0]
    noticed = judged.verdict is DriftVerdict.DRIFT
    return FeatureHarm(
        feature=judged.feature,
        harm=harm,
        quality_change=_quality_change(data, rows, before, answer),
        noticed=noticed,
        scenario=scenario,
        comment=_comment(harm, noticed),
    )


def _quality_change(
    data: Halves, rows: NDArray[np.int64], before: Predictions, after: Predictions
) -> float | None:
    if data.truth is None:
        return None
    old = data.quality_before
    if len(rows) < len(data.model_rows):
        old = quality(data.truth, rows, before).value
    new = quality(data.truth, rows, after).value
    return None if old is None or new is None else new - old


def _comment(harm: float, noticed: bool) -> str:
    if harm < HARMLESS:
        return (
            "Drifted but harmless: the tests notice it, the predictions do not." if noticed else ""
        )
    if harm >= HARMFUL and not noticed:
        return "Harmful and unnoticed: the predictions change before the tests see it."
    return ""


_UNITS = {"value_distribution": 1.0, "category_shares": CATEGORY_SHARE}
"""Effect of the drift that a feature's harm was measured at, by the question it answers."""


def expected_harm(drift: FeatureDrift, harm: FeatureHarm) -> float:
    """Return how much a drift that was seen should change this model's answers: drift × effect.

    Parameters
    ----------
    drift : FeatureDrift
        What was found of the feature.
    harm : FeatureHarm
        What a drift of known size did to the model's answers.

    Returns
    -------
    float
        ``harm · effect / effect of the drift it was measured at``, at most 1: a share of changed
        answers, or their mean change in standard deviations. 0 without drift. It assumes that twice
        the drift does twice the harm, and that the feature drifts alone.

    Examples
    --------
    >>> from drift import compare_column
    >>> seen = compare_column(pd.Series(range(100)), pd.Series(range(20, 120)))
    >>> round(expected_harm(seen, FeatureHarm(feature="age", harm=0.2)), 2)
    0.14
    """
    if drift.verdict not in (DriftVerdict.DRIFT, DriftVerdict.POSSIBLE):
        return 0.0
    sizes = [
        abs(test.effect_size) / _UNITS[test.name]
        for test in drift.tests
        if test.name in _UNITS and test.effect_size is not None
    ]
    return min(1.0, harm.harm * max(sizes, default=0.0))
