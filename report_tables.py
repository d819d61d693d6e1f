"""The tables of a report, once, for CSV files and for the HTML report.

Owns: which rows and columns each table has, with the unit of every column; and their form as CSV.
Cells are raw values: the HTML report writes them for people, CSV keeps every digit.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from base_types import Cell
from drift_types import ScenarioResult
from formatting import csv_safe, plain_text
from opinion_types import SecondOpinion
from report_findings import further_tables
from report_types import Check, TestReport
from word_types import TextExplanation


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its key in CSV and glossary, and the unit of its numbers."""

    name: str
    unit: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a report.

    Parameters
    ----------
    name : str
        File name without ending; stable.
    title : str
        Heading in the report.
    columns : sequence of Column
    rows : sequence of sequence of cells
        None is a missing value.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


def section_tables(report: TestReport, section: str) -> list[Table]:
    """Return the tables of a section that have rows, in reading order."""
    further = [
        Table(name, title, [Column(key) for key in keys], rows)
        for name, title, keys, rows in further_tables(report, section)
    ]
    return [table for table in [*_TABLES[section](report), *further] if table.rows]


def csv_tables(report: TestReport) -> dict[str, str]:
    """Return every table of the report as CSV text by file name.

    UTF-8, comma-separated, a header with units in the names, empty cells for missing values. No
    cell is taken for a formula by a spreadsheet (see ``formatting.csv_safe``).
    """
    tables = (table for section in _TABLES for table in section_tables(report, section))
    return {f"{table.name}.csv": to_csv(table) for table in tables}


def zip_tables(report: TestReport) -> bytes:
    """Return all CSV tables in one ZIP archive; the same report gives the same bytes."""
    buffer = io.BytesIO()
    moment = report.created_at.timetuple()[:6]
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in csv_tables(report).items():
            archive.writestr(
                zipfile.ZipInfo(name, moment), text, compress_type=zipfile.ZIP_DEFLATED
            )
    return buffer.getvalue()


