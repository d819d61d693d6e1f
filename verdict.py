"""From a finished report to pass, warn or fail, with a reason for each check.

Owns: the default thresholds with their sources, and the rules that weigh sections into one verdict.
Every threshold can be overridden by name in ``RunConfig.thresholds``; the report then says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from base_types import Estimate, Status
from drift_types import ScenarioResult
from formatting import count, duration_ms, number, percent
from glossary import title as title_of
from model_types import Safety
from probability_curves import calibration_noise
from report_types import (
    BehaviourVerdict,
    Check,
    Metric,
    Slice,
    TestReport,
    Verdict,
    VerdictSection,
)
from run_summary import main_metric
from verdict_answers import check_answers
from verdict_gaps import check_gaps


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit with its reason.

    Parameters
    ----------
    value : float
        Default limit, in ``unit``.
    unit : str
        Unit of the value as shown.
    source : str
        Where the number comes from, one sentence.
    """

    value: float
    unit: str
    source: str


THRESHOLDS: dict[str, Threshold] = {
    "latency_p95_warn_ms": Threshold(
        100.0, "ms", "People notice a delay above 0.1 s (Nielsen, Usability Engineering, 1993)."
    ),
    "latency_p95_fail_ms": Threshold(
        1000.0, "ms", "Above 1 s a user's flow of thought breaks (Nielsen, 1993)."
    ),
    "error_rate_fail": Threshold(
        0.01, "share", "One request in a hundred failing is visible to users; our default."
    ),
    "calibration_error_warn": Threshold(
        0.10, "share", "Probabilities off by more than 10 points mislead decisions; our default."
    ),
    "noise_flips_warn": Threshold(
        0.05,
        "share",
        "Noise of 1 % of a standard deviation should hardly flip an answer; our default.",
    ),
    "drift_harm_warn": Threshold(
        0.10, "share", "Harm: one answer in ten changes before any alarm rings; our default."
    ),
    "dominant_feature_warn": Threshold(
        0.90, "share", "One column with over 90 % of the importance is often a leak; our default."
    ),
}
"""Default limits. Changing one changes verdicts of the same data: note it in CHANGELOG.md."""

MIN_DRIFT_ROWS = 100
"""Reference rows below which the drift alarm is not judged: a shift of half a standard deviation
is found by a two-sample test at 5 % with power 0.9 only from about 85 rows a side."""

MIN_JUDGED_ROWS = 30
"""Rows below which a model that does no better than a trivial one is not failed for it while the
interval of its metric still holds better values: 8 rows say nearly nothing."""

_ORDER = {Verdict.FAIL: 0, Verdict.WARN: 1, Verdict.PASS: 2, Verdict.SKIP: 3}


def judge(report: TestReport) -> VerdictSection:
    """Weigh every section of ``report``; the worst check decides, skipped ones do not count."""
    checks = sorted(_all_checks(report), key=lambda check: _ORDER[check.verdict])
    counted = [check.verdict for check in checks if check.verdict is not Verdict.SKIP]
    worst = min(counted, key=_ORDER.__getitem__, default=Verdict.SKIP)
    return VerdictSection(verdict=worst, summary=_summary(checks, worst), checks=checks)


def _all_checks(report: TestReport) -> Iterator[Check]:
    yield _check_load(report)
    yield from _check_safety(report)
    yield from _check_versions(report)
    if report.model.info is None:
        return
    yield from check_gaps(report)
    yield from _check_latency(report)
    yield from _check_errors(report)
    yield from check_answers(report, *_limit(report, "error_rate_fail"))
    yield from _check_quality(report)
    yield from _check_calibration(report)
    yield from _check_slices(report)
    yield from _check_behaviour(report)
    yield from _check_noise(report)
    yield from _check_drift(report)
    yield from _check_explanation(report)


def _summary(checks: list[Check], worst: Verdict) -> str:
    decisive = [check.title for check in checks if check.verdict is worst]
    counted = sum(check.verdict is not Verdict.SKIP for check in checks)
    if worst is Verdict.PASS:
        return f"All {counted} checks passed."
    if worst is Verdict.SKIP:
        return "Nothing could be checked."
    word = (
        "failed"
        if worst is Verdict.FAIL
        else "deserve a look"
        if len(decisive) > 1
        else "deserves a look"
    )
    return f"{len(decisive)} of {counted} checks {word}: {'; '.join(decisive[:3])}."


def _limit(report: TestReport, name: str) -> tuple[float, str]:
    default = THRESHOLDS[name]
    if name in report.config.thresholds:
        return report.config.thresholds[name], "Set for this run."
    return default.value, default.source


