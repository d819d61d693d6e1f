"""Is the difference real? Two or more runs compared by their answers, row by row."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from base_types import Cell
from errors import MonitorError
from formatting import escape_markdown, number, p_value
from glossary import title
from paired_tests import Difference, in_words
from report_types import TestReport
from row_results import RowResults, compare_rows, unpack
from views.common import open_store, show_table

SHARES = {"accuracy", "roc_auc"}


def show_real_differences(reports: Sequence[TestReport], names: Sequence[str]) -> None:
    """Compare every run with the first, by tests that know which rows were the same."""
    st.subheader("Is the difference real?")
    try:
        results = [_answers(report) for report in reports]
    except MonitorError as error:
        st.caption(escape_markdown(error))
        return
    if results[0] is None or all(result is None for result in results[1:]):
        st.caption("Needs labelled rows of a classifier or a regression in both runs.")
        return
    found = [
        (name, difference)
        for name, result in zip(names[1:], results[1:], strict=True)
        for difference in ([] if result is None else compare_rows(results[0], result))
    ]
    if found:
        st.markdown("\n".join(_sentence(name, difference) for name, difference in found))
        show_table([_line(name, difference) for name, difference in found], "compare.real")
        alike = " Here every row counts alike." if any(map(_is_weighted, reports)) else ""
        st.caption(f"Against the baseline {escape_markdown(names[0])}; 95 % intervals.{alike}")


def _is_weighted(report: TestReport) -> bool:
    details = report.quality.details
    return details is not None and details.weight_column is not None


def _answers(report: TestReport) -> RowResults | None:
    sha256 = report.quality.answers_artifact
    return unpack(open_store().artifact_path(sha256).read_bytes()) if sha256 else None


def _sentence(name: str, found: Difference) -> str:
    words = in_words(found, in_points=found.name in SHARES)
    return f"- **{title(found.name)}** of {escape_markdown(name)}: {escape_markdown(words)}"


def _line(name: str, found: Difference) -> dict[str, Cell]:
    return {
        "Run": name,
        "Number": title(found.name),
        "p": p_value(found.p_value),
        "Rows": number(found.n),
        "Test": found.method,
    }
