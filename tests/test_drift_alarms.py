"""How often tests notice a drift made on purpose, against a simulation by scipy."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from drift_simulation import simulate_drift
from drift_tables import first_with_power
from drift_types import DriftSection, ScenarioResult
from figures_power import power_chart, power_words
from report_types import RunConfig
from schema_utils import Feature, Schema
from tests.local_model import LocalModel

N = 400
REPETITIONS = 40
RNG = np.random.default_rng(5)
FRAME = pd.DataFrame({"used": RNG.normal(size=N)})
LABELS = pd.Series(np.where(FRAME["used"] > 0, "yes", "no"))


@cache
def simulated(repetitions: int) -> DriftSection:
    model = LocalModel(make_pipeline(SimpleImputer(), LogisticRegression()).fit(FRAME, LABELS))
    config = RunConfig(drift_severities=[0.2, 2.0], drift_repetitions=repetitions)
    schema = Schema(features=[Feature(name="used")])
    predictions = model.predict(FRAME)
    return simulate_drift(model, FRAME, schema, predictions, LABELS, config=config)


def mean_shift(repetitions: int = REPETITIONS) -> ScenarioResult:
    return next(s for s in simulated(repetitions).scenarios if s.id == "mean_shift")


def test_power_is_that_of_a_simulation_by_scipy() -> None:
    """A fifth of a standard deviation in 200 rows: within four standard errors of scipy's KS."""
    rng = np.random.default_rng(0)
    hits = [
        stats.ks_2samp(rng.normal(size=200), rng.normal(0.2, size=200), method="asymp").pvalue
        <= 0.05
        for _ in range(1000)
    ]
    expected = float(np.mean(hits))
    error = (expected * (1 - expected) / REPETITIONS) ** 0.5
    assert abs(mean_shift().points[0].power["kolmogorov_smirnov"] - expected) < 4 * error


def test_a_large_drift_is_always_noticed_and_the_words_say_so() -> None:
    """Two standard deviations in every repetition; the chart is drawn, with harm as a row."""
    scenario = mean_shift()
    assert scenario.points[1].power["default"] == 1.0
    assert first_with_power(scenario, "default") == 2.0
    assert "from severity 2 on" in power_words(scenario)
    chart = power_chart(scenario)
    assert chart is not None
    assert chart.figure.layout.yaxis.ticktext[-1] == "Harm to the model"


def test_nothing_is_repeated_unless_asked() -> None:
    """Without repetitions there is no power and no chart, and all else is the same."""
    once = mean_shift(0)
    assert [point.power for point in once.points] == [{}, {}]
    assert power_chart(once) is None
    again = [p.model_copy(update={"power": {}}) for p in mean_shift().points]
    assert once.points == again