def _skipped(identifier: str, section: str, title: str, reason: str | None) -> Check:
    return Check(
        id=identifier,
        section=section,
        title=title,
        verdict=Verdict.SKIP,
        reason=reason or "Not checked.",
    )


def _check_load(report: TestReport) -> Check:
    section = report.model
    loaded = section.info is not None
    name = section.info.estimator if section.info else ""
    return Check(
        id="model.load",
        section="model",
        title="The model loads" if loaded else "The model does not load",
        verdict=Verdict.PASS if loaded else Verdict.FAIL,
        value=section.load_ms,
        unit="ms",
        reason=f"{name} loaded in its own process."
        if loaded
        else section.reason or "The file could not be loaded.",
    )


def _check_safety(report: TestReport) -> Iterator[Check]:
    file = report.model.file
    if file is None:
        return
    verdicts = {
        Safety.TRUSTED: Verdict.PASS,
        Safety.UNKNOWN: Verdict.WARN,
        Safety.DANGEROUS: Verdict.FAIL,
    }
    verdict, reasons = verdicts[file.safety], file.reasons[:3]
    if report.model.approval:  # the operator has looked at it and answers for it
        verdict, reasons = Verdict.WARN, [f"Its own code is {report.model.approval}.", *reasons]
    yield Check(
        id="model.safety",
        section="model",
        title=f"The file holds {file.safety.value}"
        if file.safety is not Safety.DANGEROUS
        else "The file holds dangerous code",
        verdict=verdict,
        reason=" ".join(reasons) or "Found by reading the file without loading it.",
    )


def _check_versions(report: TestReport) -> Iterator[Check]:
    if report.model.info is None or not report.model.warnings:
        return
    yield Check(
        id="model.versions",
        section="model",
        title="The model warned while loading",
        verdict=Verdict.WARN,
        reason=report.model.warnings[0],
    )


def _check_latency(report: TestReport) -> Iterator[Check]:
    section = report.performance
    title = "One prediction is quick enough"
    p95 = section.percentiles_ms.get("p95", Estimate())
    undisturbed = section.undisturbed_p95_ms is not None
    value = section.undisturbed_p95_ms if undisturbed else p95.value
    if section.status is not Status.OK or value is None:
        yield _skipped("performance.latency", "performance", title, section.reason or p95.reason)
        return
    warn, source = _limit(report, "latency_p95_warn_ms")
    fail, fail_source = _limit(report, "latency_p95_fail_ms")
    verdict, limit = Verdict.PASS, warn
    if value > fail:
        verdict, limit, source = Verdict.FAIL, fail, fail_source
    elif value > warn:
        verdict = Verdict.WARN
    yield Check(
        id="performance.latency",
        section="performance",
        title=title if verdict is Verdict.PASS else "One prediction is slow",
        verdict=verdict,
        value=value,
        unit="ms",
        threshold=limit,
        comparison="<=",
        threshold_source=source,
        reason=f"19 of 20 single-row predictions take at most {duration_ms(value)}"
        + (", leaving out those that other work interrupted." if undisturbed else "."),
    )


def _check_errors(report: TestReport) -> Iterator[Check]:
    section = report.performance
    value = section.error_rate.value
    title = "Every row gets an answer"
    if section.status is not Status.OK or value is None:
        yield _skipped("performance.errors", "performance", title, section.reason)
        return
    limit, source = _limit(report, "error_rate_fail")
    verdict = Verdict.PASS if value == 0 else Verdict.WARN if value <= limit else Verdict.FAIL
    yield Check(
        id="performance.errors",
        section="performance",
        title=title if verdict is Verdict.PASS else "Some rows get an error",
        verdict=verdict,
        value=value,
        unit="share",
        threshold=limit,
        comparison="<=",
        threshold_source=source,
        reason=f"{section.n_rows_failed:,} of {section.n_rows_tried:,} rows raised an exception"
        + "".join(f", such as {_first_sentence(row.error)}" for row in section.failing_rows[:1])
        + ".",
    )


def _first_sentence(error: str) -> str:
    return error.partition(". ")[0].removesuffix(".")[:200]


_BASELINE_TITLES = {
    Verdict.PASS: "Better than a trivial model",
    Verdict.WARN: "Not clearly better than a trivial model",
    Verdict.FAIL: "No better than a trivial model",
    Verdict.SKIP: "Better than a trivial model",
}


