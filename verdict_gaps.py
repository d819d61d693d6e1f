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
    """Whether true answers were named, and quality was measured without them."""
    named = report.config.target is not None or bool(report.config.targets)
    asked = named and report.data.sha256 is not None and report.quality.status is Status.OK
    info = report.model.info
    judged = info is not None and info.task not in _UNLABELLED
    return asked and judged and not report.quality.has_labels


def _gap(identifier: str, section: str, title: str, reason: str | None) -> Check:
    return Check(
        id=identifier,
        section=section,
        title=title,
        verdict=Verdict.WARN,
        reason=reason or "No reason was given.",
    )
