"""What came out of comparing two tables: columns, sorted by drift or by harm, and downloads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

import drift_job
from drift_ranking import HARMLESS, expected_harm
from drift_tables import deciding_test, report_csv
from drift_types import DriftReport, DriftVerdict, FeatureDrift, FeatureHarm
from errors import MonitorError
from figure_style import shares
from figures_drift import drift_overview
from formatting import escape_markdown, look, number, p_value, percent, timestamp
from glossary import title
from report_drift import render_drift_html
from views.common import download, settings, show_chart, theme
from views.drift_request import Asked

BY_DRIFT, BY_HARM = "Drift", "Harm to the model"

Harms = Mapping[str, FeatureHarm]


def show_columns(features: list[FeatureDrift], harms: Harms) -> None:
    """Show a line per column, worst first, or most harmful first if a model was chosen."""
    st.subheader("Columns, worst first")
    order = BY_DRIFT
    if harms:
        order = st.segmented_control(
            "Sort by",
            [BY_DRIFT, BY_HARM],
            default=BY_DRIFT,
            required=True,
            key="drift.order",
            help="Harm: the drift seen times what drift of this column alone did to the model's "
            "answers in its run.",
        )
    if order == BY_HARM:
        features = sorted(features, key=lambda each: -(_harm(each, harms) or 0.0))
    chart = st.column_config.BarChartColumn
    st.dataframe(
        pd.DataFrame([_row(feature, harms) for feature in features]),
        key="drift.table",
        hide_index=True,
        width="stretch",
        column_config={
            "reference": chart("Reference", y_min=0.0, width="small", color="blue"),
            "current": chart("Current", y_min=0.0, width="small", color="orange"),
            "Harm": st.column_config.TextColumn(
                help="Expected change of the model's answers if only this column drifts: share of "
                "other labels, or mean change in standard deviations of the predictions."
            ),
            "why": st.column_config.TextColumn("Why", width="large"),
        },
    )
    _say_harmless(features, harms)


def _row(drift: FeatureDrift, harms: Harms) -> dict[str, Any]:
    seen, test = look(drift.verdict.value), deciding_test(drift)
    harm = _harm(drift, harms)
    return {
        "Column": drift.feature,
        "Verdict": f"{seen.symbol} {seen.word}",
        "reference": shares(drift.reference),
        "current": shares(drift.current),
        "Effect": number(test.effect_size) if test else "–",
        "Floor": number(test.threshold) if test else "–",
        **({"Harm": "–" if harm is None else percent(harm)} if harms else {}),
        "p, corrected": p_value(test.p_adjusted) if test else "–",
        "Question": title(test.name) if test else "–",
        "Missing": f"{percent(drift.missing_reference)} → {percent(drift.missing_current)}",
        "why": drift.why,
    }


def _harm(drift: FeatureDrift, harms: Harms) -> float | None:
    harm = harms.get(drift.feature)
    return None if harm is None else expected_harm(drift, harm)


def _say_harmless(features: list[FeatureDrift], harms: Harms) -> None:
    harmless = [
        escape_markdown(each.feature)
        for each in features
        if each.verdict is DriftVerdict.DRIFT
        and (_harm(each, harms) or 0.0) < HARMLESS
        and each.feature in harms
    ]
    if harmless:
        st.caption(f"Drifted but harmless to this model: {', '.join(harmless)}.")


def show_downloads(wanted: Asked, report: DriftReport) -> None:
    """Offer the comparison as files, the reference as a profile, and the same over HTTP."""
    stem = f"model-monitor-drift-{datetime.now(UTC):%Y%m%d-%H%M}"
    with st.container(horizontal=True):
        download(
            "Report as HTML",
            lambda: _html(wanted, report),
            f"{stem}.html",
            "text/html",
            "drift.html",
        )
        download(
            "Everything as JSON",
            lambda: report.model_dump_json(indent=1),
            f"{stem}.json",
            "application/json",
            "drift.json",
        )
        download("Tests as CSV", lambda: report_csv(report), f"{stem}.csv", "text/csv", "drift.csv")
    with st.expander("Keep the reference as a profile", icon=":material/bookmark:"):
        _show_profile(wanted)
    with st.expander("Overview as a chart, and the same over HTTP"):
        show_chart(drift_overview(report, theme()), "drift.overview")
        address = f"{settings().api_url}/drift"
        st.code(f"curl -F reference=@before.csv -F current=@now.csv {address}", language="sh")


def _html(wanted: Asked, report: DriftReport) -> str:
    return render_drift_html(report, names=wanted.names(), made=timestamp(datetime.now(UTC)))


def _show_profile(wanted: Asked) -> None:
    """Offer what later comparisons need of the reference; it is made when it is asked for."""
    try:
        table = wanted.reference_table()
    except MonitorError as error:
        st.caption(escape_markdown(error))
        return
    if table is None:
        st.caption("The reference is a saved profile already.")
        return
    st.caption(
        "A small file with all that later comparisons need, however long the table is: give it "
        "instead of the table, here or in the field `reference` of `POST /drift`. It holds no "
        "rows, but sorted values, categories and words of its columns."
    )
    download(
        "Reference as a profile",
        lambda: drift_job.profile_of(table, settings()),
        "reference-profile.npz",
        "application/octet-stream",
        "drift.profile",
    )
