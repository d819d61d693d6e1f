"""What if this row were different: a control per column, the model's new answer and its reasons.

Owns: the controls and what is shown of the answer. The model is asked in its own process.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import streamlit as st

from base_types import Cell
from errors import MonitorError
from explanation_reading import row_sentences
from figures_explain import waterfall
from formatting import escape_markdown, number, percent, signed
from model_sessions import Question, RowAnswers, explain_rows
from report_types import ExplanationSection, OutputExplanation, TestReport
from schema_utils import Feature, Kind
from views.common import settings, show_chart, theme

SHOWN_CONTROLS = 8
PER_LINE = 4
STEPS = 200
MOST_DECIMALS = 8


@st.fragment
def show_what_if(report: TestReport, output: OutputExplanation, index: int) -> None:
    """Offer to change the row; asks the model only once somebody wants to know."""
    if not st.toggle("What if …?", key="whatif.open", help="Change values and see the new answer"):
        return
    section = report.explanations
    changes = _controls(report, output, index)
    question = Question(
        run_id=report.run_id,
        rows=[changes],
        base_rows=[section.row_numbers[index]],
        seconds=1.0,
        space="probability" if section.space == "probability" else "auto",
    )
    try:
        answers = explain_rows(settings(), question)
    except MonitorError as error:
        st.error(escape_markdown(error), icon=":material/cancel:")
        return
    old = section.answers[index] if section.answers else None
    _show_answer(answers, output.output, _Before(old, output.predictions[index], bool(changes)))


def _controls(report: TestReport, output: OutputExplanation, index: int) -> dict[str, Cell]:
    """Draw a control per column and return what differs from the row."""
    section = report.explanations
    schema = report.schema_.data_schema
    features = {feature.name: feature for feature in schema.inputs} if schema else {}
    names = [item.feature for item in output.importance if item.feature in section.columns]
    cells = section.rows[index]
    stem = f"whatif.{report.run_id}.{section.row_numbers[index]}"
    version = st.session_state.setdefault(f"{stem}.version", 0)
    form = _Form(f"{stem}.{version}", features, cells, section.rows)
    values = form.draw(names[:SHOWN_CONTROLS]) | _more_controls(form, names[SHOWN_CONTROLS:])
    if st.button("Back to the row", icon=":material/undo:", key="whatif.reset"):
        st.session_state[f"{stem}.version"] = version + 1
        st.rerun(scope="fragment")
    return {name: value for name, value in values.items() if value != cells.get(name)}


@dataclass(frozen=True, slots=True)
class _Form:
    """What controls are made of: the keys' stem, the columns, the row and all explained rows."""

    stem: str
    features: dict[str, Feature]
    cells: dict[str, Cell]
    rows: list[dict[str, Cell]]

    def draw(self, names: list[str]) -> dict[str, Cell]:
        """Draw a control per column and return the values."""
        values: dict[str, Cell] = {}
        places = [st.columns(PER_LINE) for _ in range(0, len(names), PER_LINE)]
        for at, name in enumerate(names):  # line by line: in order where columns are stacked too
            feature = self.features.get(name, Feature(name=name))
            seen = [row.get(name) for row in self.rows]
            with places[at // PER_LINE][at % PER_LINE]:
                key = f"{self.stem}.{name}"
                values[name] = _control(feature, self.cells.get(name), seen, key)
        return values


def _more_controls(form: _Form, names: list[str]) -> dict[str, Cell]:
    """Draw the other controls only while they are seen: dozens of them slow every answer down."""
    if not names:
        return {}
    chosen: dict[str, Cell] = st.session_state.setdefault(f"{form.stem}.more", {})
    more = st.expander(f"{len(names)} more columns", key="whatif.more", on_change="rerun")
    if more.open:
        with more:
            chosen.update(form.draw(names))
    return chosen


def _control(feature: Feature, cell: Cell, seen: list[Cell], key: str) -> Cell:
    label = escape_markdown(feature.name)
    if feature.kind.is_numeric and not isinstance(cell, str):
        return _number_control(feature, cell, seen, key)
    if feature.kind in (Kind.CATEGORICAL, Kind.BOOLEAN):
        known = [*(feature.categories or []), *(c for c in seen if c is not None)]
        options: list[Cell] = sorted(set(known), key=str)
        options += [] if cell in options else [cell]
        options += [] if None in options else [None]
        chosen: Cell = st.selectbox(
            label,
            options,
            index=options.index(cell),
            format_func=lambda value: "missing" if value is None else str(value),
            key=key,
            persist_state="page",
        )
        return chosen
    text = st.text_input(label, "" if cell is None else str(cell), key=key, persist_state="page")
    return text or None


def _number_control(feature: Feature, cell: Cell, seen: list[Cell], key: str) -> Cell:
    """Draw a slider over the values seen; a plain field where there is no range or no value."""
    label = escape_markdown(feature.name)
    value = None if cell is None else float(cell)
    numbers = [float(c) for c in seen if c is not None and not isinstance(c, str)]
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    if value is None or low == high:
        entered: float | None = st.number_input(
            label, value=value, placeholder="missing", key=key, persist_state="page"
        )
        return entered
    if feature.kind is Kind.INTEGER and value.is_integer():
        return int(
            st.slider(
                label, math.floor(low), math.ceil(high), int(value), key=key, persist_state="page"
            )
        )
    digits = max(0, 3 - math.floor(math.log10(high - low)))
    shown_as = f"%.{digits}f" if digits <= MOST_DECIMALS else "%.3e"
    step = 10.0 ** math.floor(math.log10((high - low) / STEPS))
    moved: float = st.slider(label, low, high, value, step, shown_as, key=key, persist_state="page")
    return cell if math.isclose(moved, value, abs_tol=step / 2) else moved


@dataclass(frozen=True, slots=True)
class _Before:
    """The row as it was: the model's answer, the explained number, and whether it was changed."""

    answer: Cell
    value: float
    is_changed: bool


def _show_answer(answers: RowAnswers, name: str, before: _Before) -> None:
    section = answers.explanation
    output = next((o for o in section.outputs if o.output == name), section.outputs[0])
    left, right = st.columns([2, 3])
    with left:
        _show_numbers(answers, output, before)
        if before.is_changed:
            _say_changes(section, output)
        else:
            st.caption("Move a control to see what changes.")
    if not before.is_changed:  # the row's own waterfall stands above
        return
    with right:
        chart = waterfall(section, output, 0, theme())
        if chart is not None:
            chart.figure.layout.title.text = "Why the changed row gets its answer"
        show_chart(chart, "whatif.waterfall")
    moved = signed(output.predictions[0] - before.value)
    st.caption(
        f"Moved by {moved} in {section.space}. A model knows only what went "
        "together in its data: an unusual mixture of values may get an unusual answer."
    )


def _show_numbers(answers: RowAnswers, output: OutputExplanation, before: _Before) -> None:
    now, old = _words(answers.predictions[0]), _words(before.answer)
    told = f"Before the change: {escape_markdown(old)}" if old else None
    section = answers.explanation
    values = (before.value if before.is_changed else output.predictions[0], output.predictions[0])
    name, value, change = _main_number(section, output, values)
    if output.output == section.space == "prediction":  # the answer itself is explained
        st.metric("Answer", now, change, delta_color="off", help=told)
        return
    first, second = st.columns(2)
    first.metric("Answer", now, help=told)
    second.metric(name, value, change, delta_color="off")


def _words(answer: Cell | list[Cell]) -> str:
    if answer is None:
        return ""
    return number(answer) if isinstance(answer, float) else str(answer)


def _main_number(
    section: ExplanationSection, output: OutputExplanation, values: tuple[float, float]
) -> tuple[str, str, str | None]:
    """Return name, new value and change of the explained number; a probability if possible."""
    old, new = values
    space = section.space
    if space == "log-odds" and len(section.outputs) == 1:
        old, new = (0.5 * (1 + math.tanh(value / 2)) for value in values)
        space = "probability"
    name = f"{space.capitalize()} of {escape_markdown(output.output)}"
    if space == "probability":
        points = f"{100 * (new - old):+.2f} points"
        return name, percent(new), points if new != old else None
    moved = signed(new - old).replace("−", "-")  # of another minus the arrow would point up
    return name, number(new), moved if new != old else None


def _say_changes(section: ExplanationSection, output: OutputExplanation) -> None:
    for value, name, cell in row_sentences(section, output, 0):
        st.markdown(
            f"- **{escape_markdown(value)}** because {escape_markdown(name)} is "
            f"*{escape_markdown(cell)}*"
        )
