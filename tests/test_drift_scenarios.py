"""Scenarios do what they say, to the columns they name, by the amount they state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift_scenarios import MAX_COLUMNS, SCENARIOS, Scenario, Setting, apply_to_table
from schema_utils import Kind

RNG = np.random.default_rng(5)
N = 4000
BASE = RNG.normal(size=N)
FRAME = pd.DataFrame(
    {
        "x": BASE * 2 + 10,
        "y": BASE + RNG.normal(size=N),
        "count": RNG.poisson(20, N),
        "city": RNG.choice(["a", "b", "c"], N, p=[0.6, 0.3, 0.1]),
        "flag": RNG.random(N) < 0.3,
    }
)
KINDS = {
    "x": Kind.FLOAT,
    "y": Kind.FLOAT,
    "count": Kind.INTEGER,
    "city": Kind.CATEGORICAL,
    "flag": Kind.BOOLEAN,
}
SETTING = Setting(FRAME, KINDS, groups=np.where(RNG.random(N) < 0.2, "rare", "common"), leading="y")
BY_ID = {scenario.id: scenario for scenario in SCENARIOS}
every_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.id)


def drifted(name: str, severity: float = 1.0) -> pd.DataFrame:
    scenario, rng = BY_ID[name], np.random.default_rng(0)
    return apply_to_table(scenario.change, FRAME, scenario.amount(severity), rng, SETTING)


@every_scenario
def test_only_the_named_columns_change(scenario: Scenario) -> None:
    """Columns and their order stay, other columns are equal, the input is not changed."""
    before = FRAME.copy()
    after = drifted(scenario.id)
    pd.testing.assert_frame_equal(FRAME, before)
    assert list(after.columns) == list(FRAME.columns)
    for name in set(FRAME) - set(scenario.columns(SETTING)):
        pd.testing.assert_series_equal(after[name], FRAME[name].loc[after.index])


@every_scenario
def test_severity_zero_changes_no_value(scenario: Scenario) -> None:
    """The slider at its left end is the untouched table."""
    pd.testing.assert_frame_equal(drifted(scenario.id, 0.0), FRAME, check_dtype=False)


@every_scenario
def test_the_seed_decides(scenario: Scenario) -> None:
    """The same generator, the same drift."""
    pd.testing.assert_frame_equal(drifted(scenario.id), drifted(scenario.id))


@every_scenario
@given(severity=st.floats(0.01, 20))
@settings(max_examples=10, deadline=None)
def test_any_severity_gives_rows_of_the_same_types(scenario: Scenario, severity: float) -> None:
    """Types survive every severity; only empty cells turn whole numbers into floats."""
    after = drifted(scenario.id, severity)
    assert len(after) > 0
    if scenario.id != "missing_values":
        assert (after.dtypes == FRAME.dtypes).all()


def test_mean_shift_adds_standard_deviations() -> None:
    """Half a severity moves the mean by half a standard deviation and keeps the spread."""
    after = drifted("mean_shift", 0.5)
    assert after["x"].mean() - FRAME["x"].mean() == pytest.approx(0.5 * FRAME["x"].std(ddof=0))
    assert after["x"].std() == pytest.approx(FRAME["x"].std())


def test_variance_change_keeps_the_mean() -> None:
    """Severity 1 is half as wide again."""
    after = drifted("variance_change")
    assert after["x"].std() == pytest.approx(1.5 * FRAME["x"].std())
    assert after["x"].mean() == pytest.approx(FRAME["x"].mean())


def test_noise_adds_its_variance() -> None:
    """Severity 2 is noise of half a standard deviation."""
    noise = drifted("noise", 2.0)["y"] - FRAME["y"]
    assert noise.std() == pytest.approx(0.5 * FRAME["y"].std(), rel=0.05)


def test_category_mix_moves_rows_to_the_rarest_category() -> None:
    """A fifth of the rows of the other categories arrive there."""
    share = (FRAME["city"] == "c").mean()
    moved = (drifted("category_mix")["city"] == "c").mean()
    assert moved == pytest.approx(share + 0.2 * (1 - share), abs=0.02)


def test_missing_values_empty_the_stated_share() -> None:
    """Every column, one cell in ten; whole numbers and flags become floats."""
    after = drifted("missing_values")
    assert after.isna().mean().to_numpy() == pytest.approx(np.full(5, 0.1), abs=0.02)
    assert after["count"].dtype == after["flag"].dtype == np.float64


def test_unit_change_hits_the_leading_column_alone() -> None:
    """Severity 2 multiplies by 2.54 squared."""
    factor = drifted("unit_change", 2.0)["y"] / FRAME["y"]
    assert factor.to_numpy() == pytest.approx(np.full(N, 2.54**2))


def test_correlated_shift_keeps_correlations() -> None:
    """Columns x and y, positively correlated, move the same way; their correlation stays."""
    after = drifted("correlated_shift")
    moves = (after[["x", "y"]] - FRAME[["x", "y"]]).mean() / FRAME[["x", "y"]].std()
    assert moves["x"] * moves["y"] > 0
    assert abs(moves).max() == pytest.approx(0.5, rel=1e-3)
    assert after["x"].corr(after["y"]) == pytest.approx(FRAME["x"].corr(FRAME["y"]))


def test_prior_shift_multiplies_the_odds() -> None:
    """Rows are left out, none is changed, until the rare class has three times the odds."""
    after = drifted("prior_shift")
    groups = pd.Series(SETTING.groups)
    odds = [(g == "rare").mean() / (g == "common").mean() for g in (groups, groups[after.index])]
    assert odds[1] / odds[0] == pytest.approx(3, rel=0.1)
    pd.testing.assert_frame_equal(after, FRAME.loc[after.index])


def test_outliers_lie_eight_standard_deviations_off() -> None:
    """Two percent of the values, on both sides."""
    z = (drifted("outliers")["x"] - FRAME["x"].mean()) / FRAME["x"].std(ddof=0)
    assert (z.abs() > 7).mean() == pytest.approx(0.02, abs=0.006)
    assert set(z[z.abs() > 7].round()) == {-8.0, 8.0}


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "Int64"])
def test_whole_numbers_stay_whole_and_in_range(dtype: str) -> None:
    """A shift beyond the type's range stops at its end instead of wrapping around."""
    frame = pd.DataFrame({"n": pd.Series([0, 50, 100], dtype=dtype)})
    setting = Setting(frame, {"n": Kind.INTEGER})
    rng = np.random.default_rng(0)
    after = apply_to_table(BY_ID["mean_shift"].change, frame, 1e6, rng, setting)
    assert after["n"].dtype == frame["n"].dtype
    assert (after["n"] >= frame["n"]).all()


