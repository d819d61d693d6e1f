"""Drift playground: turn a knob, see data, tests, predictions and accuracy move together."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from pydantic import ValidationError

from drift_types import DriftVerdict
from figures_drift import feature_overlay
from formatting import escape_markdown, number, percent, signed
from glossary import explain
from playground import Knobs, Outcome, noticed_share, play, reference_of
from playground_data import WORLDS, world_by_id
from playground_lessons import LESSONS, Lesson, lesson_by_id
from playground_types import ALL_COLUMNS
from report_types import RunStatus
from run_types import RunFilter
from views.common import mark, open_store, show_chart, show_tile, theme, tiles, when
from views.drift_parts import show_column, show_distributions
from views.playground_own import show_own

BUILT_IN = ""
FREE = "free"
FIRST_LESSON = "covariate"
UNITS = (1.0, 1.8, 2.54, 10.0, 1000.0)
SIZES = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
KNOB_WIDTH = 114  # pixels: six knobs in a row on a desk, two on a telephone


@dataclass(frozen=True)
class _Slider:
    """One slider: name of the knob, label, ends, step, format and tooltip."""

    name: str
    label: str
    low: float
    high: float
    step: float
    shown_as: str
    tooltip: str


POPULATION = (
    _Slider("shift", "Mean shift", -3, 3, 0.1, "%.1f σ", "The population moves up or down."),
    _Slider(
        "spread", "Spread", 0.2, 4, 0.1, "× %.1f", "Values lie closer together or wider apart."
    ),
    _Slider(
        "together",
        "Together",
        -3,
        3,
        0.1,
        "%.1f σ",
        "Columns move together, each the way the others pull it.",
    ),
    _Slider("mix", "Category mix", 0, 0.9, 0.05, "%.2f", "Share of rows with the rarest category."),
    _Slider("odds", "Prior odds", 1, 20, 0.5, "× %.1f", "Odds of the rarer answer."),
    _Slider(
        "concept",
        "Concept drift",
        0,
        1,
        0.05,
        "%.2f",
        "Share of rows, those highest in the main column, whose true answer is another one now.",
    ),
)
MEASUREMENT = (
    _Slider("offset", "Offset", -3, 3, 0.1, "%.1f σ", "Sensors read too much or too little."),
    _Slider("noise", "Noise", 0, 3, 0.05, "%.2f σ", "Sensors read less exactly."),
    _Slider("outliers", "Outliers", 0, 0.5, 0.01, "%.2f", "Share of values 8 σ off."),
    _Slider("missing", "Missing", 0, 0.95, 0.01, "%.2f", "Share of empty cells."),
)


def show() -> None:
    """Lay out the page."""
    st.title("Drift playground")
    run_id = _choose_model()
    if run_id:
        show_own(run_id)
        return
    st.caption(
        "Reference: 5,000 rows as the model knows them. Current: rows that you change. The address "
        "holds every setting, so a link shows the same picture."
    )
    _restore()
    _play_area()


def _choose_model() -> str:
    """Return the run whose model is played with; empty for the built-in one."""
    asked = st.query_params.get("run", "")
    found, _total = open_store().list_runs(RunFilter(status=RunStatus.DONE), limit=50)
    runs = {run.id: run for run in found}
    if not runs:
        return ""
    chosen = st.selectbox(
        "Model",
        [BUILT_IN, *runs],
        index=[BUILT_IN, *runs].index(asked) if asked in runs else 0,
        format_func=lambda each: (
            f"{runs[each].model_name} · {when(runs[each].created_at)}" if each else "built-in"
        ),
        key="play.run",
        help="The built-in model of the data below, or that of a finished run with its rows.",
        width=360,
    )
    if chosen != (asked if asked in runs else BUILT_IN):
        st.query_params.from_dict({"run": chosen} if chosen else {})
        st.session_state.pop("own.run", None)
        st.session_state.pop("lesson", None)
    return chosen or ""


def _restore() -> None:
    """Set every widget as the address says; without one, start with a lesson."""
    if "lesson" in st.session_state:
        return
    asked = st.query_params.to_dict()
    lesson = asked.pop("lesson", FREE if asked else FIRST_LESSON)
    st.session_state["lesson"] = lesson if lesson in _lesson_titles() else FIRST_LESSON
    _set_knobs(_asked_knobs(asked))
    st.session_state["column"] = asked.get("column") or world_by_id(st.session_state["data"]).main
    st.session_state["power"] = asked.get("power") == "yes"
    if not asked:
        _take_lesson()


def _asked_knobs(asked: dict[str, str]) -> Knobs:
    """Return the knobs of an address; the defaults where it makes no sense."""
    known = {name: value for name, value in asked.items() if name in Knobs.model_fields}
    try:
        knobs = Knobs.model_validate(known)
        reference_of(knobs.data)
    except (ValidationError, KeyError):
        return Knobs()
    return knobs


def _set_knobs(knobs: Knobs) -> None:
    values = knobs.model_dump()
    values["rows"] = min(SIZES, key=lambda size: abs(size - knobs.rows))
    values["unit"] = min(UNITS, key=lambda unit: abs(unit - knobs.unit))
    if knobs.columns not in reference_of(knobs.data).kinds:
        values["columns"] = ALL_COLUMNS
    for name, value in values.items():
        st.session_state[name] = value


def _tell_address(knobs: Knobs) -> None:
    """Write every setting that is not the default into the address."""
    told = {name: str(value) for name, value in knobs.model_dump(exclude_defaults=True).items()}
    told |= {"lesson": st.session_state["lesson"], "column": st.session_state["column"]}
    if st.session_state["power"]:
        told["power"] = "yes"
    if st.query_params.to_dict() != told:
        st.query_params.from_dict(told)


def _lesson_titles() -> dict[str, str]:
    return {lesson.id: lesson.title for lesson in LESSONS} | {FREE: "No lesson: play freely"}


def _take_lesson() -> None:
    """Set every knob as the lesson says."""
    chosen = st.session_state["lesson"]
    if chosen == FREE:
        return
    lesson = lesson_by_id(chosen)
    _set_knobs(lesson.knobs)
    st.session_state["column"] = lesson.column
    st.session_state["play.guess.alarm"] = None
    st.session_state["play.guess.falls"] = None


def _take_data() -> None:
    """Columns of the former data do not exist in the new one."""
    st.session_state["columns"] = ALL_COLUMNS
    st.session_state["column"] = world_by_id(st.session_state["data"]).main
    st.session_state["lesson"] = FREE


def _reset() -> None:
    _set_knobs(Knobs(data=st.session_state["data"], rows=st.session_state["rows"]))
    st.session_state["lesson"] = FREE


@st.fragment
def _play_area() -> None:
    lesson = _choose_lesson()
    with st.expander("Knobs", expanded=True, icon=":material/tune:"):
        knobs = _turn_knobs()
    outcome = play(knobs)
    hidden = lesson is not None and not _guess(lesson, outcome)
    if not hidden:
        _show_numbers(outcome)
    _show_column(outcome, hidden=hidden)
    if not hidden:
        _show_predictions(outcome)
        _show_power(knobs)
    _tell_address(knobs)


def _choose_lesson() -> Lesson | None:
    titles = _lesson_titles()
    first, second, third, fourth = st.columns(4)
    chosen = first.selectbox(
        "Lesson",
        list(titles),
        format_func=titles.__getitem__,
        key="lesson",
        on_change=_take_lesson,
    )
    data = second.selectbox(
        "Data",
        [world.id for world in WORLDS],
        format_func=lambda world_id: world_by_id(world_id).title,
        key="data",
        on_change=_take_data,
    )
    second.caption(world_by_id(data).description)
    options = [ALL_COLUMNS, *reference_of(data).kinds]
    third.selectbox("What drifts", options, key="columns")
    fourth.select_slider("Current rows", SIZES, key="rows", format_func="{:,}".format)
    return None if chosen == FREE else lesson_by_id(chosen)


def _turn_knobs() -> Knobs:
    world = world_by_id(st.session_state["data"])
    values = {name: st.session_state[name] for name in ("data", "columns", "rows")}
    st.caption("The world changes: true answers follow the new inputs. Concept drift changes them.")
    with st.container(horizontal=True):
        values |= _sliders(POPULATION, disabled=() if world.classes else ("odds",))
    st.caption("The measurement changes: true answers stay what they were.")
    with st.container(horizontal=True):
        values |= _sliders(MEASUREMENT)
        values["unit"] = st.select_slider(
            "Unit",
            UNITS,
            key="unit",
            format_func="× {:g}".format,
            help=f"Factor on the column chosen above, else on {world.main}.",
            width=KNOB_WIDTH,
        )
        values["seed"] = st.number_input(
            "Seed",
            0,
            2**32 - 1,
            key="seed",
            help="Another seed draws other rows.",
            width=KNOB_WIDTH,
        )
    st.button("Reset the knobs", icon=":material/restart_alt:", on_click=_reset, key="play.reset")
    return Knobs.model_validate(values)


def _sliders(sliders: tuple[_Slider, ...], disabled: tuple[str, ...] = ()) -> dict[str, float]:
    return {
        each.name: st.slider(
            each.label,
            float(each.low),
            float(each.high),
            step=float(each.step),
            format=each.shown_as,
            key=each.name,
            disabled=each.name in disabled,
            help=each.tooltip + (" Needs classes." if each.name in disabled else ""),
            width=KNOB_WIDTH,
        )
        for each in sliders
    }


def _guess(lesson: Lesson, outcome: Outcome) -> bool:
    """Ask what will happen before showing it; True once both answers are in."""
    with st.container(border=True):
        st.markdown(f"**{lesson.title}.** {lesson.story}")
        left, right = st.columns(2)
        alarm = left.segmented_control(
            "Will a test of the inputs ring?", ["Rings", "Silent"], key="play.guess.alarm"
        )
        falls = right.segmented_control(
            "Will the model become worse?", ["Worse", "As before"], key="play.guess.falls"
        )
        if alarm is None or falls is None:
            st.caption("Guess both, then see. The picture below shows one column already.")
            return False
        right_alarm = (alarm == "Rings") == outcome.alarm
        right_falls = (falls == "Worse") == outcome.has_fallen
        st.markdown(f"{_marked(right_alarm, right_falls)} {lesson.teaches}")
    return True


def _marked(*right: bool) -> str:
    if all(right):
        return ":green-badge[:material/check_circle: Both right]"
    if any(right):
        return ":orange-badge[:material/adjust: One right]"
    return ":red-badge[:material/cancel: Neither]"


def _show_numbers(outcome: Outcome) -> None:
    flagged, total = outcome.report.n_drifted, len(outcome.report.features)
    with tiles():
        name = "accuracy" if outcome.estimated is not None else "mean_absolute_error"
        is_share = outcome.estimated is not None
        shown = percent(outcome.score) if is_share else number(outcome.score)
        before = percent(outcome.score_before) if is_share else number(outcome.score_before)
        label = "Accuracy" if is_share else "Mean absolute error"
        show_tile(label, shown, f"before: {before}", explain(name))
        _show_estimate(outcome)
        tooltip = "Columns whose difference is beyond chance and large enough to matter."
        show_tile("Columns flagged", f"{flagged} of {total}", _alarm_words(outcome), tooltip)
        drift = outcome.report.prediction
        state = "–" if drift is None else drift.verdict.value.capitalize()
        show_tile("Predictions", state, "of the same model", explain("prediction_drift"))


def _show_estimate(outcome: Outcome) -> None:
    tooltip = (
        "The mean probability of the chosen class: the accuracy that the model's own confidence "
        "promises, known without labels. True only while its probabilities are calibrated."
    )
    if outcome.estimated is None:
        show_tile("Estimated accuracy", "–", "numbers have none", tooltip)
        return
    gap = f"off by {signed(100 * (outcome.estimated - outcome.score))} points"
    show_tile("Estimated accuracy", percent(outcome.estimated), gap, tooltip)


def _alarm_words(outcome: Outcome) -> str:
    if outcome.alarm:
        return "the alarm rings"
    possible = any(f.verdict is DriftVerdict.POSSIBLE for f in outcome.report.features)
    return "possible drift" if possible else "silent"


def _show_column(outcome: Outcome, *, hidden: bool) -> None:
    features = {feature.feature: feature for feature in outcome.report.features}
    if st.session_state.get("column") not in features:
        st.session_state["column"] = next(iter(features))
    chosen = st.segmented_control(
        "Column",
        list(features),
        key="column",
        required=True,
        format_func=lambda name: name if hidden else f"{_mark(features[name].verdict)} {name}",
    )
    drift = features[chosen or next(iter(features))]
    if hidden:
        show_distributions(drift, "play")
    else:
        show_column(drift, "play")


def _mark(verdict: DriftVerdict) -> str:
    return {DriftVerdict.DRIFT: "◆", DriftVerdict.POSSIBLE: "◇"}.get(verdict, "○")


def _show_predictions(outcome: Outcome) -> None:
    drift = outcome.report.prediction
    if drift is None:
        return
    st.subheader("What the model answers")
    st.markdown(f"{mark(drift.verdict.value)} {escape_markdown(drift.why)}")
    show_chart(feature_overlay(drift, theme()), "play.predictions")


def _show_power(knobs: Knobs) -> None:
    if not st.toggle(
        "How often would it be noticed?",
        key="power",
        help="Draws 25 times afresh and counts alarms: the power of the default verdict at this "
        "number of rows.",
    ):
        return
    share = _power(knobs.model_dump_json())
    st.markdown(f"In **{share:.0%}** of 25 fresh draws of {knobs.rows:,} rows a column is flagged.")


@st.cache_data(max_entries=200, show_spinner=False)
def _power(knobs: str) -> float:
    return noticed_share(Knobs.model_validate_json(knobs))


show()
