"""Beyond metrics: each output alone, calibration test, gain, cheapest threshold, residuals."""

from __future__ import annotations

import streamlit as st

from base_types import Cell
from formatting import escape_markdown, estimate, number, p_value, percent
from glossary import explain, title
from quality_types import (
    CalibrationTest,
    CostThreshold,
    GainPoint,
    OutputMetric,
    QualityDetails,
    ResidualTrend,
)
from views.common import show_table

SURE = 0.05


def show_details(details: QualityDetails) -> None:
    """Show what was found; nothing where it does not apply."""
    if details.outputs:
        _show_outputs(details.outputs)
    if details.calibration_test is not None:
        _show_calibration(details.calibration_test)
    if details.gain:
        _show_gain(details.gain)
    if details.cost is not None:
        _show_cost(details.cost)
    if details.residuals:
        _show_residuals(details.residuals)


def _show_outputs(metrics: list[OutputMetric]) -> None:
    st.subheader("Each output alone")
    rows: dict[str, dict[str, Cell]] = {}
    for metric in metrics:
        known = metric.estimate.value is not None
        shown = estimate(metric.estimate) if known else f"– {metric.estimate.reason or ''}"
        rows.setdefault(metric.output, {"Output": metric.output})[title(metric.name)] = shown
    show_table(list(rows.values()), "quality.outputs")


def _show_calibration(test: CalibrationTest) -> None:
    off = test.p_value < SURE
    finding = "are off by more than chance" if off else "agree with what was observed"
    st.caption(
        f"Calibration test (Spiegelhalter): the probabilities {finding} "
        f"(z = {number(test.z, digits=3)}, {_p_words(test.p_value)}, {test.n:,} rows).",
        help=explain("spiegelhalter"),
    )


def _p_words(value: float) -> str:
    shown = p_value(value)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def _show_gain(points: list[GainPoint]) -> None:
    st.subheader("Gain and lift", help=f"{explain('gain')}\n\n{explain('lift')}")
    show_table(
        [
            {
                "Highest scores": percent(point.share_flagged),
                "Positives found": percent(point.recall),
                "Right among them": percent(point.precision),
                "Lift": number(point.lift, digits=3),
            }
            for point in points
        ],
        "quality.gain",
    )


def _show_cost(cost: CostThreshold) -> None:
    st.subheader("Cheapest threshold", help=explain("cost_per_row"))
    st.markdown(
        f"Flag from **{number(cost.threshold, digits=3)}** on: "
        f"{number(cost.cost_per_row)} per row; "
        f"at 0.5 it is {number(cost.cost_at_half)}, flagging all {number(cost.cost_of_all)}, "
        f"none {number(cost.cost_of_none)}."
    )
    st.caption(
        f"A false alarm costs {number(cost.false_positive)}, a miss "
        f"{number(cost.false_negative)}; with perfect probabilities the threshold is "
        f"{number(cost.theoretical, digits=3)}. Chosen on these very rows, so it flatters a little."
    )


def _show_residuals(trends: list[ResidualTrend]) -> None:
    st.subheader("Residuals against prediction and columns", help=explain("residual_trend"))
    clear = [trend.against for trend in trends if trend.p_adjusted < SURE]
    if clear:
        names = escape_markdown(", ".join(clear[:5]))
        st.caption(f"The errors depend on {names}: something there is not learnt.")
    show_table(
        [
            {
                "Against": trend.against,
                "Rank correlation": number(trend.correlation, digits=3),
                "p, corrected": p_value(trend.p_adjusted),
                "Of their size": number(trend.size_correlation, digits=3),
                "Mean residual, low to high": " ".join(number(y, digits=2) for _, y in trend.means),
            }
            for trend in trends
        ],
        "quality.residuals.table",
    )