def to_csv(table: Table) -> str:
    """Return one table as CSV text."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([csv_safe(column.name) for column in table.columns])
    for row in table.rows:
        writer.writerow([_csv_cell(cell) for cell in row])
    return buffer.getvalue()


def _csv_cell(cell: Cell) -> Cell:
    return csv_safe(plain_text(cell)) if isinstance(cell, str) else cell


# --- verdict, stages, model ------------------------------------------------------------------


def _check_rows(checks: Sequence[Check]) -> list[list[Cell]]:
    return [
        [
            check.id,
            check.section,
            check.title,
            check.verdict.value,
            check.value,
            check.unit,
            check.comparison,
            check.threshold,
            check.threshold_source,
            check.reason,
        ]
        for check in checks
    ]


def _verdict(report: TestReport) -> Iterator[Table]:
    columns = (
        Column("id"),
        Column("section"),
        Column("title", title="Check"),
        Column("verdict"),
        Column("value"),
        Column("unit"),
        Column("comparison"),
        Column("threshold"),
        Column("threshold_source"),
        Column("reason"),
    )
    yield Table("checks", "Checks", columns, _check_rows(report.verdict.checks))
    yield Table("gate", "Gate", columns, _check_rows(report.gate.checks if report.gate else []))


def _stages(report: TestReport) -> Iterator[Table]:
    columns = (Column("stage"), Column("status"), Column("seconds", "s"), Column("reason"))
    rows = [
        [each.stage.value, each.status.value, each.seconds, each.reason] for each in report.stages
    ]
    yield Table("stages", "Stages", columns, rows)


# --- performance -----------------------------------------------------------------------------


def _performance(report: TestReport) -> Iterator[Table]:
    section = report.performance
    yield Table(
        "latency",
        "Latency of single rows",
        (
            Column("percentile"),
            Column("value_ms", "ms", "Duration"),
            Column("low_ms", "ms", "Interval from"),
            Column("high_ms", "ms", "to"),
            Column("n", title="Calls"),
        ),
        [[name, x.value, x.low, x.high, x.n] for name, x in section.percentiles_ms.items()],
    )
    yield Table(
        "batches",
        "Speed by batch size",
        (
            Column("batch_size", title="Rows per call"),
            Column("n_calls", title="Calls"),
            Column("p50_ms", "ms"),
            Column("p95_ms", "ms"),
            Column("rows_per_second", "rows/s"),
            Column("us_per_row", "µs"),
        ),
        [
            [x.batch_size, x.n_calls, x.p50_ms, x.p95_ms, x.rows_per_second, x.us_per_row]
            for x in section.batches
        ],
    )
    columns = (Column("row"), Column("error"))
    rows: list[list[Cell]] = [[failing.row, failing.error] for failing in section.failing_rows]
    yield Table("failing_rows", "Rows on which the model raised", columns, rows)


# --- quality ---------------------------------------------------------------------------------


def _quality(report: TestReport) -> Iterator[Table]:
    section = report.quality
    metrics: list[list[Cell]] = [
        [
            metric.name,
            metric.estimate.value,
            metric.estimate.low,
            metric.estimate.high,
            metric.baseline,
            metric.baseline_name,
            metric.higher_is_better,
            metric.estimate.n,
            metric.estimate.reason,
        ]
        for metric in section.metrics
    ]
    yield Table(
        "metrics",
        "Metrics",
        (
            Column("metric"),
            Column("value"),
            Column("low", title="Interval from"),
            Column("high", title="to"),
            Column("baseline"),
            Column("baseline_name", title="Baseline is"),
            Column("higher_is_better", title="Higher is better"),
            Column("n", title="Rows"),
            Column("reason"),
        ),
        metrics,
    )
    yield Table(
        "per_class",
        "By class",
        (
            Column("class", title="Class"),
            Column("support", title="True rows"),
            Column("predicted", title="Predicted rows"),
            Column("precision", "share"),
            Column("recall", "share"),
            Column("f1", "share"),
        ),
        [[x.label, x.support, x.predicted, x.precision, x.recall, x.f1] for x in section.per_class],
    )
    yield _confusion(report)
    yield _slices(report)


def _confusion(report: TestReport) -> Table:
    section = report.quality
    columns = [Column("true_class", title="True class")]
    columns += [Column(f"predicted {name}", title=f"→ {name}") for name in section.classes]
    weighted = section.details.weighted_confusion if section.details else None
    cells: Sequence[Sequence[float]] = weighted or section.confusion or []
    rows: list[list[Cell]] = [
        [name, *line] for name, line in zip(section.classes, cells, strict=False)
    ]
    heading = "Confusion matrix" if weighted is None else "Confusion matrix (weights of rows)"
    return Table("confusion", heading, columns, rows)


def _slices(report: TestReport) -> Table:
    rows: list[list[Cell]] = [
        [
            item.description,
            item.n,
            item.share,
            item.metric,
            item.value.value,
            item.value.low,
            item.value.high,
            item.rest,
            item.p_adjusted,
            item.confirmed,
        ]
        for item in report.quality.slices
    ]
    return Table(
        "slices",
        "Weakest slices",
        (
            Column("slice"),
            Column("rows"),
            Column("share", "share", "Share of rows"),
            Column("metric"),
            Column("value"),
            Column("low", title="Interval from"),
            Column("high", title="to"),
            Column("rest", title="Other rows"),
            Column("p_adjusted", "p"),
            Column("confirmed"),
        ),
        rows,
    )


# --- behaviour -------------------------------------------------------------------------------


def _behaviour(report: TestReport) -> Iterator[Table]:
    section = report.behaviour
    yield Table(
        "behaviour",
        "Odd inputs",
        (
            Column("case"),
            Column("group"),
            Column("verdict"),
            Column("sent"),
            Column("came_back", title="Came back"),
            Column("affected_share", "share", "Rows affected"),
            Column("why"),
        ),
        [
            [x.title, x.group, x.verdict.value, x.sent, x.came_back, x.affected_share, x.why]
            for x in section.cases
        ],
    )
    yield Table(
        "noise",
        "Effect of noise",
        (
            Column("noise_std", title="Noise (std)"),
            Column("flipped_share", "share"),
            Column("low", "share", "Interval from"),
            Column("high", "share", "to"),
            Column("mean_change"),
        ),
        [
            [
                x.noise,
                x.flipped_share.value,
                x.flipped_share.low,
                x.flipped_share.high,
                x.mean_change,
            ]
            for x in section.noise
        ],
    )


# --- drift -----------------------------------------------------------------------------------


def _drift(report: TestReport) -> Iterator[Table]:
    section = report.drift
    yield Table(
        "drift_scenarios",
        "Scenarios",
        (
            Column("scenario"),
            Column("unit", title="Severity 1 means"),
            Column("harm", "share"),
            Column("harm_severity", title="Harmful from severity"),
            Column("first_noticed", title="Noticed from severity"),
            Column("skipped", title="Not run because"),
        ),
        [
            [x.title, x.unit, x.harm, x.harm_severity, x.first_noticed.get("default"), x.skipped]
            for x in section.scenarios
        ],
    )
    yield Table(
        "drift_points",
        "Every scenario and severity",
        (
            Column("scenario"),
            Column("severity"),
            Column("columns_flagged", title="Columns flagged"),
            Column("harm", "share"),
            Column("flipped_share", "share"),
            Column("mean_change"),
            Column("quality"),
            Column("quality_change"),
            Column("noticed_by", title="Noticed by"),
            Column("error"),
        ),
        [row for scenario in section.scenarios for row in _point_rows(scenario)],
    )
    yield Table(
        "drift_ranking",
        "Whose drift hurts most",
        (
            Column("feature"),
            Column("harm", "share"),
            Column("quality_change"),
            Column("noticed"),
            Column("scenario"),
            Column("comment"),
        ),
        [
            [x.feature, x.harm, x.quality_change, x.noticed, x.scenario, x.comment]
            for x in section.ranking
        ],
    )


def _point_rows(scenario: ScenarioResult) -> Iterator[list[Cell]]:
    for point in scenario.points:
        change = point.prediction
        yield [
            scenario.title,
            point.severity,
            point.n_columns_flagged,
            point.harm,
            change.flipped_share if change else None,
            change.mean_change if change else None,
            point.quality.value if point.quality else None,
            point.quality_change,
            ", ".join(name for name, noticed in point.tests_noticed.items() if noticed),
            point.error,
        ]


# --- explanations and data -------------------------------------------------------------------


def _explanations(report: TestReport) -> Iterator[Table]:
    columns = (
        Column("output"),
        Column("rank"),
        Column("feature"),
        Column("importance"),
        Column("error", title="Standard error"),
        Column("share", "share", "Share of importance"),
        Column("direction"),
        Column("clear", title="Clearly above 0"),
        Column("tied_with_next", title="Tied with the next"),
    )
    rows = [
        [
            output.output,
            item.rank,
            item.feature,
            item.importance,
            item.error,
            item.share,
            item.direction,
            item.clear,
            item.tied_with_next,
        ]
        for output in report.explanations.outputs
        for item in output.importance
    ]
    yield Table("importance", "Importance", columns, rows)
    if report.explanations.texts:
        yield _words(report.explanations.texts)
    opinion = report.explanations.opinion
    if opinion is not None:
        yield from _opinion(opinion)


def _words(texts: Sequence[TextExplanation]) -> Table:
    columns = (
        Column("output"),
        Column("column"),
        Column("word"),
        Column("importance"),
        Column("word_contribution"),
        Column("n_texts", title="Texts with it"),
    )
    rows: list[list[Cell]] = [
        [text.output, text.column, item.word, item.importance, item.effect, item.n_texts]
        for text in texts
        for item in text.importance
    ]
    return Table("words", "Words", columns, rows)


def _opinion(opinion: SecondOpinion) -> Iterator[Table]:
    columns = (Column("feature"), Column("importance", title="Loss of score"))
    errors = (Column("error", title="Standard error"), Column("clear", title="Clearly above 0"))
    shuffled: list[list[Cell]] = [
        [item.feature, item.importance, item.error, item.clear] for item in opinion.permutation
    ]
    yield Table("shuffled_columns", "Shuffled columns", (*columns, *errors), shuffled)
    pairs: list[list[Cell]] = [
        [pair.first, pair.second, pair.strength, pair.measure] for pair in opinion.correlated
    ]
    columns = (Column("first", title="Column"), Column("second", title="Other column"))
    strength = (Column("strength", title="Strength"), Column("measure", title="Measure"))
    title = "Columns that say nearly the same"
    yield Table("correlated_columns", title, (*columns, *strength), pairs)


def _data(report: TestReport) -> Iterator[Table]:
    yield Table(
        "columns",
        "Columns",
        (
            Column("column"),
            Column("kind", title="Type"),
            Column("missing"),
            Column("unique"),
            Column("mean"),
            Column("std", title="Std"),
            Column("minimum"),
            Column("median", title="Median"),
            Column("maximum"),
        ),
        [
            [
                item.name,
                item.kind,
                item.n_missing,
                item.n_unique,
                item.mean,
                item.std,
                item.minimum,
                item.median,
                item.maximum,
            ]
            for item in report.data.columns
        ],
    )


def _model(report: TestReport) -> Iterator[Table]:
    parameters = report.model.info.parameters if report.model.info else {}
    columns = (Column("parameter"), Column("value"))
    rows = [[name, value] for name, value in parameters.items()]
    yield Table("parameters", "Parameters reported by the model", columns, rows)


_TABLES: dict[str, Callable[[TestReport], Iterator[Table]]] = {
    "verdict": _verdict,
    "performance": _performance,
    "quality": _quality,
    "behaviour": _behaviour,
    "drift": _drift,
    "explanations": _explanations,
    "data": _data,
    "model": _model,
    "reproduce": _stages,
}
