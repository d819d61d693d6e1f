"""``TestReport`` → files people keep: HTML, JSON, CSV, Markdown, JUnit XML.

Owns: the self-contained HTML report (``reports_template.html``), the JSON text and the Markdown
summary; CSV is in ``report_tables`` and JUnit in ``report_junit``, re-exported here. Nothing is
computed: every number was computed once, in the stage that found it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jinja2 import Environment, Template
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from base_types import Cell, Section, Status
from figures import COLOUR_SWAP, Chart, section_charts
from formatting import (
    LOOKS,
    Look,
    count,
    duration,
    escape_markdown,
    look,
    plain_text,
    timestamp,
    with_unit,
)
from glossary import GLOSSARY, Term, explain, term, title
from report_facts import Fact, headline, section_facts
from report_junit import render_junit
from report_tables import Column, Table, csv_tables, section_tables, zip_tables
from report_types import Check, GateResult, TestReport, Verdict

__all__ = [
    "csv_tables",
    "file_name",
    "render_html",
    "render_json",
    "render_junit",
    "render_markdown",
    "zip_tables",
]

_TITLES = {
    "performance": "Performance",
    "quality": "Quality",
    "behaviour": "Odd input",
    "drift": "Drift",
    "explanations": "Explanations",
    "data": "Data",
    "model": "Model",
}
_WORST_FIRST = (Verdict.FAIL, Verdict.WARN, Verdict.PASS, Verdict.SKIP)
_OPEN_ROWS = 12
"""Tables with more rows are folded."""


def render_json(report: TestReport) -> str:
    """Return the report as JSON; ``TestReport.model_validate_json`` reads it back unchanged."""
    return report.model_dump_json(by_alias=True, indent=2)


def file_name(report: TestReport, ending: str) -> str:
    """Return a name for a download: model, run and time, only letters that every system takes.

    Examples
    --------
    ``forest-0f3c2a9e-20261121-1403.html``
    """
    model = report.model.file.name.rpartition(".")[0] if report.model.file else "run"
    safe = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in model)
    return f"{safe[:40] or 'run'}-{report.run_id[:8]}-{report.created_at:%Y%m%d-%H%M}.{ending}"


# --- HTML ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _TableView:
    """A table with its cells written for people."""

    name: str
    title: str
    headers: list[tuple[str, str]]
    rows: list[list[str]]
    numeric: list[bool]
    folded: bool


@dataclass(frozen=True, slots=True)
class _SectionView:
    """What the template needs of one section."""

    key: str
    title: str
    look: Look | None
    reason: str
    seconds: str
    facts: list[Fact]
    charts: dict[str, Chart]
    tables: list[_TableView]
    notes: list[str] = field(default_factory=list)


def render_html(report: TestReport) -> str:
    """Return the report as one HTML file that opens without a network.

    Light or dark follows the reader's system; charts need JavaScript, everything else does not.
    A content security policy allows the two scripts of the file by their hashes and forbids every
    request. Size: about 5 MB, nearly all of it the drawing library.
    """
    sections = list(_sections(report))
    reproduce_facts = section_facts(report, "reproduce")
    reproduce_tables = [_table_view(each) for each in section_tables(report, "reproduce")]
    library, script = get_plotlyjs(), _script()
    charts = {name: chart.figure for section in sections for name, chart in section.charts.items()}
    return _template().render(
        report=report,
        model_name=report.model.file.name if report.model.file else "Model",
        verdict=look(report.verdict.verdict),
        counts=_verdict_counts(report),
        gate=look(report.gate.verdict) if report.gate else None,
        check_lists=[
            ("Gate", report.gate.checks if report.gate else []),
            ("Checks", report.verdict.checks),
        ],
        headline=headline(report),
        run_facts=section_facts(report, "verdict"),
        reproduce_facts=reproduce_facts,
        reproduce_tables=reproduce_tables,
        sections=sections,
        config=report.config.model_dump_json(indent=2),
        policy=_policy(library, script),
        library=Markup(library),  # noqa: S704 - the drawing library itself, no user text in it
        script=Markup(script),  # noqa: S704 - our own script, no user text in it
        figures=_json_block(
            {name: json.loads(figure.to_json()) for name, figure in charts.items()}
        ),
        swap=_json_block(COLOUR_SWAP),
        words=_used_words(
            [headline(report), reproduce_facts, *(section.facts for section in sections)],
            [*reproduce_tables, *(table for section in sections for table in section.tables)],
        ),
    )


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, finalize=_clean, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"look": look, "check_value": check_value, "explain": explain}
    environment.filters |= {"with_unit": with_unit, "anchor": _anchor, "timestamp": timestamp}
    text = Path(__file__).with_name("reports_template.html").read_text(encoding="utf-8")
    return environment.from_string(text)


def _clean(value: object) -> object:
    """Drop control and direction characters from every text the template writes."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "\n".join(map(plain_text, value.split("\n")))


