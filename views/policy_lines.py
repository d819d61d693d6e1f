"""From a finding of a run to a line of the policy, with one click; the page Gate shows the policy.

Owns: the text of the policy that this browser session is working on.
"""

from __future__ import annotations

import streamlit as st

from comparison import Number
from errors import PolicyError
from formatting import escape_markdown, with_unit
from glossary import title
from model_types import Task
from policy import suggest_rule
from policy_defaults import default_policy
from policy_edit import add_rule
from policy_numbers import gate_numbers
from report_types import TestReport

KEPT = "gate.kept"
"""Where the text lives: a widget's own state ends with its page."""

EDITOR = "gate.text"
"""Key of the editor on the page Gate; its dot becomes a dash in styles."""

SECTIONS = {
    "Performance": ("Performance", "Model"),
    "Quality": ("Quality",),
    "Behaviour": ("Behaviour",),
    "Drift": ("Drift",),
    "Explanations": ("Explanations",),
    "Data": ("Data",),
}
"""Which numbers of a report belong to a section of the run page."""


def policy_text(task: Task) -> str:
    """Return the session's policy; the default of the task to begin with."""
    return str(st.session_state.get(KEPT) or default_policy(task))


def keep_policy(text: str) -> None:
    """Remember the policy beyond the page that edits it."""
    st.session_state[KEPT] = text


def offer_rule(rule: str, report: TestReport, key: str) -> None:
    """Show a small button that adds a rule to the policy."""
    st.button(
        "Add to policy",
        key=f"policy.{key}",
        icon=":material/playlist_add:",
        type="tertiary",
        help=f"Adds this to the policy on the page Gate:\n```yaml\n{rule}\n```",
        on_click=_add,
        args=(rule, report),
    )


def offer_numbers(report: TestReport, section: str) -> None:
    """Offer every number of a section of the run page as a limit."""
    wanted = SECTIONS.get(section, ())
    numbers = {
        name: number for name, number in gate_numbers(report).items() if number.section in wanted
    }
    if not numbers:
        return
    with st.popover("Add to policy", icon=":material/playlist_add:"):
        chosen = st.selectbox(
            "Number",
            list(numbers),
            format_func=lambda name: f"{title(name)} ({name})",
            key=f"policy.number.{section}",
        )
        _offer_number(numbers[chosen or next(iter(numbers))], report, section)


def _offer_number(number: Number, report: TestReport, section: str) -> None:
    rule = suggest_rule(number.name, number)
    st.caption(
        f"Here {with_unit(number.estimate.value, number.unit)}; the line holds it where it is, "
        "change it as you like."
    )
    st.code(rule, language="yaml")
    offer_rule(rule, report, f"add.{section}")


def _add(rule: str, report: TestReport) -> None:
    """Add a rule; callbacks run before the page, so that it shows the result."""
    info = report.model.info
    text = policy_text(info.task if info else Task.BINARY)
    try:
        longer = add_rule(text, rule)
    except PolicyError as error:
        st.toast(f"The policy on the page Gate cannot be read: {escape_markdown(error)}")
        return
    keep_policy(longer)
    st.session_state[EDITOR] = longer
    subject = escape_markdown(rule.splitlines()[0].strip(" -"))
    st.toast(
        f"{subject} was in the policy already." if longer == text else f"Added {subject}.",
        icon=":material/playlist_add_check:",
    )


def show_policy_link() -> None:
    """Lead to the policy once something was added to it."""
    if st.session_state.get(KEPT):
        st.page_link("views/gate.py", label="Your policy", icon=":material/rule:")
