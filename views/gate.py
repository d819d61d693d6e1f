"""Gate: edit a policy and see at once what it makes of a run and of the last fifty."""

from __future__ import annotations

from typing import Any

import streamlit as st

from errors import MonitorError, PolicyError
from formatting import count, escape_markdown, look, with_unit
from gate_stage import find_baseline
from glossary import title
from model_types import Task
from policy import apply_policy, read_policy, replay, suggest_rule
from policy_defaults import default_policy
from policy_numbers import gate_numbers
from policy_types import Policy
from report_types import GateResult, RunStatus, TestReport
from run_types import RunFilter, RunRecord
from views.common import badge, mark, open_store, settings, show_notes, when, with_asked
from views.policy_lines import EDITOR, keep_policy, policy_text

MOST_RUNS = 50
EDITOR_STYLE = """
<style>
  .st-key-gate-text textarea {font-family: monospace; font-size: .8rem; line-height: 1.45;
    white-space: pre; overflow-x: auto;}
</style>
"""


def show() -> None:
    """Lay out the page."""
    st.title("Gate")
    st.caption(
        "A policy says what a run must keep before a model may go on. Edit it here, see at once "
        "what it would have said, then keep the file beside your code: the client and the API "
        "apply it to every run."
    )
    runs = _finished_runs()
    if not runs:
        st.info("There is no finished run to try a policy on. Test a model first.")
        st.page_link("views/test_model.py", label="Test a model", icon=":material/science:")
        return
    record = _choose_run(runs)
    report = _report(record.id)
    _show_tools(report)
    left, right = st.columns([6, 5], gap="medium")
    with left:
        policy = _edit(report)
    with right:
        if policy is not None:
            _show_effect(policy, record, report)
    if policy is not None:
        _show_history(policy, runs)
    _show_names(report)


def _finished_runs() -> list[RunRecord]:
    runs, _ = open_store().list_runs(RunFilter(status=RunStatus.DONE), limit=MOST_RUNS)
    return runs


@st.cache_resource(max_entries=2 * MOST_RUNS, show_spinner=False)
def _report(run_id: str) -> TestReport:
    return open_store().get_report(run_id)


def _choose_run(runs: list[RunRecord]) -> RunRecord:
    asked = st.query_params.get("run", "")
    runs = [run for run in with_asked(runs, [asked] * bool(asked)) if run.status is RunStatus.DONE]
    by_id = {run.id: run for run in runs}
    ids = list(by_id)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Try it on",
            ids,
            index=ids.index(asked) if asked in by_id else 0,
            format_func=lambda run_id: _label(by_id[run_id]),
            key="gate.run",
            width=460,
        )
        st.text_input(
            "Baseline",
            key="gate.baseline",
            placeholder="branch:main, a run id, or empty",
            help="What rules about a change compare with: the last run with that label that did "
            "not fail, or one run. For the model in production give its run a label and name it "
            "here, such as label:env=production; there is no registry of models yet.",
            width=300,
        )
    st.query_params["run"] = chosen
    return by_id[chosen]


def _label(run: RunRecord) -> str:
    return f"{run.model_name} · {when(run.created_at)} · {run.id[-6:]}"


def _show_tools(report: TestReport) -> None:
    task = report.model.info.task if report.model.info else Task.BINARY
    if EDITOR not in st.session_state:
        st.session_state[EDITOR] = policy_text(task)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.selectbox(
            "Begin with the default for",
            list(Task),
            index=list(Task).index(task),
            format_func=lambda item: item.value,
            key="gate.task",
            width=260,
        )
        st.button(
            "Use it",
            key="gate.use",
            icon=":material/restart_alt:",
            on_click=_use,
            args=(default_policy(wanted or task),),
        )
        _offer_file()


def _offer_file() -> None:
    """Offer the policy as a file.

    The button is drawn only once the page knows that somebody wants it: opening the menu leaves
    the editor, so what was typed there has arrived by then. A button that is there already would
    hold the text from before.
    """
    menu = st.popover("Download", icon=":material/download:", on_change="rerun", key="gate.save")
    if menu.open:
        menu.download_button(
            "gate.yaml",
            data=st.session_state[EDITOR],
            file_name="gate.yaml",
            mime="application/yaml",
            key="gate.download",
            on_click="ignore",
        )


