"""Compare data: two tables, or a run's rows and a table, column by column."""

from __future__ import annotations

import streamlit as st

from drift_tables import by_severity
from drift_types import DriftReport, DriftVerdict, FeatureDrift
from errors import MonitorError
from formatting import escape_markdown, look, percent
from glossary import explain
from report_types import RunStatus
from run_types import RunFilter, RunRecord
from views.common import (
    badge,
    open_store,
    section_missing,
    settings,
    show_notes,
    show_tile,
    tiles,
    when,
)
from views.compare_result import show_columns, show_downloads
from views.drift_parts import show_column, show_tests
from views.drift_request import LIMITS, Asked, asked, session, tell, use_example
from views.start import store_file

NO_RUN = ""


def show() -> None:
    """Lay out the page."""
    st.title("Compare data")
    st.caption(
        "Has the data changed? Every column against the reference, with a verdict that weighs "
        "chance and size."
    )
    wanted = asked()
    _choose_tables(wanted)
    if not wanted.is_complete:
        _show_empty(wanted)
        return
    _choose_options(wanted)
    _show_outcome(wanted)


# --- what to compare ---------------------------------------------------------------------------


def _choose_tables(wanted: Asked) -> None:
    runs = _finished_runs()
    left, right = st.columns(2)
    with left:
        st.subheader("Reference: as it should be")
        _table_place("reference", wanted.reference)
        if runs and not wanted.reference:
            _choose_run(
                "… or the tested rows of a run", "reference_run", wanted.reference_run, runs
            )
    with right:
        st.subheader("Current: in question")
        _table_place("current", wanted.current)


def _table_place(side: str, sha256: str) -> None:
    if sha256:
        _show_stored(side, sha256)
        return
    uploaded = st.file_uploader(
        "CSV, Parquet or JSON",
        key=f"drift.{side}.{st.session_state.get('drift.uploads', 0)}",
        max_upload_size=settings().max_sample_mb,
        help="Columns are matched by name. The file stays on this machine for a day. The reference "
        "may also be a profile, saved by: python -m drift_reference rows.parquet profile.npz",
    )
    if uploaded is None:
        return
    try:
        stored = store_file(
            uploaded, kind="sample", name=uploaded.name, limit_bytes=settings().max_sample_bytes
        )
    except MonitorError as error:
        st.error(escape_markdown(error), icon=":material/cancel:")
        return
    changes = {side: stored, "column": None}
    tell(**changes, **({"reference_run": None} if side == "reference" else {}))
    st.rerun()


def _show_stored(side: str, sha256: str) -> None:
    try:
        name = open_store().get_artifact(sha256).name
    except MonitorError as error:
        name = str(error)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/table: **{escape_markdown(name)}**")
        if st.button("Remove", key=f"drift.{side}.remove", icon=":material/close:"):
            st.session_state["drift.uploads"] = st.session_state.get("drift.uploads", 0) + 1
            tell(**{side: None})
            st.rerun()


def _finished_runs() -> dict[str, RunRecord]:
    runs, _total = open_store().list_runs(RunFilter(status=RunStatus.DONE), limit=50)
    return {run.id: run for run in runs}


def _choose_run(label: str, name: str, chosen: str, runs: dict[str, RunRecord]) -> None:
    """Offer finished runs; what is chosen goes into the address."""
    options = [NO_RUN, *runs]
    picked = st.selectbox(
        label,
        options,
        index=options.index(chosen) if chosen in options else 0,
        format_func=lambda run_id: "–" if run_id == NO_RUN else _run_label(runs[run_id]),
        key=f"drift.pick.{name}",
    )
    if picked != chosen and (picked or chosen in runs):
        tell(**{name: picked or None})
        st.rerun()


def _run_label(run: RunRecord) -> str:
    return f"{run.model_name} · {when(run.created_at)} · {run.id[-6:]}"


def _show_empty(wanted: Asked) -> None:
    if wanted.current or wanted.reference or wanted.reference_run:
        st.info("Now the other table.", icon=":material/arrow_upward:")
        return
    st.info("Two tables are needed: drop both in above, or look at an example first.")
    if st.button(
        "Use example data", type="primary", key="drift.example", icon=":material/play_arrow:"
    ):
        use_example()
        st.rerun()