@cache
def _script() -> str:
    return Path(__file__).with_name("reports_script.js").read_text(encoding="utf-8")


def _policy(*scripts: str) -> str:
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json_block(value: object) -> Markup:
    """Return JSON that cannot end the script element it stands in."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - "<" is escaped in the line itself


def _sections(report: TestReport) -> Iterator[_SectionView]:
    for key, heading in _TITLES.items():
        section: Section = getattr(report, key)
        yield _SectionView(
            key=key,
            title=heading,
            look=_section_look(report, key),
            reason=section.reason or "",
            seconds="" if section.seconds is None else duration(section.seconds),
            facts=section_facts(report, key),
            charts={f"{key}-{name}": chart for name, chart in section_charts(report, key).items()},
            tables=[_table_view(table) for table in section_tables(report, key)],
            notes=_notes(report, section),
        )


def _notes(report: TestReport, section: Section) -> list[str]:
    notes = [*getattr(section, "warnings", []), *getattr(section, "notes", [])]
    opinion = report.explanations.opinion
    return [*opinion.warnings, *notes] if opinion and section is report.explanations else notes


def _section_look(report: TestReport, key: str) -> Look | None:
    """Return the worst verdict of a section's checks; its status where it did not succeed."""
    section: Section = getattr(report, key)
    if section.status is not Status.OK:
        return look(section.status)
    found = {check.verdict for check in report.verdict.checks if check.section == key}
    return next((look(verdict) for verdict in _WORST_FIRST if verdict in found), None)


def _table_view(table: Table) -> _TableView:
    """Write the cells for people; columns without any value are left out."""
    shown = [
        place
        for place in range(len(table.columns))
        if any(row[place] not in (None, "") for row in table.rows)
    ]
    columns = [table.columns[place] for place in shown]
    return _TableView(
        name=table.name,
        title=table.title,
        headers=[(column.title or title(column.name), column.name) for column in columns],
        rows=[
            [_cell(row[place], column) for place, column in zip(shown, columns, strict=True)]
            for row in table.rows
        ],
        numeric=[any(_is_number(row[place]) for row in table.rows) for place in shown],
        folded=len(table.rows) > _OPEN_ROWS,
    )


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _cell(cell: Cell, column: Column) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, str):
        shown = LOOKS.get(cell) if column.name in ("verdict", "status") else None
        return f"{shown.symbol} {shown.word}" if shown else _named(cell, column)
    return with_unit(cell, column.unit)


def _named(cell: str, column: Column) -> str:
    return title(cell) if column.name in ("metric", "percentile") else cell


def check_value(check: Check) -> str:
    """Return what a check measured and what it demands: "2.31 ms ≤ 100 ms", or an empty text."""
    if check.value is None:
        return ""
    value = with_unit(check.value, check.unit)
    if check.threshold is None:
        return value
    sign = {"<=": "≤", ">=": "≥", "==": "="}.get(check.comparison, "of")
    return f"{value}, demanded {sign} {with_unit(check.threshold, check.unit)}"


