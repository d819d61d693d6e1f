"""What will become of a model file, and in which environment its model runs or ran.

Owns: ``show_diagnosis`` (the card under a fresh file), ``choose_environment`` and
``show_environment`` (what answered in a run, and the comparison of versions).
"""

from __future__ import annotations

import streamlit as st

from diagnosis_types import Diagnosis, EnvironmentChoice, Outlook
from errors import MonitorError
from formatting import duration, escape_markdown
from installed import installed_here
from model_diagnosis import diagnose
from report_facts import versions_sentence
from report_types import TestReport
from views.common import badge, open_store, settings, show_notes
from views.draft import Draft
from views.start import submit

CHOICES: dict[EnvironmentChoice, str] = {
    "auto": "Whatever works",
    "present": "The versions here",
    "matching": "Its own versions",
    "compare": "Both, compared",
}
HELP = (
    "Its own versions: an environment with the libraries that the file was made with, installed "
    "once from the package index and kept. Both, compared: the same rows under both, and how many "
    "predictions differ."
)


def show_diagnosis(draft: Draft) -> None:
    """Show what is known of the draft's file before it is loaded, and let the user choose."""
    if draft.file is None:
        return
    found = diagnose(draft.file, installed_here(settings()))
    with st.container(border=True):
        st.markdown(
            f"**Before loading** &nbsp; {badge(found.outlook.value)} &nbsp; "
            f"{escape_markdown(found.what)} {escape_markdown(found.plan)}"
        )
        if found.next_step:
            st.caption(f":material/arrow_forward: {escape_markdown(found.next_step)}")
        show_notes([*found.walls, *[each.sentence for each in found.missing]])
        if found.custom_classes:
            shown = ", ".join(f"`{escape_markdown(name)}`" for name in found.custom_classes)
            st.caption(f":material/code: Code of its author: {shown}")
        show_notes(found.hints)
        if _has_choice(found):
            choose_environment(draft, found)


def _has_choice(found: Diagnosis) -> bool:
    """Whether other versions than those here could make a difference."""
    return found.environment is not None and found.outlook is not Outlook.LOADS


def choose_environment(draft: Draft, found: Diagnosis) -> None:
    """Let the user say with which versions the model runs."""
    may_build = settings().environments
    chosen = st.segmented_control(
        "Library versions",
        list(CHOICES),
        default=draft.environment,
        format_func=lambda choice: CHOICES[choice],
        key=f"test.environment.{draft.model_sha256}",
        help=HELP,
        disabled=not may_build,
        required=True,
    )
    draft.environment = chosen or "auto"
    if not may_build:
        st.caption("Building environments is switched off here (MONITOR_ENVIRONMENTS).")
    elif found.environment is not None:
        st.caption(f"Its own versions: {escape_markdown(found.environment.title)}.")


def waiting_text(draft: Draft) -> str:
    """Return what is being done while the draft's model is loaded for the first time."""
    loading = "Loading the model in its own process and reading the columns …"
    if draft.file is None:
        return loading
    found = diagnose(draft.file, installed_here(settings()))
    builds = draft.environment in ("matching", "compare") or (
        draft.environment == "auto" and found.outlook is Outlook.BREAKS
    )
    if not (builds and found.environment and settings().environments):
        return loading
    return f"Preparing {found.environment.title}, once, and loading the model …"


def show_environment(report: TestReport) -> None:
    """Show which environment answered and how far the versions agree."""
    used, found = report.model.environment, report.model.diagnosis
    if used is None:
        return
    st.markdown(f":material/deployed_code: **Answered by** {escape_markdown(used.title)}")
    st.caption(escape_markdown(used.reason) + _prepared(used.prepared_seconds))
    versions = report.model.versions
    if versions is not None:
        st.markdown(escape_markdown(versions_sentence(versions)))
    elif found is not None and _has_choice(found) and settings().environments:
        pressed = st.button(
            "Run again and compare both versions",
            key="run.compare_versions",
            icon=":material/compare_arrows:",
            help="The same test with the versions the file was made with, and every row answered "
            "by the versions installed here as well.",
        )
        if pressed:
            _compare(report)


def _prepared(seconds: float | None) -> str:
    return "" if seconds is None else f" The environment was ready after {duration(seconds)}."


def _compare(report: TestReport) -> None:
    try:
        request = open_store().get_run(report.run_id).request
    except MonitorError as error:
        st.error(escape_markdown(error), icon=":material/cancel:")
        return
    submit(request.model_copy(update={"environment": "compare"}))
