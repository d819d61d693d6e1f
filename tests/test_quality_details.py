"""Claims about what goes beyond metrics: hand-made cases, brute force, scipy, simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from metrics import evaluate_quality
from model_types import ModelInfo, Predictions, Task
from quality_details import cheapest_threshold, gain_table, residual_trends, spiegelhalter
from report_types import RunConfig


def test_true_probabilities_pass_as_often_as_they_should() -> None:
    """Of 1,000 samples from the stated probabilities, 3.5 to 6.5 % are rejected at 5 %."""
    rng = np.random.default_rng(0)
    rejected = 0
    for _ in range(1000):
        p = rng.beta(2, 3, 300)
        found = spiegelhalter(p, rng.random(300) < p)
        assert found is not None
        rejected += found.p_value < 0.05
    assert 0.035 <= rejected / 1000 <= 0.065


def test_overconfidence_is_found() -> None:
    """Probabilities pushed to the ends are rejected."""
    rng = np.random.default_rng(1)
    p = rng.beta(2, 2, 1000)
    said = p**2 / (p**2 + (1 - p) ** 2)
    found = spiegelhalter(said, rng.random(1000) < p)
    assert found is not None
    assert found.p_value < 0.001


def test_certain_probabilities_cannot_be_tested() -> None:
    """Zeros and ones leave no variance: no result rather than a division by zero."""
    assert spiegelhalter(np.array([0.0, 1.0]), np.array([False, True])) is None


def test_a_perfect_ranking_finds_everything_first() -> None:
    """With 10 % positives ranked first, the first tenth holds all of them: lift 10."""
    score = np.linspace(1, 0, 100)
    points = {p.share_flagged: p for p in gain_table(score, np.arange(100) < 10)}
    assert (points[0.1].recall, points[0.1].lift) == (1.0, 10.0)
    assert points[0.5].precision == pytest.approx(0.2)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=40),
    st.floats(0.1, 9),
    st.floats(0.1, 9),
)
def test_no_threshold_is_cheaper(
    rows: list[tuple[int, bool]], false_alarm: float, miss: float
) -> None:
    """The cost is the lowest of all thresholds tried one by one, and the threshold reaches it."""
    score = np.array([row[0] for row in rows]) / 10
    positive = np.array([row[1] for row in rows])

    def cost(threshold: float) -> float:
        flagged = score >= threshold
        wrong = false_alarm * (flagged & ~positive).sum() + miss * (~flagged & positive).sum()
        return float(wrong / len(rows))

    found = cheapest_threshold(score, positive, false_positive=false_alarm, false_negative=miss)
    assert found.cost_per_row == pytest.approx(min(cost(t) for t in np.arange(-0.05, 1.1, 0.05)))
    assert cost(found.threshold) == pytest.approx(found.cost_per_row)
    assert found.cost_at_half == pytest.approx(cost(0.5))


def test_calibrated_scores_have_the_theoretical_threshold() -> None:
    """A miss nine times as dear as a false alarm: flag from about 0.1 on."""
    rng = np.random.default_rng(2)
    p = rng.random(100_000)
    found = cheapest_threshold(p, rng.random(100_000) < p, false_positive=1, false_negative=9)
    assert found.theoretical == pytest.approx(0.1)
    assert found.threshold == pytest.approx(0.1, abs=0.02)


def test_residuals_that_follow_a_column_are_found() -> None:
    """A column that was not learnt is named; the correlation and its p-value are scipy's."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(400, 3)), columns=["a", "b", "c"])
    residual = 0.5 * frame["b"].to_numpy() + rng.normal(size=400)
    trends = {t.against: t for t in residual_trends(frame, frame["a"].to_numpy(), residual)}
    reference = stats.spearmanr(frame["b"], residual)
    assert trends["b"].correlation == pytest.approx(reference.statistic)
    assert trends["b"].p_value == pytest.approx(reference.pvalue)
    assert [name for name, t in trends.items() if t.p_adjusted < 0.05] == ["b"]


def test_the_section_carries_them() -> None:
    """A binary classifier gets test, gain and cost; a regression its residual trends."""
    rng = np.random.default_rng(4)
    p = rng.random(200)
    frame, y = pd.DataFrame({"x": p}), pd.Series(np.where(rng.random(200) < p, "yes", "no"))
    info = ModelInfo(task=Task.BINARY, estimator="x", classes=["no", "yes"], has_proba=True)
    answers = Predictions(np.where(p > 0.5, "yes", "no"), np.column_stack([1 - p, p]))
    config = RunConfig(cost_false_positive=1, cost_false_negative=5)
    details = evaluate_quality(answers, info, frame, y, config=config, labels_from="y").details
    assert details is not None
    assert details.calibration_test is not None
    assert details.cost is not None
    assert len(details.gain) == 12
    info = ModelInfo(task=Task.REGRESSION, estimator="x")
    numbers = pd.Series(p + rng.normal(size=200))
    section = evaluate_quality(Predictions(p), info, frame, numbers, config=config, labels_from="y")
    assert section.details is not None
    assert {t.against for t in section.details.residuals} == {"prediction", "x"}
