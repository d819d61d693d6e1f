"""Data check: what is wrong with a table, or with a train and a test table, before any test."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from errors import MonitorError
from formatting import escape_markdown
from validation_example import example_table
from validation_job import CheckTask, check_files
from validation_types import ValidationSection
from views.common import settings, show_notes
from views.data_findings import offer_findings, show_findings

TYPES = ["csv", "tsv", "txt", "parquet", "json", "jsonl"]
Named = tuple[str, bytes]


def show() -> None:
    """Lay out the page."""
    st.title("Data check")
    st.caption(
        "Gaps, types, repeats, outliers, balance and columns that betray the answer; with a second "
        "table also overlap and drift between train and test. Files are not kept."
    )
    chosen = _choose()
    if chosen is None:
        return
    data, other, target = chosen
    try:
        with st.spinner("Checking"):
            section = _check(data, other, target)
    except MonitorError as error:
        st.error(escape_markdown(error), icon=":material/cancel:")
        return
    _show(section, data[0])


def _choose() -> tuple[Named, Named | None, str | None] | None:
    left, right = st.columns(2)
    size = settings().max_sample_mb
    with left:
        data = st.file_uploader("Table", TYPES, key="check.data", max_upload_size=size)
    with right:
        other = st.file_uploader(
            "Second table: the test part (optional)", TYPES, key="check.other", max_upload_size=size
        )
    target = st.text_input(
        "Column of true answers", key="check.target", placeholder="guessed", width=360
    )
    if st.button("Show an example", key="check.example", icon=":material/lightbulb:"):
        st.session_state["check.shown"] = True
    if data is not None:
        second = (other.name, other.getvalue()) if other else None
        return (data.name, data.getvalue()), second, target.strip() or None
    if st.session_state.get("check.shown"):
        return ("faulty-customers.csv", example_table()), None, target.strip() or None
    return None


@st.cache_data(max_entries=8, ttl=600, show_spinner=False)
def _check(data: Named, other: Named | None, target: str | None) -> ValidationSection:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, "data"), Path(folder, "other")]
        paths[0].write_bytes(data[1])
        if other is not None:
            paths[1].write_bytes(other[1])
        task = CheckTask(
            data=paths[0],
            data_name=data[0],
            other=paths[1] if other else None,
            other_name=other[0] if other else "",
            target=target,
        )
        return check_files(task, settings())


def _show(section: ValidationSection, name: str) -> None:
    st.subheader(escape_markdown(name))
    show_findings(section, "check")
    show_notes(section.notes)
    offer_findings(section, "check")


show()
