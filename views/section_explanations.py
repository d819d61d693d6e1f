"""Explanations: which columns decide, in which direction, and why for a single row."""

from __future__ import annotations

import streamlit as st

from figures_explain import beeswarm, dependence, importance_bars, waterfall
from formatting import duration, escape_markdown, number, percent, signed
from glossary import explain
from report_types import Cell, ExplanationSection, OutputExplanation, TestReport
from views.common import section_missing, show_chart, show_notes, show_table, theme

METHODS = {
    "linear": "exact, from the model's coefficients",
    "tree": "exact, from the model's trees",
    "enumerated": "exact, by asking the model about every combination of columns",
    "sampled": "estimated, by asking the model about many combinations of columns",
}


def show(report: TestReport) -> None:
    """Lay out the section."""
    section = report.explanations
    if section_missing(section, "Explanations") or not section.outputs:
        return
    _show_method(section)
    output = _choose_output(section)
    left, right = st.columns(2)
    with left:
        show_chart(importance_bars(section, output, theme()), "explain.bars")
    with right:
        show_chart(beeswarm(section, output, theme()), "explain.swarm")
    _show_table(output)
    _show_dependence(section, output)
    _show_row(section, output)
    show_notes(section.notes)


def _show_method(section: ExplanationSection) -> None:
    precision = "" if section.exact else f", off by about {percent(section.relative_error)}"
    gap = section.additivity_gap
    st.caption(
        f"Shapley values: {METHODS.get(section.method or '', 'method not known')}{precision}. "
        f"They explain the {section.space} against {section.background_rows} ordinary rows, "
        f"took {section.n_model_calls:,} predictions and {duration(section.seconds_used)}; "
        f"base value and contributions add up to the answer within {number(gap)} of its range.",
        help=explain("shapley") or None,
    )


def _choose_output(section: ExplanationSection) -> OutputExplanation:
    names = [output.output for output in section.outputs]
    if len(names) == 1:
        st.markdown(f"Explained: **{escape_markdown(names[0])}**")
        return section.outputs[0]
    name = st.segmented_control(
        "Explained output", names, default=names[0], key="explain.output", required=True
    )
    return section.outputs[names.index(name or names[0])]


def _show_table(output: OutputExplanation) -> None:
    with st.expander("Importance as a table"):
        rows: list[dict[str, Cell]] = [
            {
                "Rank": item.rank,
                "Column": item.feature,
                "Importance": number(item.importance),
                "± standard error": "exact" if item.error is None else number(item.error),
                "Share": percent(item.share),
                "Direction": number(item.direction),
                "Remark": _remark(item.clear, item.tied_with_next),
            }
            for item in output.importance
        ]
        show_table(rows, "explain.table")


def _remark(clear: bool, tied: bool) -> str:
    if not clear:
        return "not distinguishable from 0"
    return "order with the next one is not certain" if tied else ""


def _show_dependence(section: ExplanationSection, output: OutputExplanation) -> None:
    st.subheader("One column")
    names = [item.feature for item in output.importance]
    name = st.selectbox("Column", names, key="explain.column", width=360)
    show_chart(dependence(section, output, name, theme()), "explain.dependence")


def _show_row(section: ExplanationSection, output: OutputExplanation) -> None:
    st.subheader("One row")
    order = _orderings(output)
    left, right = st.columns(2)
    how = left.selectbox("Order rows by", list(order), key="explain.order")
    rows = order[how]
    index = right.selectbox(
        "Row",
        rows,
        format_func=lambda row: (
            f"row {section.row_numbers[row]}, {section.space} {number(output.predictions[row])}"
        ),
        key=f"explain.row.{how}.{output.output}",
    )
    show_chart(waterfall(section, output, index, theme()), "explain.waterfall")
    for sentence in _sentences(section, output, index):
        st.markdown(sentence)


def _orderings(output: OutputExplanation) -> dict[str, list[int]]:
    """Return row positions by what makes them worth a look."""
    rows = range(len(output.predictions))
    value = output.predictions
    return {
        "Highest answer": sorted(rows, key=lambda row: -value[row]),
        "Lowest answer": sorted(rows, key=lambda row: value[row]),
        "Nearest the base value": sorted(rows, key=lambda row: abs(value[row] - output.base_value)),
        "Position": list(rows),
    }


def _sentences(section: ExplanationSection, output: OutputExplanation, index: int) -> list[str]:
    """Say the three largest contributions in words."""
    parts = list(zip(section.columns, output.values[index], strict=True))
    largest = sorted(parts, key=lambda part: -abs(part[1]))[:3]
    cells = section.rows[index]
    return [
        f"- **{escape_markdown(signed(value))}** because {escape_markdown(name)} is "
        f"*{escape_markdown('missing' if cells.get(name) is None else cells[name])}*"
        for name, value in largest
        if value
    ]
