"""Two runs side by side."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base_types import Estimate
from comparison import Change, compare_reports, judge_change
from report_types import Metric, RunConfig, TestReport


def interval(low: float, high: float) -> Estimate:
    return Estimate(value=(low + high) / 2, low=low, high=high, n=100)


def report(accuracy: Estimate, p50_ms: float, seed: int = 0) -> TestReport:
    result = TestReport(run_id="r", created_at=datetime.now(UTC), config=RunConfig(seed=seed))
    result.quality.metrics = [Metric(name="accuracy", estimate=accuracy)]
    result.performance.percentiles_ms = {"p50": Estimate(value=p50_ms)}
    return result


@pytest.mark.parametrize(
    ("baseline", "current", "higher", "expected"),
    [
        (interval(0.8, 0.9), interval(0.91, 0.95), True, Change.BETTER),
        (interval(0.8, 0.9), interval(0.91, 0.95), False, Change.WORSE),
        (interval(0.8, 0.9), interval(0.89, 0.95), True, Change.SAME),
        (interval(0.8, 0.9), interval(0.1, 0.2), None, Change.DIFFERENT),
        (Estimate(value=10.0), Estimate(value=10.4), False, Change.SAME),
        (Estimate(value=10.0), Estimate(value=11.0), False, Change.WORSE),
        (Estimate(value=0.0), Estimate(value=0.0), False, Change.SAME),
        (Estimate(reason="no labels"), Estimate(value=1.0), True, Change.UNKNOWN),
    ],
)
def test_a_change_counts_only_beyond_its_uncertainty(
    baseline: Estimate, current: Estimate, higher: bool | None, expected: Change
) -> None:
    """Overlapping intervals and small changes of plain numbers are no change."""
    assert judge_change(baseline, current, higher_is_better=higher) is expected


@pytest.mark.parametrize(
    ("unit", "before", "after", "expected"),
    [
        ("ms", 20.0, 35.0, Change.SAME),
        ("ms", 20.0, 45.0, Change.WORSE),
        ("share", 0.02, 0.06, Change.SAME),
        ("share", 0.02, 0.08, Change.WORSE),
    ],
)
def test_plain_timings_and_shares_change_only_when_they_move_far(
    unit: str, before: float, after: float, expected: Change
) -> None:
    """The same model tested twice on a busy machine has not got worse."""
    numbers = Estimate(value=before), Estimate(value=after)
    assert judge_change(*numbers, higher_is_better=False, unit=unit) is expected


@given(st.floats(0, 1), st.floats(0, 0.2))
def test_a_run_compared_with_itself_has_not_changed(centre: float, half: float) -> None:
    """Nothing is better or worse than itself."""
    same = report(interval(centre - half, centre + half), 5.0)
    result = compare_reports([same, same])
    assert not any(number.differs for number in result.numbers)
    assert result.settings == {}


def test_differing_settings_are_listed() -> None:
    """What was different about how the runs were made is shown, nothing else."""
    first, second = report(interval(0.8, 0.9), 1.0), report(interval(0.8, 0.9), 3.0, seed=7)
    result = compare_reports([first, second])
    assert result.settings == {"Seed": ["0", "7"]}
    latency = next(number for number in result.numbers if number.name == "latency_p50")
    assert latency.changes == [Change.SAME, Change.WORSE]


def test_one_run_cannot_be_compared() -> None:
    """A comparison needs two runs, and says so."""
    with pytest.raises(ValueError, match="Two or more"):
        compare_reports([report(interval(0.8, 0.9), 1.0)])
