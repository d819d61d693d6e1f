"""Whether groups of a column are treated alike: values per group, and the widest gap."""

from __future__ import annotations

import streamlit as st

from base_types import Cell
from formatting import escape_markdown, estimate, p_value
from glossary import title
from group_types import GroupComparison
from views.common import show_notes, show_table


def show_groups(found: GroupComparison) -> None:
    """Show one row per measure, and the groups beside each other."""
    st.subheader("Groups compared")
    why = " (taken because of its name)" if found.guessed else ""
    st.caption(
        f"Groups of **{escape_markdown(found.column)}**{why}; gaps are highest minus lowest, with "
        "intervals and p-values corrected for all pairs of groups."
    )
    rows: list[dict[str, Cell]] = [
        {
            "Measure": title(gap.measure),
            "Gap": estimate(gap.gap),
            "p, corrected": p_value(gap.p_value),
            "Lowest": gap.lowest,
            "Highest": gap.highest,
            **{value.group: estimate(value.estimate) for value in gap.groups},
        }
        for gap in found.gaps
    ]
    if rows:
        show_table(rows, "quality.groups")
    show_notes(found.notes)