def _use(text: str) -> None:
    st.session_state[EDITOR] = text


def _edit(report: TestReport) -> Policy | None:
    """Show the editor; return the policy, or None where it is wrong and the page says so."""
    st.html(EDITOR_STYLE)
    text = st.text_area(
        "Policy (YAML or JSON)", key=EDITOR, height=560, help="Ctrl+Enter applies your changes."
    )
    st.caption(f"An editor completes and checks it with this first line: `{_editor_line()}`")
    keep_policy(text)
    try:
        return read_policy(text)
    except PolicyError as error:
        lines = text.splitlines()
        for line, key, what in error.problems:
            source = lines[line - 1].strip() if line <= len(lines) else ""
            st.error(
                f"{escape_markdown(what)}  \n{escape_markdown(source)}",
                title=f"Line {line}{f', {escape_markdown(key)}' if key else ''}",
                icon=":material/cancel:",
            )
        return None


def _editor_line() -> str:
    return f"# yaml-language-server: $schema={settings().api_url}/policy/schema"


def _show_effect(policy: Policy, record: RunRecord, report: TestReport) -> None:
    asked = (st.session_state.get("gate.baseline") or "").strip() or None
    baseline = find_baseline(open_store(), asked, record.model_name)
    result = apply_policy(policy, report, baseline)
    st.markdown(f"#### {badge(result.verdict.value)} {escape_markdown(result.summary)}")
    show_notes(result.notes)
    for check in result.checks:
        st.markdown(
            f"{mark(check.verdict.value)} **{escape_markdown(check.title)}**  \n"
            f":small[{escape_markdown(check.reason)}]"
        )


def _show_history(policy: Policy, runs: list[RunRecord]) -> None:
    st.subheader(f"What it would have said of the last {count(len(runs), 'run')}")
    oldest_first = runs[::-1]
    try:
        reports = [_report(run.id) for run in oldest_first]
    except MonitorError as error:
        st.warning(escape_markdown(error), icon=":material/warning:")
        return
    results = replay(
        policy, [(run.model_name, rep) for run, rep in zip(oldest_first, reports, strict=True)]
    )
    st.caption(
        "Each run is compared with the one before it of the same model that this policy would "
        "have let through."
    )
    pairs = list(zip(oldest_first, results, strict=True))[::-1]
    st.markdown(_counts(results))
    st.dataframe(
        [_past(run, result) for run, result in pairs],
        key="gate.history",
        hide_index=True,
        width="stretch",
        column_config={"Why": st.column_config.TextColumn(width="large")},
    )


def _counts(results: list[GateResult]) -> str:
    words = [result.verdict.value for result in results]
    return " ".join(f"{badge(word)} {words.count(word)}" for word in dict.fromkeys(sorted(words)))


def _past(run: RunRecord, result: GateResult) -> dict[str, Any]:
    now, then = look(result.verdict.value), look(run.verdict.value if run.verdict else "skip")
    return {
        "This policy": f"{now.symbol} {now.word}",
        "The run said": f"{then.symbol} {then.word}",
        "Model": run.model_name,
        "Started": when(run.created_at),
        "Why": result.summary,
        "Run": run.id[-6:],
    }


def _show_names(report: TestReport) -> None:
    st.subheader("Every finding can become a line")
    numbers = gate_numbers(report)
    subjects = [*numbers, *(check.id for check in report.verdict.checks)]
    with st.container(horizontal=True, vertical_alignment="center"):
        chosen = st.selectbox(
            "Number or check of this run",
            subjects,
            format_func=lambda name: f"{title(name)} ({name})",
            key="gate.subject",
            width=420,
        )
        number = numbers.get(chosen)
        if number is not None:
            st.caption(f"Here {with_unit(number.estimate.value, number.unit)}")
    st.code(suggest_rule(chosen, number), language="yaml")


show()
