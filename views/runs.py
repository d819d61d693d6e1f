"""Runs: every run kept, with filters in the address, a trend, and the way to a comparison."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from base_types import Estimate
from figures_history import TrendPoint, history_trend
from formatting import count, escape_markdown, look
from glossary import title
from policy import limits_of
from policy_types import Policy
from report_types import Verdict
from run_types import MetricPoint, RunFilter, RunRecord, RunSort
from views.common import browser_zone, keep_runner_alive, open_store, show_chart, theme
from views.sign_in import actor

PAGE_SIZE = 50
TREND_RUNS = 200  # of one model; more can neither be told apart nor drawn at once

SORTS = {
    "Newest first": (RunSort.CREATED, True),
    "Oldest first": (RunSort.CREATED, False),
    "Model": (RunSort.MODEL, False),
    "Best metric": (RunSort.METRIC, True),
    "Fastest": (RunSort.LATENCY, False),
    "Slowest": (RunSort.LATENCY, True),
}


def show() -> None:
    """Lay out the page."""
    keep_runner_alive()
    st.title("Runs")
    st.caption("Every run made here or over HTTP. New ones appear by themselves.")
    where, sort = _filters()
    _show_list(where, sort)
    _show_trend(where)


def _filters() -> tuple[RunFilter, tuple[RunSort, bool]]:
    names = open_store().model_names()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Search", key="text", bind="query-params", placeholder="model, estimator, id, label"
        )
        model = st.selectbox(
            "Model", ["All models", *names], key="model", bind="query-params", width=240
        )
        verdict = st.selectbox(
            "Verdict",
            ["All", *(item.value for item in Verdict)],
            format_func=lambda value: value if value == "All" else look(value).word,
            key="verdict",
            bind="query-params",
            width=160,
        )
        order = st.selectbox("Sort", list(SORTS), key="sort", bind="query-params", width=180)
    where = RunFilter(
        text=text or None,
        model_name=None if model == "All models" else model,
        verdict=None if verdict == "All" else Verdict(verdict),
    )
    return where, SORTS[order]


@st.fragment(run_every="2s")
def _show_list(where: RunFilter, sort: tuple[RunSort, bool]) -> None:
    page = st.session_state.get("page", 1)
    runs, total = open_store().list_runs(
        where, sort=sort[0], descending=sort[1], limit=PAGE_SIZE, offset=(page - 1) * PAGE_SIZE
    )
    if not runs:
        _show_empty(where)
        return
    event = st.dataframe(
        _table(runs),
        key="runs.table",
        hide_index=True,
        width="stretch",
        on_select="rerun",
        selection_mode="multi-row",
        placeholder="–",
        column_config=_columns(),
    )
    first = (page - 1) * PAGE_SIZE + 1
    st.caption(f"{first:,}–{first + len(runs) - 1:,} of {total:,}")
    if total > PAGE_SIZE:
        st.pagination(-(-total // PAGE_SIZE), key="page", bind="query-params")
    _actions([runs[row] for row in event.selection.rows if row < len(runs)])


def _show_empty(where: RunFilter) -> None:
    if where == RunFilter():
        st.info("No runs yet. Test a model, or run one of the examples on the overview.")
        st.page_link("views/test_model.py", label="Test a model", icon=":material/science:")
        st.page_link("views/overview.py", label="Examples", icon=":material/home:")
    else:
        st.info("No run matches these filters. Clear them to see all runs.")


def _actions(chosen: list[RunRecord]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Open", key="runs.open", disabled=len(chosen) != 1, icon=":material/open_in_full:"
        ):
            st.switch_page("views/run.py", query_params={"run": chosen[0].id})
        compare = st.button(
            "Compare",
            key="runs.compare",
            disabled=not 2 <= len(chosen) <= 6,
            icon=":material/compare_arrows:",
        )
        if compare:
            ids = ",".join(run.id for run in reversed(chosen))
            st.switch_page("views/compare.py", query_params={"runs": ids})
        if st.button("Delete", key="runs.delete", disabled=not chosen, icon=":material/delete:"):
            _confirm_delete(chosen)
        st.caption("Tick one run to open it, two to six to compare them.")


@st.dialog("Delete runs?")
def _confirm_delete(runs: list[RunRecord]) -> None:
    final = [run for run in runs if run.status.is_final]
    st.markdown(f"{count(len(final), 'finished run')} will be gone, reports and all.")
    if len(final) < len(runs):
        st.caption("Those that still go on are left alone; cancel them first.")
    if st.button("Delete", type="primary", key="runs.delete.yes", disabled=not final):
        for run in final:
            open_store().delete_run(run.id, actor=actor())
        st.rerun()


def _table(runs: list[RunRecord]) -> pd.DataFrame:
    return pd.DataFrame([_row(run) for run in runs])


def _row(run: RunRecord) -> dict[str, Any]:
    state = run.verdict.value if run.verdict else run.status.value
    seen = look(state)
    progress = "" if run.status.is_final else f" {run.fraction:.0%}"
    return {
        "verdict": f"{seen.symbol} {seen.word}{progress}",
        "gate": look(run.gate_verdict.value).symbol if run.gate_verdict else "",
        "model": run.model_name,
        "estimator": run.estimator or "",
        "task": run.task or "",
        "metric": title(run.metric_name) if run.metric_name else "",
        "value": run.metric_value,
        "p50": run.p50_ms,
        "started": run.created_at.astimezone(browser_zone()),
        "seconds": run.seconds,
        "source": run.source,
        "note": run.error or run.verdict_summary or "",
    }


def _columns() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "verdict": st.column_config.TextColumn("Verdict"),
        "gate": st.column_config.TextColumn("Gate", help="What the run's policy said"),
        "model": st.column_config.TextColumn("Model"),
        "estimator": st.column_config.TextColumn("Estimator"),
        "task": st.column_config.TextColumn("Task"),
        "metric": st.column_config.TextColumn("Main metric"),
        "value": number("Value", format="%.4g"),
        "p50": number("p50, ms", format="%.3g", help="Median latency of one prediction"),
        "started": st.column_config.DatetimeColumn("Started", format="YYYY-MM-DD HH:mm"),
        "seconds": number("Took, s", format="%.1f"),
        "source": st.column_config.TextColumn("From"),
        "note": st.column_config.TextColumn("Why", width="large"),
    }


def _show_trend(where: RunFilter) -> None:
    if where.model_name is None:
        st.caption("Choose one model above to see its numbers over time.")
        return
    points = open_store().metric_history(model_name=where.model_name)
    names = sorted({point.metric for point in points})
    if len({point.run_id for point in points}) < 2:
        st.caption("A trend appears when this model has been tested twice.")
        return
    st.subheader(f"{escape_markdown(where.model_name)} over time")
    metric = st.selectbox(
        "Number",
        names,
        format_func=title,
        key="runs.metric",
        width=280,
    )
    of_metric = [point for point in points if point.metric == metric]
    chosen = [_trend_point(point) for point in of_metric[-TREND_RUNS:]]
    limits = limits_of(policy, metric) if (policy := _newest_policy(where)) else {}
    show_chart(history_trend(chosen, metric, theme(), thresholds=limits), "runs.trend")
    if len(of_metric) > TREND_RUNS:
        st.caption(f"The newest {TREND_RUNS} runs are shown.")
    if limits:
        st.caption("The lines are the limits of the newest policy this model was tested under.")


def _newest_policy(where: RunFilter) -> Policy | None:
    runs, _ = open_store().list_runs(RunFilter(model_name=where.model_name))
    return next((run.request.gate for run in runs if run.request.gate), None)


def _trend_point(point: MetricPoint) -> TrendPoint:
    return TrendPoint(
        when=point.created_at,
        value=Estimate(value=point.value, low=point.low, high=point.high),
        label=point.run_id[-6:],
        verdict=point.verdict.value if point.verdict else "skip",
    )


show()
