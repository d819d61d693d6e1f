"""Overview: what this is, one click to begin, and the latest runs."""

from __future__ import annotations

import streamlit as st

import examples
from formatting import escape_markdown, number, percent
from glossary import title
from report_types import RunStatus
from run_types import RunRecord
from views.common import badge, keep_runner_alive, open_store, settings, when
from views.start import start_example

RECENT = 6


def show() -> None:
    """Lay out the page."""
    keep_runner_alive()
    st.title("Is this model any good?")
    st.caption(
        "Drop in a model file and learn what it is, how fast and how right it is, how it behaves "
        "on odd input, how it breaks when the data drifts, and why it answers as it does."
    )
    with st.container(horizontal=True):
        if st.button("Test a model", type="primary", icon=":material/science:", key="over.test"):
            st.switch_page("views/test_model.py")
        if st.button("All runs", icon=":material/history:", key="over.runs"):
            st.switch_page("views/runs.py")
    _show_examples()
    _show_recent()


def _show_examples() -> None:
    st.subheader("Try an example")
    st.caption(
        "Trained on this machine, with data that scikit-learn ships or that is made up. "
        "One click runs the whole test."
    )
    ready = examples.is_ready(settings().data_dir)
    if not ready:
        st.info("The examples are being trained; that takes some seconds the first time.")
    with st.grid(3, min_column_width=230):
        for example in examples.EXAMPLES:
            with st.container(border=True, height="stretch", vertical_alignment="distribute"):
                _show_example(example)


def _show_example(example: examples.Example) -> None:
    with st.container(gap="xsmall"):
        st.markdown(f"**{example.title}**  \n{example.description}")
        st.caption(example.lesson)
    if st.button("Run this", key=f"over.run.{example.id}", icon=":material/play_arrow:"):
        start_example(example)


@st.fragment(run_every="2s")
def _show_recent() -> None:
    st.subheader("Latest runs")
    runs, total = open_store().list_runs(limit=RECENT)
    if not runs:
        st.info("No runs yet. Run an example above, or test a model of your own.")
        return
    for run in runs:
        _show_run(run)
    if total > RECENT:
        st.caption(f"{RECENT} of {total:,} runs shown.")


def _show_run(run: RunRecord) -> None:
    done = run.verdict is not None and run.status is RunStatus.DONE
    state = run.verdict.value if done and run.verdict else run.status.value
    with st.container(border=True):
        mark, text, time, action = st.columns([1.3, 4.3, 2.3, 1.5], vertical_alignment="center")
        mark.markdown(badge(state))
        text.markdown(f"**{escape_markdown(run.model_name)}**  \n{_describe(run)}")
        time.caption(f"{when(run.created_at)} · {run.source}")
        if action.button("Open", key=f"over.open.{run.id}"):
            st.switch_page("views/run.py", query_params={"run": run.id})


def _describe(run: RunRecord) -> str:
    if not run.status.is_final:
        return f"{run.stage.value if run.stage else 'waiting'} · {percent(run.fraction)}"
    if run.error:
        return escape_markdown(run.error)
    parts = [escape_markdown(run.estimator or ""), run.task or ""]
    if run.metric_name and run.metric_value is not None:
        parts.append(f"{title(run.metric_name)} {number(run.metric_value)}")
    if run.p50_ms is not None:
        parts.append(f"{number(run.p50_ms)} ms per row")
    return " · ".join(part for part in parts if part)


show()