def _check_quality(report: TestReport) -> Iterator[Check]:
    section, title = report.quality, _BASELINE_TITLES[Verdict.SKIP]
    metric = main_metric(report)
    if section.status is not Status.OK or not section.has_labels or metric is None:
        why = section.reason or (section.notes[0] if section.notes else None)
        yield _skipped("quality.baseline", "quality", title, why)
        return
    if metric.baseline is None:
        yield _skipped("quality.baseline", "quality", title, "There is no trivial model to beat.")
        return
    verdict, reason = _against_baseline(metric, metric.baseline)
    yield Check(
        id="quality.baseline",
        section="quality",
        title=_BASELINE_TITLES[verdict],
        verdict=verdict,
        value=metric.estimate.value,
        threshold=metric.baseline,
        comparison=">=" if metric.higher_is_better else "<=",
        threshold_source=f"Trivial model: {metric.baseline_name or 'a constant answer'}.",
        reason=reason,
    )


def _against_baseline(metric: Metric, baseline: float) -> tuple[Verdict, str]:
    value, low, high = metric.estimate.value, metric.estimate.low, metric.estimate.high
    if value is None:
        return Verdict.SKIP, metric.estimate.reason or "It could not be computed."
    if baseline == (1.0 if metric.higher_is_better else 0.0):
        return Verdict.WARN, (
            f"{title_of(metric.name)} {number(value)}: all true answers are alike, so that always "
            "giving this one is perfect; test on rows with others."
        )
    sign = 1.0 if metric.higher_is_better else -1.0
    near = low if metric.higher_is_better else high
    better, surely = (
        sign * (value - baseline) > 0,
        near is not None and sign * (near - baseline) > 0,
    )
    far = high if metric.higher_is_better else low
    perhaps = far is not None and sign * (far - baseline) > 0
    n_rows = metric.estimate.n
    name = title_of(metric.name)
    numbers = f"{name} {number(value)} against {number(baseline)}"
    if low is not None and high is not None:
        numbers += f" (95 % interval {number(low)} to {number(high)})"
    if surely:
        return Verdict.PASS, f"{numbers}: the difference is larger than chance."
    if better:
        return Verdict.WARN, f"{numbers}: the difference could be chance."
    if perhaps and n_rows is not None and n_rows < MIN_JUDGED_ROWS:
        return Verdict.WARN, f"{numbers}: {count(n_rows, 'row')} cannot tell."
    return Verdict.FAIL, f"{numbers}: guessing does as well."


def _check_calibration(report: TestReport) -> Iterator[Check]:
    section = report.quality
    error = section.expected_calibration_error
    if section.status is not Status.OK or error is None:
        return
    limit, source = _limit(report, "calibration_error_warn")
    title = "Probabilities mean what they say"
    told = f"Stated and observed frequencies differ by {number(100 * error)} points on average"
    by_chance = calibration_noise(section.calibration)
    if limit < error <= by_chance:
        reason = (
            f"{told}, but on {count(section.n_rows, 'row')} true probabilities differ by up to "
            f"{number(100 * by_chance)}: more rows are needed."
        )
        yield _skipped("quality.calibration", "quality", title, reason)
        return
    good = error <= limit
    yield Check(
        id="quality.calibration",
        section="quality",
        title=title if good else "Probabilities mislead",
        verdict=Verdict.PASS if good else Verdict.WARN,
        value=error,
        unit="share",
        threshold=limit,
        comparison="<=",
        threshold_source=source,
        reason=f"{told}.",
    )


def _check_slices(report: TestReport) -> Iterator[Check]:
    section = report.quality
    if section.status is not Status.OK or not section.has_labels:
        return
    confirmed = [part for part in section.slices if part.confirmed]
    names = "; ".join(_worse(part) for part in confirmed[:3])
    yield Check(
        id="quality.slices",
        section="quality",
        title="A part of the data is served worse" if confirmed else "No part is served worse",
        verdict=Verdict.WARN if confirmed else Verdict.PASS,
        value=float(len(confirmed)),
        threshold=0.0,
        comparison="<=",
        threshold_source="Found on one half of the rows and confirmed on the other.",
        reason=f"Worse where {names}."
        if confirmed
        else section.slices_note or "No weak part was confirmed on held-out rows.",
    )


def _worse(part: Slice) -> str:
    if part.value.value is None or part.rest is None:
        return part.description
    name = title_of(part.metric)
    name = name if name.isupper() else name.lower()
    here, elsewhere = number(part.value.value, digits=3), number(part.rest, digits=3)
    return f"{part.description} ({name} {here}, elsewhere {elsewhere})"


