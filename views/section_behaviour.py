"""Behaviour: what was sent, what came back, and what to think of it."""

from __future__ import annotations

import streamlit as st

from figures_performance import behaviour_summary, noise_robustness
from formatting import escape_markdown, percent
from policy_edit import case_rule
from report_types import BehaviourCase, BehaviourVerdict, TestReport
from views.common import badge, beside, section_missing, show_chart, show_notes, theme
from views.policy_lines import offer_rule

GROUPS = {
    "consistency": ("Consistency", "The same rows must give the same answers."),
    "values": ("Odd values", "Values the model may never have seen."),
    "structure": ("Misshapen tables", "Columns missing, added, reordered or of another type."),
    "robustness": ("Robustness", "Small changes should make small differences."),
}


def show(report: TestReport) -> None:
    """Lay out the section."""
    section = report.behaviour
    if section_missing(section, "Behaviour"):
        return
    with beside():
        show_chart(behaviour_summary(section, theme()), "behaviour.summary")
        show_chart(noise_robustness(section, theme()), "behaviour.noise")
    for group, (title, sentence) in GROUPS.items():
        cases = [case for case in section.cases if case.group == group]
        if cases:
            st.subheader(title)
            st.caption(sentence)
            for case in sorted(cases, key=_severity):
                _show_case(case, report)
    show_notes(section.notes)


def _severity(case: BehaviourCase) -> int:
    worst_first = (
        BehaviourVerdict.BROKEN,
        BehaviourVerdict.SILENT,
        BehaviourVerdict.CLEAR_ERROR,
        BehaviourVerdict.HANDLED,
        BehaviourVerdict.SKIPPED,
    )
    return worst_first.index(case.verdict)


def _show_case(case: BehaviourCase, report: TestReport) -> None:
    mark, what, why = st.columns([1.8, 4.7, 2.6])
    mark.markdown(badge(case.verdict.value))
    share = ""
    if case.affected_share and "%" not in case.came_back:
        share = f" ({percent(case.affected_share)} of rows changed)"
    sent = f": {escape_markdown(case.sent)}" if case.sent else ""
    what.markdown(
        f"**{escape_markdown(case.title)}**{sent}  \n{escape_markdown(case.came_back)}{share}"
    )
    why.caption(escape_markdown(case.why))
    if case.verdict is not BehaviourVerdict.SKIPPED:
        with why:
            offer_rule(case_rule(case.id), report, f"case.{case.id}")
