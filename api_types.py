"""What the API sends: the forms of its answers.

Owns: the response types and how they are made from a run's record and report. Picks values that
are there; computes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from base_types import TypedModel
from report_types import Check, GateResult, RunStatus, Stage, TestReport, Verdict
from run_summary import trend_metrics
from run_types import RunItem, RunRecord
from settings import EVERY_ADDRESS, Settings, http_address

_ORDER = {Verdict.FAIL: 0, Verdict.WARN: 1, Verdict.PASS: 2, Verdict.SKIP: 3}


class Problem(TypedModel):
    """What went wrong (RFC 9457), sent as ``application/problem+json``."""

    type: str = Field(default="about:blank", description="Kind of problem, a stable name")
    title: str = Field(description="Kind of problem in words")
    status: int = Field(description="The HTTP status again")
    detail: str = Field(description="What was found, what was expected, what to do")
    instance: str | None = Field(default=None, description="Path of the request")
    request_id: str | None = Field(default=None, description="X-Request-ID, to find it in a log")
    errors: list[dict[str, str]] = Field(
        default_factory=list, description="Wrong fields: pointer and detail of each"
    )


class MetricValue(TypedModel):
    """A number with its 95 % interval where there is one."""

    value: float
    low: float | None = None
    high: float | None = None


class RunAnswer(TypedModel):
    """The summary of a run: where it is, and what came out once it has ended."""

    run_id: str
    status: RunStatus
    verdict: Verdict | None = Field(default=None, description="Only when the status is done")
    summary: str | None = Field(default=None, description="The verdict in one sentence")
    error: str | None = Field(default=None, description="Why the run has no report")
    model_name: str
    model_sha256: str
    task: str | None = None
    estimator: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    seconds: float | None = None
    stage: Stage | None = None
    fraction: float = Field(description="Progress, 0 to 1")
    message: str = Field(default="", description="What is being done")
    labels: dict[str, str] = Field(default_factory=dict)
    checks: list[Check] = Field(default_factory=list, description="Failed first, then warnings")
    gate: GateResult | None = Field(default=None, description="What the policy sent says")
    metrics: dict[str, MetricValue] = Field(default_factory=dict, description="Main numbers")
    links: dict[str, str] = Field(default_factory=dict, description="Where to read more")


class RunList(TypedModel):
    """One page of the list of runs."""

    runs: list[RunItem]
    total: int = Field(description="Runs on all pages")
    limit: int
    offset: int
    next: str | None = Field(default=None, description="Path of the next page")


class Readiness(TypedModel):
    """Whether runs can be taken."""

    status: str = Field(description="ready or not ready")
    store: str = Field(description="ok, or what is wrong")
    runner: str = Field(description="ok, or what is wrong")
    isolation: str = Field(description="How models are held; empty until that has been tried")
    n_queued: int | None = None
    n_running: int | None = None
    slots: int
    model_policy: str


def run_answer(
    record: RunRecord, report: TestReport | None, base_url: str, settings: Settings
) -> RunAnswer:
    """Return the summary of a run, with checks and numbers once there is a report."""
    common = set(RunAnswer.model_fields) & set(RunRecord.model_fields)
    known: dict[str, Any] = {name: getattr(record, name) for name in common}
    answer = RunAnswer(
        **known,
        run_id=record.id,
        summary=record.verdict_summary,
        links=_links(record.id, base_url, settings, has_report=report is not None),
    )
    if report is not None:
        answer.checks = sorted(report.verdict.checks, key=lambda check: _ORDER[check.verdict])
        answer.gate = report.gate
        answer.metrics = {
            name: MetricValue.model_validate(number.model_dump(include={"value", "low", "high"}))
            for name, number in trend_metrics(report).items()
        }
    return answer


def _links(run_id: str, base_url: str, settings: Settings, *, has_report: bool) -> dict[str, str]:
    here = f"{base_url.rstrip('/')}/runs/{run_id}"
    host = settings.dashboard_host
    if host in EVERY_ADDRESS:  # then by the name that the caller came by
        host = urlsplit(base_url).hostname or host
    page = f"{http_address(host, settings.dashboard_port)}/run?run={run_id}"
    links = {"self": here, "dashboard": page}
    if has_report:
        links |= {"report": f"{here}/report", "html": f"{here}/report.html"}
    return links
