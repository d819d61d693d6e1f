"""The unit of the explanations: log-odds, in which they are exact, or probability.

Owns: the choice, and the explanation in probability, which the model is asked for when somebody
wants to see it.
"""

from __future__ import annotations

import streamlit as st

from errors import MonitorError
from formatting import escape_markdown
from model_sessions import MAX_ROWS, Question, explain_rows
from report_types import ExplanationSection, TestReport
from views.common import settings

SECONDS = 5.0
UNITS = {"log-odds": "Log-odds", "probability": "Probability"}


def choose_space(report: TestReport) -> ExplanationSection:
    """Return the explanations in the chosen unit; of models with one unit those of the run."""
    section = report.explanations
    if section.space != "log-odds" or not section.probabilities:
        return section
    unit = st.segmented_control(
        "Unit",
        list(UNITS),
        default="log-odds",
        format_func=UNITS.__getitem__,
        key="explain.space",
        required=True,
        help="Log-odds add up exactly in this model. Probabilities are easier to read; the model "
        "is asked for them anew, which takes seconds.",
    )
    if unit != "probability":
        return section
    try:
        with st.spinner("Asking the model for probabilities"):
            return _in_probability(report.run_id, section)
    except MonitorError as error:
        st.error(escape_markdown(error), icon=":material/cancel:")
        return section


def _in_probability(run_id: str, section: ExplanationSection) -> ExplanationSection:
    """Return the same rows explained in probability, kept for the session."""
    key = f"explain.probability.{run_id}"
    if key not in st.session_state:
        numbers = section.row_numbers[:MAX_ROWS]
        question = Question(
            run_id=run_id,
            rows=[{} for _ in numbers],
            base_rows=numbers,
            seconds=SECONDS,
            space="probability",
        )
        st.session_state[key] = explain_rows(settings(), question).explanation
    found: ExplanationSection = st.session_state[key]
    kept = {number: at for at, number in enumerate(section.row_numbers)}
    places = [kept[number] for number in found.row_numbers]
    return found.model_copy(
        update={
            "answers": [section.answers[at] for at in places] if section.answers else [],
            "actual": [section.actual[at] for at in places] if section.actual else [],
            "classes": section.classes,
            "probabilities": [section.probabilities[at] for at in places],
            "opinion": section.opinion,
            "texts": section.texts,
        }
    )
