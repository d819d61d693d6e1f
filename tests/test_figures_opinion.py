"""Charts of second opinions hold the numbers they are given, in both themes."""

from __future__ import annotations

import pytest

from explanation_reading import GroupMeans
from figure_style import Theme
from figures_opinion import (
    Bars,
    effect_chart,
    group_bars,
    paired_bars,
    permutation_bars,
    run_bars,
    shift_bars,
)
from opinion_types import EffectCurve, PermutationImportance, ShiftedImportance
from report_types import ExplanationSection

CURVE = EffectCurve(
    feature="<b>age</b>", output="yes", grid=[1, 2], partial_dependence=[0.1, 0.4], ale=[0.2, 0.3]
)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_both_curves_are_drawn_and_names_are_escaped(theme: Theme) -> None:
    """Two lines with the given points; markup in a name stays text."""
    chart = effect_chart(CURVE, "probability", theme)
    assert [list(trace.y) for trace in chart.figure.data] == [[0.1, 0.4], [0.2, 0.3]]
    assert "<b>age" not in chart.figure.layout.title.text
    assert "0.1 to 0.4" in chart.alt


def test_labels_have_one_point_each() -> None:
    """Categories are points with names, no line."""
    curve = EffectCurve(feature="plan", output="y", labels=["a", "b"], partial_dependence=[1, 2])
    (trace,) = effect_chart(curve, "prediction").figure.data
    assert trace.mode == "markers"


def test_shuffling_has_two_standard_errors() -> None:
    """Whiskers are twice the error; the largest loss is on top."""
    items = [
        PermutationImportance(feature=name, importance=size, error=0.01, rank=rank, clear=True)
        for rank, (name, size) in enumerate((("a", 0.5), ("b", 0.1)), start=1)
    ]
    chart = permutation_bars(items, "accuracy")
    assert chart is not None
    (bars,) = chart.figure.data
    assert list(bars.x) == [0.1, 0.5]
    assert list(bars.error_x.array) == [0.02, 0.02]


def test_nothing_is_drawn_of_nothing() -> None:
    """Without numbers there is no chart."""
    assert permutation_bars([], "accuracy") is None
    assert shift_bars([]) is None
    assert run_bars([("one", ExplanationSection()), ("two", ExplanationSection())]) is None


def test_series_keep_their_columns() -> None:
    """A column that one run lacks has no bar there; at most twelve columns are shown."""
    many = Bars("many", {f"c{at}": float(at) for at in range(20)})
    chart = paired_bars("t", "x", [many, Bars("one", {"c19": 3.0})])
    assert chart is not None
    first, second = chart.figure.data
    assert len(first.x) == 12
    assert list(second.x) == [3.0]


def test_groups_show_their_sizes() -> None:
    """The key names each group with its rows."""
    groups = [GroupMeans(f"is {n}", 7, 0.5, {"age": 0.1}, {"age": 0.01}) for n in "ab"]
    chart = group_bars(groups, "probability")
    assert chart is not None
    assert "is a (7 rows)" in chart.figure.layout.annotations[0].text
    assert shift_bars([ShiftedImportance(feature="a", reference=0.2, shifted=0.4)]) is not None
