"""What was asked for and could not be looked at: the sample, its true answers, whole stages.

Owns: ``check_gaps``, checks of the verdict that exist only where something is missing, so that a
model is never passed for want of evidence that its user believes was weighed.
"""

from __future__ import annotations

from collections.abc import Iterator

from base_types import Status
from model_types import Task
from report_types import Check, Stage, TestReport, Verdict

_LOOKS = {Stage.PERFORMANCE, Stage.QUALITY, Stage.BEHAVIOUR, Stage.DRIFT, Stage.EXPLAIN}
_UNLABELLED = {Task.CLUSTERING, Task.OUTLIER}


def check_gaps(report: TestReport) -> Iterator[Check]:
    """Warn of a sample, true answers or stages that could not be used; nothing where all could.

    Parameters
    ----------
    report : TestReport
        Its model has loaded.
    """
    data = report.data
    if data.sha256 is not None and data.source != "sample":
        why = next(iter(data.warnings), None) or report.schema_.reason or data.reason
        yield _gap("data.sample", "data", "The sample could not be used", why)
    elif _answers_unused(report):
        why = next(iter(report.quality.notes), None)
        yield _gap("quality.labels", "quality", "The true answers could not be used", why)
    for record in report.stages:
        if record.status is Status.FAILED and record.stage in _LOOKS:
            name = "explanations" if record.stage is Stage.EXPLAIN else record.stage.value
            yield _gap(f"{name}.ran", name, f"The part {name!r} failed", record.reason)


def _answers_unused(report: TestReport) -> bool:
    """Whether true answers were named or guessed, and no quality could be measured by them."""
    named = report.config.target or report.config.targets or report.data.target
    info = report.model.info
    if not named or info is None or info.task in _UNLABELLED or report.data.sha256 is None:
        return False
    known = any(metric.estimate.value is not None for metric in report.quality.metrics)
    return report.quality.status is Status.OK and not known


def _gap(identifier: str, section: str, title: str, reason: str | None) -> Check:
    return Check(
        id=identifier,
        section=section,
        title=title,
        verdict=Verdict.WARN,
        reason=reason or "No reason was given.",
    )
