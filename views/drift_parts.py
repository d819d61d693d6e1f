"""What both drift pages show of a column: its charts, and its tests with their explanations."""

from __future__ import annotations

import streamlit as st

from drift_formulas import formula
from drift_types import DriftTest, FeatureDrift
from figures_compare import cumulative_overlay
from figures_drift import feature_overlay
from formatting import escape_html, escape_markdown, number, p_value
from glossary import explain, title
from views.common import beside, mark, show_chart, theme

_TABLE_STYLE = """
<style>
  .drift-tests {width: 100%; border-collapse: collapse; font-size: .88rem;}
  .drift-tests th {text-align: left; font-weight: 600; padding: .25rem .6rem .25rem 0;}
  .drift-tests td {vertical-align: top; padding: .25rem .6rem .25rem 0;
                   border-top: 1px solid rgba(128, 128, 128, .3);}
  .drift-tests td.n {font-variant-numeric: tabular-nums; white-space: nowrap;}
  .drift-tests summary {cursor: help; text-decoration: underline dotted;}
  .drift-tests code {font-size: .84rem; white-space: normal;}
  .drift-scroll {overflow-x: auto;}
</style>
"""


def show_column(drift: FeatureDrift, key: str) -> None:
    """Show verdict, sentence, distributions and tests of a column."""
    st.markdown(f"{mark(drift.verdict.value)} {escape_markdown(drift.why)}")
    show_distributions(drift, key)
    show_tests(drift.tests)


def show_distributions(drift: FeatureDrift, key: str) -> None:
    """Show both distributions, for numbers also the cumulative ones."""
    cumulative = cumulative_overlay(drift, theme())
    overlay = feature_overlay(drift, theme())
    if overlay is None:
        st.caption("There are no values on one side, so there is nothing to draw.")
        return
    if cumulative is None:
        show_chart(overlay, f"{key}.overlay")
        return
    with beside():
        show_chart(overlay, f"{key}.overlay")
        show_chart(cumulative, f"{key}.cumulative")


def show_tests(tests: list[DriftTest]) -> None:
    """Show tests as a table: hover a name for what it is, open it for its formula."""
    rows = "".join(_row(test) for test in tests)
    st.html(
        f"{_TABLE_STYLE}<div class='drift-scroll'><table class='drift-tests'><thead><tr>"
        "<th>Test (open for its formula)</th><th>Value</th><th>p</th><th>p, corrected</th>"
        f"<th>Limit</th><th>Says</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(test: DriftTest) -> str:
    value = test.statistic if test.statistic is not None else test.effect_size
    cells = (number(value), p_value(test.p_value), p_value(test.p_adjusted), _limit(test))
    shown = "".join(f"<td class='n'>{escape_html(cell)}</td>" for cell in cells)
    return f"<tr><td>{_name(test)}</td>{shown}<td class='n'>{_says(test)}</td></tr>"


def _name(test: DriftTest) -> str:
    meaning = escape_html(explain(test.name))
    more = [f"<code>{escape_html(formula(test.name))}</code>"] if formula(test.name) else []
    more += [meaning, escape_html(test.method), escape_html(test.threshold_source)]
    body = "<br>".join(part for part in more if part)
    name = escape_html(title(test.name))
    return f"<details><summary title='{meaning}'>{name}</summary>{body}</details>"


def _limit(test: DriftTest) -> str:
    if test.threshold is None:
        return "–"
    return f"{'p ' if _limits_p(test) else ''}{number(test.threshold)}"


def _limits_p(test: DriftTest) -> bool:
    """Whether the limit is one of the p-value, not of the statistic."""
    return test.p_value is not None and test.effect_size is None


def _says(test: DriftTest) -> str:
    if test.drift_detected is None:
        return "–"
    return "◆ drift" if test.drift_detected else "○ silent"
