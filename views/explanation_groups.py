"""Two groups of explained rows against each other: which contributions make the difference."""

from __future__ import annotations

import streamlit as st

from base_types import Cell
from explanation_reading import answer_words, group_means
from figures_opinion import group_bars
from formatting import count, escape_markdown, number
from report_types import ExplanationSection, OutputExplanation
from views.common import show_chart, theme

Group = tuple[str, list[int]]


@st.fragment
def show_groups(section: ExplanationSection, output: OutputExplanation) -> None:
    """Choose a column and two of its values, or a limit, and compare both groups of rows."""
    names = [item.feature for item in output.importance if item.feature in section.columns]
    left, right = st.columns(2)
    column = left.selectbox("Divided by", names, key="explain.groups.column")
    cells = [row.get(column) for row in section.rows]
    with right:
        groups = _by_label(column, cells) if _is_text(cells) else _by_limit(column, cells)
    groups = [group for group in groups if group[1]]
    if len(groups) < 2:
        st.info("One of the groups has no rows; choose another column, value or limit.")
        return
    means = [group_means(section, output, name, rows) for name, rows in groups]
    told = " and ".join(
        f"{escape_markdown(column)} {escape_markdown(group.name)} ({count(group.n_rows, 'row')}) "
        f"**{escape_markdown(answer_words(section, output, group.answer))}**"
        for group in means
    )
    st.markdown(f"Mean {section.space} of {escape_markdown(output.output)}: {told}.")
    show_chart(group_bars(means, section.space, theme()), "explain.groups.chart")


def _is_text(cells: list[Cell]) -> bool:
    return any(isinstance(cell, str | bool) for cell in cells)


def _by_label(column: str, cells: list[Cell]) -> list[Group]:
    labels = sorted({str(cell) for cell in cells if cell is not None})
    if len(labels) < 2:
        return []
    first, second = st.columns(2)
    chosen = [
        first.selectbox("First group", labels, key=f"explain.groups.first.{column}"),
        second.selectbox("Second group", labels, index=1, key=f"explain.groups.second.{column}"),
    ]
    return [
        (f"is {label}", [at for at, cell in enumerate(cells) if str(cell) == label])
        for label in dict.fromkeys(chosen)
    ]


def _by_limit(column: str, cells: list[Cell]) -> list[Group]:
    numbers = {at: float(cell) for at, cell in enumerate(cells) if cell is not None}
    values = sorted(set(numbers.values()))
    if len(values) < 2:
        return []
    limit = st.select_slider(
        "Limit",
        values[:-1],
        value=values[(len(values) - 1) // 2],
        format_func=number,
        key=f"explain.groups.limit.{column}",
    )
    return [
        (f"≤ {number(limit)}", [at for at, value in numbers.items() if value <= limit]),
        (f"> {number(limit)}", [at for at, value in numbers.items() if value > limit]),
    ]
