"""Drift playground with a model of one's own: the rows and the model of a finished run."""

from __future__ import annotations

import streamlit as st
from pydantic import ValidationError

from drift_types import DriftVerdict
from errors import MonitorError
from figures_drift import feature_overlay
from formatting import escape_markdown, number, percent, signed
from glossary import explain, title
from model_sessions import PlayQuestion, play_with_run
from playground_types import ALL_COLUMNS, OwnKnobs, OwnOutcome
from views.common import mark, open_store, settings, show_chart, show_tile, theme, tiles
from views.drift_parts import show_column

_SLIDERS = (
    ("offset", "Offset", -3.0, 3.0, 0.1, "%.1f σ", "Sensors read too much or too little."),
    ("spread", "Spread", 0.2, 4.0, 0.1, "× %.1f", "Values lie closer together or wider apart."),
    ("noise", "Noise", 0.0, 3.0, 0.05, "%.2f σ", "Sensors read less exactly."),
    ("outliers", "Outliers", 0.0, 0.5, 0.01, "%.2f", "Share of values 8 σ off."),
    ("missing", "Missing", 0.0, 0.95, 0.01, "%.2f", "Share of empty cells."),
    ("mix", "Category mix", 0.0, 0.9, 0.05, "%.2f", "Share of rows with the rarest category."),
    ("odds", "Prior odds", 1.0, 20.0, 0.5, "× %.1f", "Odds of the rarest answer."),
)
_UNITS = (1.0, 1.8, 2.54, 10.0, 1000.0)
_WIDTH = 114


@st.fragment
def show_own(run_id: str) -> None:
    """Lay out knobs and outcome for the model of a run."""
    _restore(run_id)
    knobs = _turn_knobs()
    try:
        with st.spinner("Asking the model", show_time=False):
            outcome = play_with_run(settings(), PlayQuestion(run_id=run_id, knobs=knobs))
    except MonitorError as error:
        st.error(escape_markdown(error), icon=":material/cancel:")
        return
    st.session_state["own.inputs"] = outcome.inputs
    _show_numbers(outcome)
    _show_column(outcome)
    drift = outcome.report.prediction
    if drift is not None:
        st.subheader("What the model answers")
        st.markdown(f"{mark(drift.verdict.value)} {escape_markdown(drift.why)}")
        show_chart(feature_overlay(drift, theme()), "own.predictions")
    _tell_address(run_id, knobs)


def _restore(run_id: str) -> None:
    """Set every widget as the address says, and know the columns of the run."""
    if st.session_state.get("own.run") == run_id:
        return
    asked = st.query_params.to_dict()
    known = {name: value for name, value in asked.items() if name in OwnKnobs.model_fields}
    try:
        knobs = OwnKnobs.model_validate(known)
    except ValidationError:
        knobs = OwnKnobs()
    schema = open_store().get_report(run_id).schema_.data_schema
    names = [feature.name for feature in schema.inputs] if schema else []
    values = knobs.model_dump()
    values["unit"] = min(_UNITS, key=lambda unit: abs(unit - knobs.unit))
    if knobs.columns not in names:
        values["columns"] = ALL_COLUMNS
    for name, value in values.items():
        st.session_state[f"own.{name}"] = value
    st.session_state["own.inputs"] = names
    st.session_state["own.run"] = run_id


def _reset() -> None:
    for name, value in OwnKnobs().model_dump().items():
        st.session_state[f"own.{name}"] = value


def _turn_knobs() -> OwnKnobs:
    st.caption(
        "Half of the tested rows stay as they are, the other half is drifted by your knobs. True "
        "answers stay what they were."
    )
    columns = st.selectbox(
        "What drifts", [ALL_COLUMNS, *st.session_state["own.inputs"]], key="own.columns", width=360
    )
    values: dict[str, object] = {"columns": columns}
    with st.container(horizontal=True):
        for name, label, low, high, step, shown_as, tooltip in _SLIDERS:
            values[name] = st.slider(
                label,
                low,
                high,
                step=step,
                format=shown_as,
                key=f"own.{name}",
                help=tooltip,
                width=_WIDTH,
            )
        values["unit"] = st.select_slider(
            "Unit",
            _UNITS,
            key="own.unit",
            format_func="× {:g}".format,
            help="Factor on the column chosen above, else on one of them.",
            width=_WIDTH,
        )
        values["seed"] = st.number_input(
            "Seed", 0, 2**32 - 1, key="own.seed", help="Another seed drifts afresh.", width=_WIDTH
        )
    st.button("Reset the knobs", icon=":material/restart_alt:", on_click=_reset, key="own.reset")
    return OwnKnobs.model_validate(values)


def _tell_address(run_id: str, knobs: OwnKnobs) -> None:
    told = {name: str(value) for name, value in knobs.model_dump(exclude_defaults=True).items()}
    told["run"] = run_id
    if st.query_params.to_dict() != told:
        st.query_params.from_dict(told)


def _show_numbers(outcome: OwnOutcome) -> None:
    with tiles():
        _show_score(outcome)
        tooltip = (
            "The mean probability of the chosen class: what the model's own confidence promises, "
            "known without labels. True only while its probabilities are calibrated."
        )
        below = (
            f"before: {percent(outcome.estimated_before)}"
            if outcome.estimated_before is not None
            else "the model gives no probabilities"
        )
        show_tile("Estimated accuracy", percent(outcome.estimated), below, tooltip)
        report = outcome.report
        possible = sum(each.verdict is DriftVerdict.POSSIBLE for each in report.features)
        rings = "the alarm rings" if report.n_drifted else f"silent, {possible} possible"
        shown = f"{report.n_drifted} of {len(report.features)}"
        show_tile("Columns flagged", shown, rings, explain("drift"))
        below = f"{outcome.report.n_current:,} rows asked"
        tooltip = (
            "Share of these rows whose answer is another one now; for numbers the mean change in "
            "standard deviations."
        )
        show_tile("Answers changed", percent(outcome.harm), below, tooltip)


def _show_score(outcome: OwnOutcome) -> None:
    if outcome.metric is None:
        show_tile("Quality", "–", "the run has no labels", explain("accuracy"))
        return
    is_share = outcome.metric == "accuracy"
    shown, before = (
        percent(value) if is_share else number(value)
        for value in (outcome.score, outcome.score_before)
    )
    below = f"before: {before}"
    if outcome.score is not None and outcome.score_before is not None and not is_share:
        below += f" ({signed(outcome.score - outcome.score_before)})"
    show_tile(title(outcome.metric), shown, below, explain(outcome.metric))


def _show_column(outcome: OwnOutcome) -> None:
    features = {feature.feature: feature for feature in outcome.report.features}
    name = st.selectbox("Column", list(features), key="own.column", width=360)
    flagged = [
        escape_markdown(each.feature)
        for each in outcome.report.features
        if each.verdict is DriftVerdict.DRIFT
    ]
    if flagged:
        st.caption(f"Flagged: {', '.join(flagged)}.")
    drift = features[name]
    show_column(drift, "own")
