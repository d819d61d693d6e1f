"""Quality: how right the model is, beside a trivial model, and where it is worse."""

from __future__ import annotations

import streamlit as st

from base_types import Cell
from figures import section_charts
from formatting import count, escape_markdown, estimate, number, p_value, percent
from glossary import explain, title
from report_types import QualitySection, TestReport
from views.common import beside, section_missing, show_chart, show_notes, show_table, theme
from views.quality_details import show_details
from views.quality_groups import show_groups


def show(report: TestReport) -> None:
    """Lay out the section."""
    section = report.quality
    if section_missing(section, "Quality"):
        return
    if section.has_labels:
        weight = section.details.weight_column if section.details else None
        st.caption(
            f"{count(section.n_rows, 'row')}; true answers from the column "
            f"**{escape_markdown(section.labels_from or '')}**"
            + (
                f"; the class that counts is **{escape_markdown(section.positive_class)}**."
                if section.positive_class
                else "."
            )
            + (f" Rows count by the column **{escape_markdown(weight)}**." if weight else "")
        )
    show_notes(section.notes)
    _show_metrics(section)
    _show_charts(report)
    _show_classes(section)
    if section.details is not None:
        show_details(section.details)
    _show_slices(section)
    if section.groups is not None:
        show_groups(section.groups)


def _show_metrics(section: QualitySection) -> None:
    rows: list[dict[str, Cell]] = [
        {
            "Metric": title(metric.name),
            "Value (95 % interval)": estimate(metric.estimate)
            if metric.estimate.value is not None
            else f"– {metric.estimate.reason or ''}",
            "Trivial model": number(metric.baseline),
            "That is": metric.baseline_name or "",
            "Better": "higher" if metric.higher_is_better else "lower",
            "What it says": explain(metric.name).split(". ")[0],
        }
        for metric in section.metrics
    ]
    if rows:
        show_table(rows, "quality.table")


def _show_charts(report: TestReport) -> None:
    charts = section_charts(report, "quality", theme())
    with beside():
        for name, chart in charts.items():
            show_chart(chart, f"quality.{name}")


def _show_classes(section: QualitySection) -> None:
    if not section.per_class:
        return
    st.subheader("Per class")
    show_table(
        [
            {
                "Class": row.label,
                "True rows": row.support,
                "Predicted": row.predicted,
                "Precision": number(row.precision),
                "Recall": number(row.recall),
                "F1": number(row.f1),
            }
            for row in section.per_class
        ],
        "quality.classes",
    )


def _show_slices(section: QualitySection) -> None:
    if not (section.slices or section.slices_note):
        return
    st.subheader("Weak parts of the data")
    rows: list[dict[str, Cell]] = [
        {
            "Where": part.description,
            "Rows": part.n,
            "Share": percent(part.share),
            title(part.metric): estimate(part.value),
            "Elsewhere": number(part.rest),
            "p, corrected": p_value(part.p_adjusted),
            "Confirmed": "yes" if part.confirmed else "no",
        }
        for part in section.slices
    ]
    if rows:
        show_table(rows, "quality.slices.table")
    st.caption(escape_markdown(section.slices_note or ""))
