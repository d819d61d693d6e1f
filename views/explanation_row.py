"""One explained row: found by what makes it telling, its waterfall, its reasons, and what if."""

from __future__ import annotations

import streamlit as st

from base_types import Cell
from explanation_reading import (
    answer_words,
    cell_words,
    row_orderings,
    row_sentences,
    rows_by_value,
)
from figures_explain import waterfall
from formatting import escape_markdown, shorten
from report_types import ExplanationSection, OutputExplanation, TestReport
from views.common import beside, show_chart, theme
from views.explanation_words import show_row_words
from views.what_if import show_what_if

BY_VALUE = "Value of a column"


@st.fragment
def show_row(report: TestReport, output: OutputExplanation) -> None:
    """Show one row and, where asked for, what would change its answer."""
    section = report.explanations
    index = _choose_row(section, output)
    output = _output_of_row(section, output, index)
    with beside():
        show_chart(waterfall(section, output, index, theme()), "explain.waterfall")
        with st.container():
            show_reasons(section, output, index)
            _show_cells(section, output, index)
    show_what_if(report, output, index)


def _output_of_row(
    section: ExplanationSection, output: OutputExplanation, index: int
) -> OutputExplanation:
    """Return the output to explain the row by: of several, the class that the model says."""
    names = [each.output for each in section.outputs]
    if len(names) < 2:
        return output
    said = str(section.answers[index]) if section.answers else output.output
    name = st.segmented_control(
        "Why or why not",
        names,
        default=said if said in names else output.output,
        key=f"explain.row.output.{index}",
        required=True,
    )
    return section.outputs[names.index(name or names[0])]


def _choose_row(section: ExplanationSection, output: OutputExplanation) -> int:
    orderings = row_orderings(section, output)
    left, middle, right = st.columns(3)
    how = left.selectbox("Find a row", [*orderings, BY_VALUE, "Number"], key="explain.order")
    if how == BY_VALUE:
        names = [item.feature for item in output.importance if item.feature in section.columns]
        column = middle.selectbox("Column, largest first", names, key="explain.order.column")
        rows = rows_by_value(section, column)
    else:
        rows, column = orderings.get(how, list(range(len(section.rows)))), ""
    box = right if how == BY_VALUE else middle
    index: int = box.selectbox(
        "Row",
        rows,
        format_func=lambda row: _row_label(section, output, row, column),
        key=f"explain.row.{how}.{column}.{output.output}.{section.space}",
    )
    return index


def _row_label(
    section: ExplanationSection, output: OutputExplanation, row: int, column: str
) -> str:
    label = f"row {section.row_numbers[row]}: "
    if column:
        return f"{label}{section.rows[row].get(column)}"
    true = section.actual[row] if section.actual else None
    answer = answer_words(section, output, output.predictions[row])
    if section.classes:
        said = section.answers[row]
        label += f"{said}, " if true in (None, said) else f"{said} (true {true}), "
    elif true is not None and output.output == section.space == "prediction":
        answer += f" (true {cell_words(true)})"
    return f"{label}{answer}"


def show_reasons(section: ExplanationSection, output: OutputExplanation, index: int) -> None:
    """Say in words what the answer is, and what the largest contributions are."""
    st.markdown(_answer_sentence(section, output, index))
    for value, name, cell in row_sentences(section, output, index):
        st.markdown(
            f"- **{escape_markdown(value)}** because {escape_markdown(name)} is "
            f"*{escape_markdown(shorten(cell, 60))}*"
        )
    show_row_words(section, output, index)


def _answer_sentence(section: ExplanationSection, output: OutputExplanation, index: int) -> str:
    said = ""
    if section.answers:
        said = f"The model says **{escape_markdown(cell_words(section.answers[index]))}**"
        if section.actual and section.actual[index] is not None:
            said += f"; true is **{escape_markdown(cell_words(section.actual[index]))}**"
        said += ". "
    answer = escape_markdown(answer_words(section, output, output.predictions[index]))
    base = escape_markdown(answer_words(section, output, output.base_value))
    if said and output.output == section.space == "prediction":  # the answer itself is explained
        return f"{said}An ordinary row has {base}."
    of = "" if output.output == section.space else f" of {escape_markdown(output.output)}"
    return f"{said}The {section.space}{of} is **{answer}**; an ordinary row has {base}."


def _show_cells(section: ExplanationSection, output: OutputExplanation, index: int) -> None:
    with st.expander("All values of this row"):
        cells = section.rows[index]
        contributions = dict(zip(section.columns, output.values[index], strict=True))
        table: list[dict[str, Cell]] = [
            {
                "Column": name,
                "Value": "missing" if cells.get(name) is None else str(cells[name]),
                "Contribution": contributions[name],
            }
            for name in sorted(contributions, key=lambda name: -abs(contributions[name]))
        ]
        st.dataframe(
            table,
            key="explain.cells",
            hide_index=True,
            column_config={"Contribution": st.column_config.NumberColumn(format="%+.4g")},
        )
