"""Explanations: which columns decide, in which direction, and what other methods say."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from base_types import Cell
from explanation_reading import ROUNDING, strongest_interaction
from figures_explain import beeswarm, dependence, importance_bars
from figures_opinion import effect_chart
from formatting import count, duration, escape_markdown, number, percent
from glossary import explain
from report_types import ExplanationSection, OutputExplanation, TestReport
from views.common import beside, section_missing, show_chart, show_notes, show_table, theme
from views.explanation_groups import show_groups
from views.explanation_opinion import show_opinion
from views.explanation_row import show_row
from views.explanation_space import choose_space
from views.explanation_words import show_words

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
    section = choose_space(report)
    _show_method(section)
    output = _choose_output(section)
    with beside():
        show_chart(importance_bars(section, output, theme()), "explain.bars")
        show_chart(beeswarm(section, output, theme()), "explain.swarm")
    _show_table(output)
    if section.opinion is not None and section.opinion.warnings:
        remarks = count(len(section.opinion.warnings), "remark")
        st.caption(
            f":material/balance: Other methods have {remarks}: see *A second opinion* below."
        )
    _show_parts(report.model_copy(update={"explanations": section}), output)
    show_notes(section.notes)


@st.fragment
def _show_parts(report: TestReport, output: OutputExplanation) -> None:
    """Show the part that was asked for, and draw no other: the page answers sooner."""
    section = report.explanations
    parts: dict[str, Callable[[], None]] = {
        "One row": lambda: show_row(report, output),
        "Words": lambda: show_words(section, output),
        "One column": lambda: _show_column(section, output),
        "Two groups of rows": lambda: show_groups(section, output),
        "A second opinion": lambda: show_opinion(section),
    }
    if not section.texts:
        del parts["Words"]
    if section.opinion is None:
        del parts["A second opinion"]
    tabs = st.tabs(list(parts), key="explain.part", on_change="rerun")
    for tab, show_part in zip(tabs, parts.values(), strict=True):
        if tab.open:
            with tab:
                show_part()


def _show_method(section: ExplanationSection) -> None:
    precision = "" if section.exact else f", off by about {percent(section.relative_error)}"
    gap = section.additivity_gap
    sum_up = "add up to the answer"
    if gap is None or gap > ROUNDING:
        sum_up += f" within {number(gap)} of its range"
    st.caption(
        f"Shapley values: {METHODS.get(section.method or '', 'method not known')}{precision}. "
        f"They explain the {section.space} of {count(len(section.rows), 'row')} against "
        f"{section.background_rows} ordinary rows, took {section.n_model_calls:,} predictions and "
        f"{duration(section.seconds_used)}; base value and contributions {sum_up}.",
        help=explain("shap_value") or None,
    )


def _choose_output(section: ExplanationSection) -> OutputExplanation:
    names = [output.output for output in section.outputs]
    if len(names) == 1:
        if names[0] != section.space:  # else the line above says it
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


@st.fragment
def _show_column(section: ExplanationSection, output: OutputExplanation) -> None:
    """Show one column's effect: per row, and on the mean answer where other methods looked."""
    names = [item.feature for item in output.importance if item.feature in section.columns]
    left, right = st.columns(2)
    name = left.selectbox("Column", names, key="explain.column")
    found = strongest_interaction(section, output, name)
    others = [other for other in section.columns if other != name]
    colour = right.selectbox(
        "Coloured by",
        [None, *others],
        index=0 if found is None else 1 + others.index(found),
        format_func=lambda other: "nothing" if other is None else str(other),
        key=f"explain.colour.{name}.{output.output}",
        help="Chosen at first: the column that best tells why equal values count differently.",
    )
    curves = section.opinion.curves if section.opinion else []
    curve = next((curve for curve in curves if curve.feature == name), None)
    chart = dependence(section, output, name, theme(), colour_by=colour)
    if curve is None or section.opinion is None:
        show_chart(chart, "explain.dependence")
        return
    with beside():
        show_chart(chart, "explain.dependence")
        with st.container():
            show_chart(effect_chart(curve, section.opinion.space, theme()), "explain.effect")
            st.caption(
                "The mean answer with every row set to the value, and by steps between near rows.",
                help=f"{explain('partial_dependence')} {explain('accumulated_local_effects')}",
            )
