"""Compare: two to six runs side by side, the first of them the baseline."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from comparison import Change, ComparedNumber, Comparison, compare_reports
from errors import MonitorError
from figures_history import run_comparison
from figures_opinion import run_bars
from formatting import escape_markdown, estimate
from glossary import title
from report_types import RunStatus, TestReport
from run_types import RunRecord
from views.common import (
    open_store,
    show_chart,
    show_notes,
    show_tile,
    theme,
    tiles,
    when,
    with_asked,
)
from views.compare_rows import show_real_differences

MOST_RUNS = 6
SYMBOLS = {
    Change.BETTER: "▲ better",
    Change.WORSE: "▼ worse",
    Change.SAME: "",
    Change.DIFFERENT: "◆ different",
    Change.UNKNOWN: "",
}


def show() -> None:
    """Lay out the page."""
    st.title("Compare runs")
    records = _choose_runs()
    if len(records) < 2:
        st.info("Choose two or more finished runs; the first is the baseline.")
        return
    try:
        loaded = [open_store().get_report(record.id) for record in records]
    except MonitorError as error:
        st.error(escape_markdown(error), icon=":material/cancel:")
        return
    _show(compare_reports(loaded), records)
    _show_importance(loaded, records)
    show_real_differences(loaded, [_short(record) for record in records])


def _choose_runs() -> list[RunRecord]:
    runs, _total = open_store().list_runs(limit=200)
    named = [name for name in st.query_params.get("runs", "").split(",") if name][:MOST_RUNS]
    runs = with_asked(runs, named)
    finished = {run.id: run for run in runs if run.status is RunStatus.DONE}
    asked = [name for name in named if name in finished]
    if not asked:
        asked = list(finished)[:2][::-1]
    chosen = st.multiselect(
        "Runs",
        list(finished),
        default=asked[:MOST_RUNS],
        max_selections=MOST_RUNS,
        format_func=lambda run_id: _label(finished[run_id]),
        key=f"compare.runs.{','.join(asked)}",
    )
    st.query_params["runs"] = ",".join(chosen)
    return [finished[run_id] for run_id in chosen]


def _label(run: RunRecord) -> str:
    return f"{run.model_name} · {when(run.created_at)} · {run.id[-6:]}"


def _show(result: Comparison, records: list[RunRecord]) -> None:
    show_notes(result.notes)
    better = [number for number in result.numbers if Change.BETTER in number.changes]
    worse = [number for number in result.numbers if Change.WORSE in number.changes]
    same = len(_shared(result)) - len({number.name for number in better + worse})
    with tiles():
        show_tile("Got better", str(len(better)), None, _names(better))
        show_tile("Got worse", str(len(worse)), None, _names(worse))
        show_tile("No clear change", str(same), None, "Numbers that only one run has are left out.")
    only = st.toggle("Only what differs", value=len(records) > 2, key="compare.only")
    rows = [number for number in result.numbers if number.differs or not only]
    if rows:
        st.dataframe(_table(rows, records), key="compare.table", hide_index=True, width="stretch")
    else:
        st.info("Nothing differs clearly.")
    st.caption(
        "With intervals: they must not overlap to count as a change. Without: more than 5 %, "
        "shares 5 points, timings 50 %."
    )
    _show_chart(result, records)
    _show_settings(result, records)


def _shared(result: Comparison) -> list[ComparedNumber]:
    """Return the numbers that can be compared with the baseline's."""
    return [
        number
        for number in result.numbers
        if any(change is not Change.UNKNOWN for change in number.changes[1:])
    ]


def _show_chart(result: Comparison, records: list[RunRecord]) -> None:
    by_name = {number.name: number for number in _shared(result) or result.numbers}
    name = st.selectbox(
        "Picture of",
        list(by_name),
        format_func=title,
        key="compare.number",
        width=360,
    )
    number = by_name[name]
    values = {
        _short(record): value for record, value in zip(records, number.estimates, strict=True)
    }
    show_chart(run_comparison(values, name, theme(), unit=number.unit), "compare.chart")


def _show_importance(loaded: list[TestReport], records: list[RunRecord]) -> None:
    """Show which columns each model listens to."""
    runs = [(_short(run), report.explanations) for run, report in zip(records, loaded, strict=True)]
    chart = run_bars(runs, theme())
    if chart is None:
        return
    st.subheader("What the models listen to")
    show_chart(chart, "compare.importance")
    spaces = sorted({section.space for _, section in runs if section.outputs})
    if len(spaces) > 1:
        st.caption(
            f"The runs explain different numbers ({', '.join(spaces)}): compare the order of the "
            "columns rather than their shares."
        )


def _names(numbers: list[ComparedNumber]) -> str:
    return ", ".join(title(number.name) for number in numbers) or "nothing"


def _short(run: RunRecord) -> str:
    return f"{run.model_name} {run.id[-4:]}"


def _table(rows: list[ComparedNumber], records: list[RunRecord]) -> pd.DataFrame:
    table: list[dict[str, Any]] = []
    for number in rows:
        line = {"Section": number.section, "Number": title(number.name)}
        for position, record in enumerate(records):
            value = estimate(number.estimates[position], number.unit)
            change = SYMBOLS[number.changes[position]]
            heading = f"{'Baseline: ' if position == 0 else ''}{_short(record)}"
            line[heading] = f"{value}  {change}".strip()
        table.append(line)
    return pd.DataFrame(table)


def _show_settings(result: Comparison, records: list[RunRecord]) -> None:
    st.subheader("How the runs differ")
    if not result.settings:
        st.caption("Same model, data, settings and versions.")
        return
    table = [
        {
            "Setting": name,
            **{_short(run): value for run, value in zip(records, values, strict=True)},
        }
        for name, values in result.settings.items()
    ]
    st.dataframe(table, key="compare.settings", hide_index=True, width="stretch")


show()
