"""One run, live while it goes on and as a report when it is done; used by two pages."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

import jobs
import reports
from errors import MonitorError
from formatting import duration, escape_markdown, look
from report_archive import make_archive
from report_types import RunStatus, Stage, TestReport
from run_types import RunRecord
from views import (
    section_behaviour,
    section_data,
    section_details,
    section_drift,
    section_explanations,
    section_performance,
    section_quality,
    section_summary,
)
from views.common import badge, open_store, when
from views.policy_lines import offer_numbers, show_policy_link
from views.sign_in import actor

SECTIONS: dict[str, Callable[[TestReport], None]] = {
    "Summary": section_summary.show,
    "Performance": section_performance.show,
    "Quality": section_quality.show,
    "Behaviour": section_behaviour.show,
    "Drift": section_drift.show,
    "Explanations": section_explanations.show,
    "Data": section_data.show,
    "Details": section_details.show,
}


def show_run(run_id: str) -> None:
    """Show a run: live stages while it goes on, the report when there is one."""
    try:
        record = open_store().get_run(run_id)
    except MonitorError as error:
        st.error(escape_markdown(error), icon=":material/search_off:")
        st.page_link("views/runs.py", label="All runs", icon=":material/history:")
        return
    if not record.status.is_final:
        _show_live(run_id)
        return
    _show_header(record)
    try:
        report = open_store().get_report(run_id)
    except MonitorError as error:
        st.error(
            escape_markdown(record.error or str(error)),
            title=f"This run has no report: {look(record.status.value).word.lower()}",
            icon=":material/cancel:",
        )
        _offer_rerun(record)
        return
    _show_downloads(record, report)
    _show_sections(report)


@st.fragment(run_every="0.4s")
def _show_live(run_id: str) -> None:
    record = open_store().get_run(run_id)
    if record.status.is_final:
        st.rerun()
    waiting = record.status is RunStatus.QUEUED
    st.subheader(f"Testing {escape_markdown(record.model_name)}")
    text = "Waiting for a free place" if waiting else escape_markdown(record.message or "Starting")
    st.progress(min(1.0, max(0.0, record.fraction)), text=text)
    _show_stages(record)
    if record.cancel_requested:
        st.caption("Cancelling …")
    elif st.button("Cancel", key="run.cancel", icon=":material/stop_circle:"):
        jobs.cancel(open_store(), run_id, actor=actor())
        st.rerun(scope="fragment")


def _show_stages(record: RunRecord) -> None:
    order = list(Stage)
    current = order.index(record.stage) if record.stage else -1
    parts = []
    for position, stage in enumerate(order):
        if position < current:
            parts.append(f":green[:material/check_circle:\u00a0{stage.value}]")
        elif position == current:
            parts.append(f"**:blue[:material/pending:\u00a0{stage.value}]**")
        else:
            parts.append(f":gray[:material/radio_button_unchecked:\u00a0{stage.value}]")
    st.markdown("&ensp; ".join(parts))


def _show_header(record: RunRecord) -> None:
    state = record.verdict.value if record.verdict else record.status.value
    st.markdown(f"## {escape_markdown(record.model_name)} &nbsp; {badge(state)}")
    facts = [escape_markdown(record.estimator or ""), record.task or "", when(record.created_at)]
    facts += [f"took {duration(record.seconds)}"] if record.seconds is not None else []
    facts += [f"from {record.source}", f"run {record.id}"]
    st.caption(" · ".join(fact for fact in facts if fact))


def _offer_rerun(record: RunRecord) -> None:
    if st.button("Run it again", icon=":material/replay:", key="run.again.failed"):
        _run_again(record)


def _run_again(record: RunRecord) -> None:
    try:
        run_id = jobs.submit(open_store(), record.request, actor=actor())
    except MonitorError as error:
        st.error(escape_markdown(error), icon=":material/cancel:")
        return
    st.query_params["run"] = run_id
    st.rerun()


def _show_downloads(record: RunRecord, report: TestReport) -> None:
    stem = f"model-monitor-{record.id[-8:]}-{record.created_at:%Y%m%d-%H%M}"
    with st.container(horizontal=True):
        with st.popover("Download", icon=":material/download:"):
            _downloads(report, stem)
        if st.button("Run again", icon=":material/replay:", key="run.again"):
            _run_again(record)
        if st.button("Compare …", icon=":material/compare_arrows:", key="run.compare"):
            st.switch_page("views/compare.py", query_params={"runs": record.id})
        if st.button("Delete", icon=":material/delete:", key="run.delete"):
            _confirm_delete(record)


def _downloads(report: TestReport, stem: str) -> None:
    as_json = report.model_dump_json
    files: dict[str, tuple[str, str, Callable[[], bytes | str]]] = {
        ".html": ("Report (HTML, opens offline)", "text/html", lambda: reports.render_html(report)),
        "-everything.zip": (
            "Everything (all of these, zipped)",
            "application/zip",
            lambda: make_archive(as_json(), "everything"),
        ),
        ".json": ("The report as JSON", "application/json", lambda: reports.render_json(report)),
        ".zip": ("Tables (CSV, zipped)", "application/zip", lambda: reports.zip_tables(report)),
        "-charts.zip": (
            "Charts (PNG, zipped)",
            "application/zip",
            lambda: make_archive(as_json(), "png"),
        ),
        ".md": ("Summary (Markdown)", "text/markdown", lambda: reports.render_markdown(report)),
        ".xml": ("Checks (JUnit XML)", "application/xml", lambda: reports.render_junit(report)),
    }
    for ending, (label, mime, make) in files.items():
        st.download_button(
            label,
            data=make,
            file_name=f"{stem}{ending}",
            mime=mime,
            key=f"run.download{ending}",
            on_click="ignore",
            width="stretch",
        )


@st.dialog("Delete this run?")
def _confirm_delete(record: RunRecord) -> None:
    st.markdown(
        f"The run of **{escape_markdown(record.model_name)}** and its report will be gone. "
        "Files that no other run uses are removed as well."
    )
    if st.button("Delete it", type="primary", key="run.delete.yes"):
        open_store().delete_run(record.id, actor=actor())
        st.switch_page("views/runs.py")


def _show_sections(report: TestReport) -> None:
    tabs = st.tabs(list(SECTIONS), key="section", on_change="rerun", bind="query-params")
    show_policy_link()
    for tab, (name, show) in zip(tabs, SECTIONS.items(), strict=True):
        if tab.open:
            with tab:
                show(report)
                offer_numbers(report, name)
