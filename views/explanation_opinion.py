"""What other methods say of the same model, and where they disagree."""

from __future__ import annotations

import streamlit as st

from figures_opinion import permutation_bars, shift_bars
from formatting import count, escape_markdown, number
from glossary import explain, title
from opinion_types import SecondOpinion
from report_types import ExplanationSection
from views.common import beside, show_chart, show_table, theme


def show_opinion(section: ExplanationSection) -> None:
    """Show shuffled columns, drifted rows, correlated columns and the warnings."""
    opinion = section.opinion
    if opinion is None:
        return
    for warning in opinion.warnings:
        st.warning(escape_markdown(warning), icon=":material/balance:")
    if not opinion.warnings:
        st.caption("Other methods see the same as the contributions above.")
    with beside():
        with st.container():
            _show_shuffling(opinion)
        with st.container():
            _show_drifted(opinion)
    _show_correlated(opinion)


def _show_shuffling(opinion: SecondOpinion) -> None:
    if opinion.permutation_reason:
        st.info(escape_markdown(opinion.permutation_reason))
        return
    metric = title(opinion.metric)
    show_chart(permutation_bars(opinion.permutation, metric, theme()), "explain.permutation")
    st.caption(
        f"How much {metric} is lost when a column is shuffled: {opinion.n_repeats} times on "
        f"{count(opinion.n_rows, 'row')}; untouched it is {number(opinion.baseline_score)}. "
        "Whiskers: two standard errors.",
        help=explain("permutation_importance") or None,
    )


def _show_drifted(opinion: SecondOpinion) -> None:
    show_chart(shift_bars(opinion.shifted_importance, theme()), "explain.shift")
    if opinion.shift:
        st.caption(f"Drifted: {opinion.shift}.")
    if opinion.shift_reason:
        st.info(escape_markdown(opinion.shift_reason))


def _show_correlated(opinion: SecondOpinion) -> None:
    if not opinion.correlated:
        return
    with st.expander(f"Columns that say nearly the same ({len(opinion.correlated)})"):
        show_table(
            [
                {
                    "Column": pair.first,
                    "Other column": pair.second,
                    "Strength": number(pair.strength),
                    "Measure": pair.measure,
                }
                for pair in opinion.correlated
            ],
            "explain.correlated",
        )