def _choose_options(wanted: Asked) -> None:
    with st.expander("Thresholds and more questions", icon=":material/tune:"):
        given = dict(wanted.thresholds)
        changed: dict[str, str | None] = {}
        for place, (name, (label, default)) in zip(
            st.columns(len(LIMITS)), LIMITS.items(), strict=True
        ):
            value = place.number_input(
                label,
                0.001,
                0.999 if name == "alpha" else 10.0,
                given.get(name, default),
                0.01,
                format="%.3f",
                key=f"drift.limit.{name}",
                help=_limit_help(name),
            )
            changed[name] = None if value == default else f"{value:g}"
        jointly = st.toggle(
            "Also test all columns at once",
            value=wanted.jointly,
            key="drift.jointly",
            help="A classifier that tries to tell the tables apart, and the kernel test MMD: they "
            "see columns that only stopped going together. Takes a second or two more.",
        )
        changed["jointly"] = "yes" if jointly else None
        if runs := _finished_runs():
            _choose_run("Compare the answers of a model too", "model", wanted.model_run, runs)
    if any(st.query_params.get(name) != value for name, value in changed.items()):
        tell(**changed)
        st.rerun()


def _limit_help(name: str) -> str:
    if name == "alpha":
        return "Highest share of false alarms among all alarms (Benjamini-Hochberg)."
    return f"Floor of the effect from which a change counts as drift. {explain(_EFFECTS[name])}"


_EFFECTS = {
    "wasserstein": "wasserstein_normed",
    "total_variation": "total_variation",
    "missing_rate": "missing_rate",
    "new_categories": "new_categories",
}


# --- the comparison ----------------------------------------------------------------------------


def _show_outcome(wanted: Asked) -> None:
    state = session()
    if wanted in state.results:
        _show_report(wanted, state.results[wanted])
        return
    if wanted in state.failures:
        st.error(escape_markdown(state.failures[wanted]), icon=":material/cancel:")
        if st.button("Compare again", key="drift.again", icon=":material/replay:"):
            state.start(wanted)
            st.rerun()
        return
    if state.job_for != wanted:
        state.start(wanted)
        if state.job is None:
            st.rerun()
    _show_live(wanted)


@st.fragment(run_every="0.3s")
def _show_live(wanted: Asked) -> None:
    state = session()
    if state.job is None or state.job_for != wanted:
        st.rerun()
        return
    try:
        now = state.job.poll()
    except MonitorError as error:
        state.failures[wanted] = str(error)
        state.cancel()
        st.rerun()
        return
    if now.report is not None:
        state.keep(wanted, now.report)
        state.cancel()
        st.rerun()
    st.progress(min(1.0, max(0.0, now.fraction)), text=escape_markdown(now.message))
    if st.button("Cancel", key="drift.cancel", icon=":material/stop_circle:"):
        state.cancel()
        state.failures[wanted] = "Cancelled."
        st.rerun()


# --- the result --------------------------------------------------------------------------------


def _show_report(wanted: Asked, report: DriftReport) -> None:
    if section_missing(report, "Comparison"):
        return
    _show_tiles(report)
    features = by_severity(report.features)
    show_columns(features, wanted.harms())
    _show_detail(features)
    _show_prediction(report)
    if report.multivariate:
        st.subheader("All columns at once")
        show_tests(report.multivariate)
    show_notes(report.notes)
    show_downloads(wanted, report)


def _show_tiles(report: DriftReport) -> None:
    total = len(report.features)
    st.markdown(
        f"### {badge(report.verdict.value)} {report.n_drifted} of {total} columns have drifted"
    )
    with tiles():
        possible = sum(each.verdict is DriftVerdict.POSSIBLE for each in report.features)
        below = f"{possible} more possibly"
        show_tile("Columns drifted", f"{report.n_drifted} of {total}", below, explain("drift"))
        show_tile("Rows", f"{report.n_current:,}", f"against {report.n_reference:,}")
        worst = max(report.features, key=lambda each: each.missing_current - each.missing_reference)
        rise = worst.missing_current - worst.missing_reference
        below = f"in {worst.feature}" if rise > 0 else "nowhere more than before"
        show_tile("Most new gaps", percent(max(0.0, rise)), below, explain("missing_rate"))
        state = look(report.prediction.verdict.value).word if report.prediction else "Not asked"
        below = "of the model's answers" if report.prediction else "choose a model above"
        show_tile("Predictions", state, below, explain("prediction_drift"))


def _show_detail(features: list[FeatureDrift]) -> None:
    names = [feature.feature for feature in features]
    linked = st.query_params.get("column")
    st.subheader("One column")
    name = st.selectbox(
        "Column",
        names,
        index=names.index(linked) if linked in names else 0,
        format_func=lambda each: f"{look(features[names.index(each)].verdict.value).symbol} {each}",
        key="drift.column",
        width=360,
    )
    if name != linked:
        tell(column=name)
    drift = features[names.index(name)]
    show_column(drift, f"drift.{name}")
    if drift.new_categories:
        shown = ", ".join(f"'{escape_markdown(each)}'" for each in drift.new_categories)
        st.caption(f"New categories: {shown}.")


def _show_prediction(report: DriftReport) -> None:
    if report.prediction is not None:
        st.subheader("What the model answers")
        show_column(report.prediction, "drift.prediction")


show()
