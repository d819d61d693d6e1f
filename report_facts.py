"""The single numbers of a report in words: name, value with unit, what it means.

Owns: which facts each section shows and in which order; the headline numbers of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from composition_types import FoundBundle
from diagnosis_types import VersionComparison
from explanation_reading import ROUNDING
from formatting import (
    byte_size,
    count,
    duration,
    duration_ms,
    estimate,
    number,
    percent,
    rows_per_second,
    timestamp,
    with_unit,
)
from glossary import title
from model_types import Task
from report_types import TestReport
from run_summary import main_metric
from word_reading import telling_sentence, telling_text


class Fact(NamedTuple):
    """One number or property.

    Parameters
    ----------
    name : str
        What it is called.
    value : str
        The value with its unit, and its interval where there is one.
    term : str
        Key of the glossary entry that explains it; empty for none.
    note : str
        What to compare it with.
    """

    name: str
    value: str
    term: str = ""
    note: str = ""


def headline(report: TestReport) -> list[Fact]:
    """Return the three to five numbers that say most about a run; only those that exist."""
    return list(_headline(report))


def _headline(report: TestReport) -> Iterator[Fact]:
    metric = main_metric(report)
    if metric is not None:
        baseline = "" if metric.baseline is None else f"baseline {number(metric.baseline)}"
        yield Fact(title(metric.name), number(metric.estimate.value), metric.name, baseline)
    p95 = report.performance.percentiles_ms.get("p95")
    if p95 is not None and p95.value is not None:
        limit = next((x for x in report.verdict.checks if x.id == "performance.latency"), None)
        note = "" if limit is None else f"limit {with_unit(limit.threshold, limit.unit)}"
        yield Fact("p95 latency", duration_ms(p95.value), "p95", note)
    best = report.performance.best_rows_per_second
    if best is not None:
        yield Fact("Throughput", rows_per_second(best), "throughput", "best batch size")
    harms = [each.harm for each in report.drift.scenarios if each.harm is not None]
    if harms:
        by_number = report.model.info is not None and report.model.info.task is Task.REGRESSION
        note = "of a standard deviation" if by_number else "of the answers change"
        yield Fact("Largest harm by drift", percent(max(harms)), "harm", note)
    if report.behaviour.cases:
        odd = sum(case.verdict.value in ("silent", "broken") for case in report.behaviour.cases)
        note = f"of {count(len(report.behaviour.cases), 'odd input')}"
        yield Fact("Silent or broken", number(odd), "silent", note)


def section_facts(report: TestReport, section: str) -> list[Fact]:
    """Return the facts of a section in reading order; missing ones are left out."""
    return [fact for fact in _FACTS[section](report) if fact.value not in ("", "–")]


def _verdict(report: TestReport) -> Iterator[Fact]:
    yield Fact("Run", report.run_id)
    yield Fact("Started", timestamp(report.created_at))
    if report.finished_at is not None:
        seconds = (report.finished_at - report.created_at).total_seconds()
        yield Fact("Duration", duration(seconds))


def _performance(report: TestReport) -> Iterator[Fact]:
    section = report.performance
    for name, value in section.percentiles_ms.items():
        yield Fact(title(name), estimate(value, "ms"), name)
    yield Fact("p95 undisturbed", duration_ms(section.undisturbed_p95_ms), "undisturbed_p95_ms")
    yield Fact("Disturbed calls", percent(section.disturbed_share), "disturbed_share")
    yield Fact("Cores with other work", number(section.other_cores, digits=2), "other_cores")
    yield Fact("Cold first call", duration_ms(section.cold_call_ms), "cold_call_ms")
    yield Fact("Best throughput", rows_per_second(section.best_rows_per_second), "throughput")
    yield Fact("Peak memory", with_unit(section.peak_memory_mb, "MB"), "peak_memory_mb")
    failed = f"{number(section.n_rows_failed)} of {count(section.n_rows_tried, 'row')}"
    yield Fact("Error rate", estimate(section.error_rate, "share"), "error_rate", failed)
    yield Fact("How measured", section.protocol)


def _quality(report: TestReport) -> Iterator[Fact]:
    section = report.quality
    yield Fact("Rows", number(section.n_rows) if section.n_rows else "")
    yield Fact("Labels from", section.labels_from or "")
    yield Fact("Positive class", section.positive_class or "")
    error = number(section.expected_calibration_error)
    yield Fact("Calibration error", error, "expected_calibration_error")


def _behaviour(report: TestReport) -> Iterator[Fact]:
    cases = report.behaviour.cases
    for verdict in dict.fromkeys(case.verdict for case in cases):
        amount = sum(case.verdict is verdict for case in cases)
        yield Fact(title(verdict.value), count(amount, "case"), verdict.value)


def _drift(report: TestReport) -> Iterator[Fact]:
    section = report.drift
    yield Fact("Reference", section.reference)
    yield Fact("Reference rows", number(section.n_reference) if section.n_reference else "")
    yield Fact("Drifted rows", number(section.n_current) if section.n_current else "")
    if section.quality_metric:
        value = number(section.quality_reference)
        yield Fact(f"{title(section.quality_metric)} without drift", value, section.quality_metric)


def _explanations(report: TestReport) -> Iterator[Fact]:
    section = report.explanations
    if section.method is None:
        return
    exact = "exact" if section.exact else "estimated"
    yield Fact("Method", f"{section.method}, {exact}", section.method)
    yield Fact("Explained output", section.space, "space")
    yield Fact("Explained rows", number(len(section.rows)))
    yield Fact("Background rows", number(section.background_rows), "background")
    yield Fact("Rows sent to the model", number(section.n_model_calls))
    yield Fact("Relative error", percent(section.relative_error), "relative_error")
    gap = section.additivity_gap
    rounding = gap is not None and gap <= ROUNDING
    yield Fact("Additivity gap", "rounding only" if rounding else number(gap), "additivity_gap")
    telling = telling_text(section.texts[0]) if section.texts else None
    if telling is not None:
        row = section.row_numbers[telling.position]
        yield Fact(f"Words of row {row}", telling_sentence(section.texts[0]), "word_contribution")


def _data(report: TestReport) -> Iterator[Fact]:
    section = report.data
    yield Fact("Source", f"{section.source} {section.name or ''}".strip())
    yield Fact("Rows tested", number(section.n_rows))
    yield Fact("Rows of the sample", number(section.n_sample_rows))
    yield Fact("Target", section.target or "")
    yield Fact("SHA-256", section.sha256 or "")
    yield Fact("Schema from", ", ".join(report.schema_.sources))


def chain_text(found: FoundBundle) -> str:
    """Return in which order the parts of a bundle are applied, in one line.

    Examples
    --------
    >>> from composition_types import Composition, Part
    >>> said = Composition(model="clf", parts=[Part(path="le", columns=["city"])], labels="names")
    >>> chain_text(FoundBundle(kind="dict", composition=said))
    'le (city) → clf → names'
    """
    said = found.composition
    steps = [
        part.path if part.columns is None else f"{part.path} ({', '.join(part.columns[:4])})"
        for part in said.parts
    ]
    return " → ".join([*steps, said.model, *([said.labels] if said.labels else [])])


def versions_sentence(versions: VersionComparison) -> str:
    """Return how far the answers of two sets of versions agree.

    Examples
    --------
    >>> versions_sentence(VersionComparison(n_rows=100, n_different=1, largest_difference=0.25))
    'Both answered 100 rows: 1 prediction differs, by numbers of at most 0.25.'
    """
    if versions.reason is not None:
        return f"Not compared. {versions.reason}"
    largest = versions.largest_difference
    far = "" if largest is None else f", by numbers of at most {number(largest)}"
    verb = "differs" if versions.n_different == 1 else "differ"
    rows, differing = count(versions.n_rows, "row"), count(versions.n_different, "prediction")
    return f"Both answered {rows}: {differing} {verb}{far}."


def _model(report: TestReport) -> Iterator[Fact]:
    file, info = report.model.file, report.model.info
    if file is not None:
        yield Fact("File", file.name)
        yield Fact("Size", byte_size(file.size_bytes))
        yield Fact("SHA-256", file.sha256)
        yield Fact("Container", " ".join(filter(None, (file.container, file.compression))))
        if file.decompressed_bytes is not None:
            yield Fact("Unpacked", byte_size(file.decompressed_bytes))
        yield Fact("Safety", file.safety.value, "safety", " ".join(file.reasons[:3]))
        yield Fact("Written with", _versions(file.written_with))
    if report.model.bundle is not None:
        yield Fact("Put together", chain_text(report.model.bundle))
    if report.model.diagnosis is not None:
        yield Fact("Before loading", report.model.diagnosis.plan)
    if report.model.environment is not None:
        used = report.model.environment
        yield Fact("Answered by", used.title, "", used.reason)
    if report.model.versions is not None:
        yield Fact("Both versions", versions_sentence(report.model.versions))
    if info is not None:
        yield Fact("Task", info.task.value)
        yield Fact("Estimator", info.estimator)
        yield Fact("Predictor", info.final_estimator)
        yield Fact("Features", number(info.n_features))
        yield Fact("Runs with", _versions(info.versions))
    yield Fact("Loading time", duration_ms(report.model.load_ms), "load_ms")
    yield Fact("Isolation", report.model.isolation, "isolation")
    yield Fact("Policy", report.model.policy)
    yield Fact("Own code", report.model.approval or "")


def _reproduce(report: TestReport) -> Iterator[Fact]:
    environment = report.environment
    yield Fact("Seed", str(report.config.seed), "seed")
    yield Fact("Product version", environment.product_version)
    yield Fact("Python", environment.python)
    yield Fact("Platform", environment.platform)
    yield Fact("Processor", environment.cpu, "", count(environment.n_cpus or 0, "core"))
    yield Fact("Load of the machine", number(environment.load_average))
    yield Fact("Libraries", _versions(environment.libraries))


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


_FACTS: dict[str, Callable[[TestReport], Iterator[Fact]]] = {
    "verdict": _verdict,
    "performance": _performance,
    "quality": _quality,
    "behaviour": _behaviour,
    "drift": _drift,
    "explanations": _explanations,
    "data": _data,
    "model": _model,
    "reproduce": _reproduce,
}