def _verdict_counts(report: TestReport) -> list[tuple[Look, int]]:
    counts = Counter(check.verdict for check in report.verdict.checks)
    return [(look(verdict), counts[verdict]) for verdict in _WORST_FIRST if counts[verdict]]


def _anchor(name: str) -> str:
    """Return the id of a word's explanation at the end of the report; empty if it has none."""
    entry = term(name) if name else None
    return next((f"word-{key}" for key, each in GLOSSARY.items() if each is entry), "")


def _used_words(
    facts: Iterable[Iterable[Fact]], tables: Iterable[_TableView]
) -> list[tuple[str, Term]]:
    """Return the entries that anything on the page links to, in the glossary's order."""
    names = [fact.term for group in facts for fact in group]
    names += [name for table in tables for _, name in table.headers]
    used = {_anchor(name) for name in names}
    return [(key, entry) for key, entry in GLOSSARY.items() if f"word-{key}" in used]


# --- Markdown --------------------------------------------------------------------------------


VERSION_FACTS = ("Answered by", "Both versions")
"""What a summary says of library versions."""


def render_markdown(report: TestReport) -> str:
    """Return a summary for a pull request or a chat: verdict, numbers, checks, what was skipped."""
    return "\n".join(_markdown_lines(report)) + "\n"


def _markdown_lines(report: TestReport) -> Iterator[str]:
    verdict = look(report.verdict.verdict)
    name = report.model.file.name if report.model.file else "Model"
    yield f"# {verdict.symbol} {verdict.word}: {escape_markdown(plain_text(name, 80))}"
    yield ""
    yield escape_markdown(report.verdict.summary or "No verdict was reached.")
    yield ""
    numbers = headline(report)
    if numbers:
        yield "| " + " | ".join(fact.name for fact in numbers) + " |"
        yield "|" + " --- |" * len(numbers)
        yield "| " + " | ".join(escape_markdown(fact.value) for fact in numbers) + " |"
        yield ""
    if report.gate is not None:
        yield from _markdown_gate(report.gate)
    yield from _markdown_checks(report.verdict.checks)
    for key, heading in _TITLES.items():
        section: Section = getattr(report, key)
        if section.status is not Status.OK:
            shown = look(section.status)
            reason = escape_markdown(section.reason or "No reason was given.")
            yield f"- {shown.symbol} **{heading}**: {shown.word.lower()}. {reason}"
    for fact in section_facts(report, "model"):
        if fact.name in VERSION_FACTS:
            note = f" ({escape_markdown(fact.note)})" if fact.note else ""
            yield f"- **{fact.name}**: {escape_markdown(fact.value)}{note}"
    yield ""
    yield (
        f"Run `{plain_text(report.run_id).replace('`', '')}`, {timestamp(report.created_at)}, "
        f"seed {report.config.seed}, {count(report.data.n_rows, 'row')}."
    )


def _markdown_gate(gate: GateResult) -> Iterator[str]:
    shown = look(gate.verdict)
    notes = " ".join([gate.summary, *gate.notes])
    yield f"## {shown.symbol} Gate: {shown.word.lower()}"
    yield ""
    yield escape_markdown(notes)
    yield ""
    yield from _markdown_checks(gate.checks)
    yield "## All checks"
    yield ""


def _markdown_checks(checks: Sequence[Check]) -> Iterator[str]:
    if not checks:
        return
    yield "| Verdict | Check | Value | Why |"
    yield "| --- | --- | --- | --- |"
    for check in checks:
        shown = look(check.verdict)
        cells = (
            escape_markdown(text)
            for text in (plain_text(check.title, 100), check_value(check), check.reason)
        )
        yield f"| {shown.symbol} {shown.word} | {' | '.join(cells)} |"
    yield ""
