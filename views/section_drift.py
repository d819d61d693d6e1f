"""Drift: how the data may change, which test notices, and what the model has lost by then."""

from __future__ import annotations

import streamlit as st

from base_types import Cell
from drift_types import DriftSection, ScenarioResult
from figures_drift import drift_heat_map, harm_ranking, scenario_chart
from figures_power import power_chart, power_words
from formatting import escape_markdown, number, percent, signed
from glossary import title
from report_types import TestReport
from views.common import beside, section_missing, show_chart, show_notes, show_table, theme
from views.drift_parts import show_column


def show(report: TestReport) -> None:
    """Lay out the section."""
    section = report.drift
    if section_missing(section, "Drift"):
        return
    st.caption(
        f"{section.n_reference:,} rows stay as they are (reference); {section.n_current:,} others "
        "are changed on purpose (current). Harm is the share of answers that change, or for "
        "numbers their mean change in standard deviations."
    )
    with beside():
        show_chart(drift_heat_map(section, theme()), "drift.map")
        show_chart(harm_ranking(section.ranking, theme()), "drift.ranking")
    _show_ranking(section)
    _show_scenario(section)
    show_notes(section.notes)


def _show_ranking(section: DriftSection) -> None:
    if not section.ranking:
        return
    with st.expander("Columns by harm, as a table"):
        rows: list[dict[str, Cell]] = [
            {
                "Column": item.feature,
                "Harm": percent(item.harm),
                f"Change of {title(section.quality_metric or 'quality')}": signed(
                    item.quality_change
                ),
                "Noticed": "yes" if item.noticed else "no",
                "Comment": item.comment,
            }
            for item in section.ranking
        ]
        show_table(rows, "drift.ranking.table")


def _show_scenario(section: DriftSection) -> None:
    tried = {item.title: item for item in section.scenarios if item.skipped is None}
    skipped = [item for item in section.scenarios if item.skipped is not None]
    if tried:
        st.subheader("One way to drift, step by step")
        worst = max(tried.values(), key=lambda item: item.harm or 0.0)
        names = list(tried)
        chosen = st.selectbox(
            "Scenario", names, index=names.index(worst.title), key="drift.scenario", width=360
        )
        _show_steps(section, tried[chosen])
    for item in skipped:
        st.caption(f"{escape_markdown(item.title)}: {escape_markdown(item.skipped or '')}")


def _show_steps(section: DriftSection, scenario: ScenarioResult) -> None:
    st.markdown(
        f"{escape_markdown(scenario.description)}  \nSeverity 1 means: "
        f"{escape_markdown(scenario.unit)}."
    )
    show_chart(scenario_chart(scenario, theme()), f"drift.chart.{scenario.id}")
    power = power_chart(scenario, theme())
    if power is not None:
        show_chart(power, f"drift.power.{scenario.id}")
        st.caption(escape_markdown(power_words(scenario).capitalize()))
    _show_points(section, scenario)
    last = scenario.points[-1] if scenario.points else None
    if last is None or not last.features:
        return
    names = [drift.feature for drift in last.features]
    name = st.selectbox(
        f"Column at severity {number(last.severity)}",
        names,
        key=f"drift.col.{scenario.id}",
        width=360,
    )
    show_column(last.features[names.index(name)], f"drift.{scenario.id}.{name}")


def _show_points(section: DriftSection, scenario: ScenarioResult) -> None:
    metric = title(section.quality_metric) if section.quality_metric else "Quality"
    rows: list[dict[str, Cell]] = []
    for point in scenario.points:
        change = point.prediction
        noticed = [title(name) for name, yes in point.tests_noticed.items() if yes]
        rows.append(
            {
                "Severity": point.severity,
                "Columns flagged": point.n_columns_flagged,
                "Noticed by": ", ".join(noticed) or "none",
                "Flipped answers": percent(change.flipped_share) if change else "–",
                "Mean change": signed(change.mean_change) if change else "–",
                f"{metric}, change": signed(point.quality_change),
                "Error": point.error or "",
            }
        )
    show_table(rows, f"drift.points.{scenario.id}")
