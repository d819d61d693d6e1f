"""What the data check found, drawn alike on its page and in a run."""

from __future__ import annotations

import csv
import io

import streamlit as st

from formatting import count, csv_safe, escape_markdown, number
from validation_types import DataCheck, Finding, ValidationSection
from views.common import download, show_table, show_tile

MARKS = {
    Finding.PASS: "✓ good",
    Finding.WARN: "▲ look at it",
    Finding.FAIL: "✕ problem",
    Finding.SKIP: "– not checked",
}
_ORDER = (Finding.FAIL, Finding.WARN, Finding.SKIP, Finding.PASS)


def show_findings(section: ValidationSection, key: str) -> None:
    """Show score, size and one line per check, the worst first."""
    ordered = sorted(section.checks, key=lambda c: (_ORDER.index(c.finding), -c.cost))
    concerned = [c for c in ordered if c.finding in (Finding.WARN, Finding.FAIL)]
    second = f", {count(section.n_other_rows, 'row')} beside" if section.n_other_rows else ""
    with st.grid(3, min_column_width=140):
        show_tile("Score", number(section.score), "of 100 points", "100 less what the checks cost.")
        found = f"of {count(len(section.checks), 'check')}"
        show_tile("To look at", str(len(concerned)), found)
        size = f"{count(section.n_columns, 'column')}{second}"
        show_tile("Table", count(section.n_rows, "row"), size)
    if concerned:
        st.markdown("\n".join(map(_line, concerned)))
    show_table(
        [
            {
                "Result": MARKS[check.finding],
                "Check": check.title,
                "Found": check.found,
                "Cost, points": check.cost,
                "What to do": check.advice,
            }
            for check in ordered
        ],
        f"{key}.findings",
    )
    if section.target:
        st.caption(f"True answers: **{escape_markdown(section.target)}**.")


def _line(check: DataCheck) -> str:
    return f"- **{check.title}:** {escape_markdown(f'{check.found} {check.advice}')}"


def offer_findings(section: ValidationSection, key: str) -> None:
    """Offer the findings as JSON and CSV."""
    with st.container(horizontal=True):
        download(
            "Findings (JSON)",
            lambda: section.model_dump_json(indent=2),
            "data-check.json",
            "application/json",
            f"{key}.json",
        )
        download(
            "Findings (CSV)",
            lambda: findings_csv(section),
            "data-check.csv",
            "text/csv",
            f"{key}.csv",
        )


def findings_csv(section: ValidationSection) -> str:
    """Return one row per check; text that a spreadsheet would run is quoted."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["check", "result", "found", "cost", "columns", "advice"])
    for check in section.checks:
        columns = "; ".join(check.columns)
        cells = [check.id, check.finding.value, check.found, check.cost, columns, check.advice]
        rows.writerow([csv_safe(cell) for cell in cells])
    return text.getvalue()