@pytest.mark.parametrize(
    ("frame", "kinds", "without"),
    [
        ({"c": ["a", "b"]}, {"c": Kind.CATEGORICAL}, ["mean_shift", "unit_change", "outliers"]),
        ({"n": [1.0, 2.0]}, {"n": Kind.FLOAT}, ["category_mix", "prior_shift"]),
        ({"n": [1.0, 1.0]}, {"n": Kind.FLOAT}, ["mean_shift", "variance_change", "noise"]),
    ],
)
def test_scenarios_that_do_not_apply_touch_no_column(
    frame: Any, kinds: dict[str, Kind], without: list[str]
) -> None:
    """No numbers, no categories, constants, no classes: an empty list of columns."""
    setting = Setting(pd.DataFrame(frame), kinds)
    assert all(BY_ID[name].columns(setting) == [] for name in without)


def test_wide_tables_are_touched_at_even_distances() -> None:
    """Of 100 columns ten are drifted, the first and the last among them."""
    frame = pd.DataFrame(RNG.normal(size=(10, 100))).add_prefix("x")
    setting = Setting(frame, dict.fromkeys(frame.columns, Kind.FLOAT))
    assert len(setting.numeric) == MAX_COLUMNS
    assert [setting.numeric[0], setting.numeric[-1]] == ["x0", "x99"]