def _check_behaviour(report: TestReport) -> Iterator[Check]:
    section = report.behaviour
    if section.status is not Status.OK:
        yield _skipped("behaviour", "behaviour", "Odd input", section.reason)
        return
    groups: tuple[tuple[Literal["consistency", "structure", "values"], str, Verdict], ...] = (
        ("consistency", "Same rows, same answers", Verdict.FAIL),
        ("structure", "Misshapen tables are refused clearly", Verdict.WARN),
        ("values", "Odd values are handled or refused clearly", Verdict.WARN),
    )
    for group, title, severity in groups:
        cases = [case for case in section.cases if case.group == group]
        broken = [case for case in cases if case.verdict is BehaviourVerdict.BROKEN]
        if not cases:
            continue
        yield Check(
            id=f"behaviour.{group}",
            section="behaviour",
            title=title if not broken else f"{title}: not always",
            verdict=severity if broken else Verdict.PASS,
            value=float(len(broken)),
            threshold=0.0,
            comparison="<=",
            threshold_source="No case may end in a crash or an obscure error.",
            reason=" ".join(f"{case.title}: {case.why or case.came_back}" for case in broken[:3])
            or f"{len(cases)} cases tried, none crashed or contradicted itself.",
        )


def _check_noise(report: TestReport) -> Iterator[Check]:
    points = report.behaviour.noise
    if report.behaviour.status is not Status.OK or not points:
        return
    smallest = min(points, key=lambda point: point.noise)
    flipped = smallest.flipped_share.value
    if flipped is None:
        return
    limit, source = _limit(report, "noise_flips_warn")
    good = flipped <= limit
    yield Check(
        id="behaviour.noise",
        section="behaviour",
        title="Steady under tiny noise" if good else "Tiny noise flips answers",
        verdict=Verdict.PASS if good else Verdict.WARN,
        value=flipped,
        unit="share",
        threshold=limit,
        comparison="<=",
        threshold_source=source,
        reason=f"Noise of {number(smallest.noise)} standard deviations changes "
        f"{percent(flipped)} of the answers.",
    )


def _check_drift(report: TestReport) -> Iterator[Check]:
    section, title = report.drift, "The drift alarm rings before the damage"
    if section.status is not Status.OK:
        yield _skipped("drift.alarm", "drift", title, section.reason)
        return
    if section.n_reference < MIN_DRIFT_ROWS:
        reason = (
            f"{section.n_reference} reference rows are too few for any test to be early; "
            f"upload at least {2 * MIN_DRIFT_ROWS} rows."
        )
        yield _skipped("drift.alarm", "drift", title, reason)
        return
    tried = [item for item in section.scenarios if item.skipped is None]
    limit, source = _limit(report, "drift_harm_warn")
    late = [scenario for scenario in tried if _alarm_is_late(scenario, limit)]
    yield Check(
        id="drift.alarm",
        section="drift",
        title=title if not late else "Some drift does damage before it is noticed",
        verdict=Verdict.WARN if late else Verdict.PASS,
        value=float(len(late)),
        threshold=0.0,
        comparison="<=",
        threshold_source=source,
        reason=f"Unnoticed when it begins to hurt: {', '.join(item.title for item in late[:4])}."
        if late
        else f"{len(tried)} ways to drift were tried at rising severity.",
    )


def _alarm_is_late(scenario: ScenarioResult, limit: float) -> bool:
    """Whether harm passes the limit at a lower severity than the default verdict needs."""
    noticed = scenario.first_noticed.get("default")
    return any(
        point.harm is not None
        and point.harm >= limit
        and (noticed is None or point.severity < noticed)
        for point in scenario.points
    )


def _check_explanation(report: TestReport) -> Iterator[Check]:
    section, title = report.explanations, "No single column decides alone"
    if section.status is not Status.OK or not section.outputs:
        yield _skipped("explanations.dominance", "explanations", title, section.reason)
        return
    shares: dict[str, float] = {}
    for output in section.outputs:
        for item in output.importance:
            shares[item.feature] = shares.get(item.feature, 0.0) + item.share / len(section.outputs)
    if len(shares) < 3 or not shares:
        yield _skipped(
            "explanations.dominance", "explanations", title, "There are too few columns."
        )
        return
    feature, share = max(shares.items(), key=lambda item: item[1])
    limit, source = _limit(report, "dominant_feature_warn")
    good = share <= limit
    yield Check(
        id="explanations.dominance",
        section="explanations",
        title=title if good else "One column decides nearly alone",
        verdict=Verdict.PASS if good else Verdict.WARN,
        value=share,
        unit="share",
        threshold=limit,
        comparison="<=",
        threshold_source=source,
        reason=f"The strongest column, {feature!r}, has {percent(share)} of the importance.",
    )
