"""Data: the rows the model was tested on, column by column."""

from __future__ import annotations

import streamlit as st

from base_types import Cell
from csv_download import safe_csv
from errors import MonitorError
from formatting import count, escape_markdown, number, percent
from glossary import explain
from reach_types import Reach
from report_types import DataSection, TestReport
from views.common import download, open_store, section_missing, show_notes, show_table
from views.data_findings import show_findings


def show(report: TestReport) -> None:
    """Lay out the section."""
    section = report.data
    if section_missing(section, "Data"):
        return
    st.markdown(f"**{count(section.n_rows, 'row')}** {_origin(section)}")
    show_notes(section.warnings)
    rows: list[dict[str, Cell]] = [
        {
            "Column": column.name,
            "Type": column.kind,
            "Missing": column.n_missing,
            "Distinct": column.n_unique,
            "Minimum": column.first or number(column.minimum),
            "Median": number(column.median),
            "Mean": number(column.mean),
            "Maximum": column.last or number(column.maximum),
            "Std": number(column.std),
        }
        for column in section.columns
    ]
    _show_columns(report, rows)
    if section.reach is not None:
        _show_reach(section.reach)
    if report.validation is not None:
        st.subheader("Data check")
        show_findings(report.validation, "data.check")
    st.subheader("First rows")
    show_table(section.preview, "data.preview")
    _offer_rows(report)


def _origin(section: DataSection) -> str:
    if section.source != "sample":
        return "made up from what is known of the columns"
    target = f", target **{escape_markdown(section.target)}**" if section.target else ""
    return f"from your sample ({escape_markdown(section.name or '')}){target}"


def _show_reach(reach: Reach) -> None:
    parts = []
    if reach.classes is not None and reach.n_classes:
        noise = number(reach.classes_by_noise)
        parts.append(f"{reach.classes} of {reach.n_classes} classes (uniform noise: {noise})")
    if reach.leaves is not None and reach.n_leaves:
        share = percent(reach.leaves / reach.n_leaves)
        noise = percent((reach.leaves_by_noise or 0) / reach.n_leaves)
        parts.append(f"{share} of the leaves (uniform noise: {noise})")
    if parts:
        st.caption(
            f"{count(reach.n_rows, 'made-up row')} reach {' and '.join(parts)}.",
            help=explain("reach"),
        )


def _show_columns(report: TestReport, rows: list[dict[str, Cell]]) -> None:
    shapes = [[float(n) for n in column.histogram.counts] for column in report.data.columns]
    table: list[dict[str, object]] = [
        {**row, "Shape": shape} for row, shape in zip(rows, shapes, strict=True)
    ]
    st.dataframe(
        table,
        key="data.columns",
        hide_index=True,
        width="stretch",
        column_config={"Shape": st.column_config.BarChartColumn("Shape", y_min=0)},
    )


def _offer_rows(report: TestReport) -> None:
    if report.data.artifact is None:
        return
    try:
        path = open_store().artifact_path(report.data.artifact)
    except MonitorError as error:
        st.caption(escape_markdown(error))
        return
    download(
        "All rows as CSV",
        lambda: b"".join(safe_csv(path)),
        "tested-rows.csv",
        "text/csv",
        "data.csv",
    )
