"""The playground with a model of the user's own: rows of its run, drifted by knobs.

Owns: ``play_own``. The rows are the two halves of the drift simulation: one stays the reference,
the other one drifts, so that the tests see two independent samples. Labels stay here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

import drift_scenarios as scenarios
from drift import compare_predictions, report_on
from drift_alarms import setting_of
from drift_comparison import Thresholds, compare_profiles
from drift_halves import Halves
from drift_impact import harm_of, quality, take
from drift_profiles import profile_column
from model_types import Model, Predictions
from playground_types import OwnKnobs, OwnOutcome

STEPS: tuple[tuple[str, float, scenarios.Change], ...] = (
    ("odds", 1.0, scenarios.shift_prior),
    ("offset", 0.0, scenarios.shift_mean),
    ("spread", 1.0, scenarios.widen),
    ("mix", 0.0, scenarios.mix_categories),
    ("noise", 0.0, scenarios.add_noise),
    ("unit", 1.0, scenarios.change_unit),
    ("outliers", 0.0, scenarios.add_outliers),
    ("missing", 0.0, scenarios.blank_out),
)
"""Knob, the value that changes nothing, and what it does, in the order of doing."""


def play_own(model: Model, data: Halves, knobs: OwnKnobs) -> OwnOutcome:
    """Drift the current half as the knobs say, ask the model and compare with the reference.

    Parameters
    ----------
    model : Model
        Asked once about at most ``drift_halves.MAX_HALF_ROWS`` rows, unless nothing is turned.
    data : Halves
        Of the run's rows.
    knobs : OwnKnobs
        The same knobs give the same outcome.

    Returns
    -------
    OwnOutcome

    Raises
    ------
    ModelError
        The model failed on the drifted rows.
    """
    frame = drift_half(data, knobs)
    rows = frame.index.to_numpy()
    untouched = take(data.predictions, rows)
    answer = model.predict(frame) if knobs != OwnKnobs(seed=knobs.seed) else untouched
    compared = {
        name: compare_profiles(old, profile_column(frame[name], data.kinds[name]), Thresholds())
        for name, old in data.reference_profiles.items()
    }
    sizes = (len(data.reference), len(frame))
    report = report_on(compared, data.kinds, Thresholds(), sizes=sizes)
    before = take(data.predictions, data.current)
    report.prediction = compare_predictions(
        take(data.predictions, data.reference), answer, data.info, exact=False
    )
    truth = data.truth
    return OwnOutcome(
        report=report,
        inputs=list(data.kinds),
        metric=truth.metric if truth else None,
        score=quality(truth, rows, answer).value if truth else None,
        score_before=data.quality_of_half,
        estimated=estimated(answer),
        estimated_before=estimated(before),
        harm=harm_of(untouched, answer, data.info),
    )


def drift_half(data: Halves, knobs: OwnKnobs) -> pd.DataFrame:
    """Return the current half with every knob applied, index = row number."""
    whole = setting_of(data)
    kinds = whole.kinds
    if knobs.columns in kinds:
        kinds = {knobs.columns: kinds[knobs.columns]}
    setting = scenarios.Setting(
        whole.frame, kinds, whole.groups, next(iter(kinds)) if len(kinds) == 1 else None
    )
    frame = whole.frame
    for number, (name, nothing, change) in enumerate(STEPS):
        amount = getattr(knobs, name)
        if amount != nothing:
            # a generator of its own: turning one knob does not shuffle what another one does
            rng = np.random.default_rng([knobs.seed, number])
            frame = scenarios.apply_to_table(change, frame, amount, rng, setting)
    return frame


def estimated(predictions: Predictions) -> float | None:
    """Return the mean probability of the chosen class; None without probabilities."""
    if predictions.y_proba is None or not len(predictions.y_proba):
        return None
    return float(predictions.y_proba.max(axis=1).mean())
