"""Claims about gaps between groups: known by construction, and seldom found where none is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from group_gaps import compare_groups
from group_stage import compare_sample_groups
from model_types import ModelInfo, Predictions, Task

EVERYWHERE = np.ones(600, dtype=bool)


def test_a_planted_gap_is_found_and_held_by_its_interval() -> None:
    """Group b gets right 20 points less often; the interval holds 0.2 and not 0."""
    rng = np.random.default_rng(0)
    groups = pd.Series(rng.choice(["a", "b"], 600), name="sex")
    right = rng.random(600) < np.where(groups == "a", 0.9, 0.7)
    gap = compare_groups(groups, {"accuracy": (right, EVERYWHERE)}).gaps[0]
    assert (gap.lowest, gap.highest) == ("b", "a")
    assert gap.gap.low is not None
    assert gap.gap.high is not None
    assert 0 < gap.gap.low < 0.2 < gap.gap.high
    assert gap.p_value is not None
    assert gap.p_value < 0.001


def test_equal_groups_are_seldom_called_different() -> None:
    """Six groups without any difference: in at least 93 % of 200 samples the interval holds 0."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        groups = pd.Series(rng.integers(0, 6, 600).astype(str), name="g")
        gap = compare_groups(groups, {"x": (rng.random(600) < 0.3, EVERYWHERE)}).gaps[0].gap
        assert gap.low is not None
        held += gap.low <= 0
    assert held / 200 >= 0.93


def test_numbers_are_compared_by_their_means() -> None:
    """A mean error of 1 in one group and 0 in the other is a gap of about 1."""
    rng = np.random.default_rng(2)
    groups = pd.Series(["a", "b"] * 300, name="g")
    error = rng.normal(size=600) + (groups == "a").to_numpy()
    gap = compare_groups(groups, {"mean_error": (error, EVERYWHERE)}).gaps[0].gap
    assert gap.value == pytest.approx(error[::2].mean() - error[1::2].mean())


def test_small_groups_are_left_out_with_a_note() -> None:
    """A group of 5 rows says nothing; with one group left there is nothing to compare."""
    groups = pd.Series(["a"] * 595 + ["b"] * 5, name="g")
    found = compare_groups(groups, {"x": (EVERYWHERE, EVERYWHERE)})
    assert found.gaps == []
    assert "20 rows" in found.notes[0]


def test_the_column_is_guessed_only_by_a_telling_name() -> None:
    """'sex' is compared without being asked for, 'colour' is not, an unknown name is told."""
    info = ModelInfo(task=Task.BINARY, estimator="x", classes=["no", "yes"])
    table = pd.DataFrame({"sex": ["f", "m"] * 50, "colour": ["r", "b"] * 50})
    answers = Predictions(np.array(["yes", "no"] * 50))

    def compare(columns: list[str], column: str | None = None) -> object:
        return compare_sample_groups(
            answers, info, table[columns], None, column=column, positive_class="yes"
        )

    found = compare(["sex"])
    assert found is not None
    assert found.gaps[0].gap.value == 1.0  # type: ignore[attr-defined]
    assert compare(["colour"]) is None
    assert "'x'" in compare(["colour"], "x").notes[0]  # type: ignore[attr-defined]


def test_groups_of_decimal_numbers_have_short_names() -> None:
    """Standardised codes are told by four digits where these tell them apart."""
    codes = pd.Series([-0.044641636506989144, 0.05068011873981862, np.nan] * 200, name="sex")
    (gap,) = compare_groups(codes, {"x": (np.arange(600) % 3 == 0, EVERYWHERE)}).gaps
    assert (gap.lowest, gap.highest) == ("0.05068", "-0.04464")
