"""What the store says about runs, without their whole reports.

Owns: ``RunItem`` (a row of the list), ``RunRecord`` (with the request), ``RunFilter`` and
``RunSort`` (how to ask for rows), ``MetricPoint`` (a number over time), ``QueueState``,
``Artifact`` and run ids. Used by both doors; computes nothing.
"""

from __future__ import annotations

import math
import secrets
import time
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field

from base_types import TypedModel
from errors import InputError
from report_types import RunRequest, RunStatus, Stage, Verdict

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


def new_run_id() -> str:
    """Return a fresh id: 26 characters, sorted by time of creation, 80 random bits (a ULID).

    Examples
    --------
    >>> len(new_run_id())
    26
    """
    number = (int(time.time() * 1000) << 80) | secrets.randbits(80)
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


def check_label_name(name: str) -> None:
    """Refuse the name of a label that a search could not find.

    Raises
    ------
    InputError
        It holds a quotation mark or a backslash, which the paths of JSON columns cannot name.

    Examples
    --------
    >>> check_label_name("branch")
    """
    if '"' in name or "\\" in name:
        msg = f"The label {name[:60]!r} holds a quotation mark or a backslash; use another name"
        raise InputError(msg)


def no_run(run_id: str) -> str:
    """Return the sentence for a run that does not exist.

    Examples
    --------
    >>> no_run("7")
    "There is no run '7'; it may have been deleted"
    """
    return f"There is no run {run_id[:64]!r}; it may have been deleted"


class RunSummary(TypedModel):
    """The few numbers of a report that lists, trends and gates show."""

    verdict: Verdict | None = None
    gate_verdict: Verdict | None = Field(default=None, description="Where a policy was given")
    verdict_summary: str | None = None
    n_failed_checks: int | None = None
    n_warned_checks: int | None = None
    task: str | None = None
    estimator: str | None = None
    metric_name: str | None = Field(default=None, description="Main quality metric")
    metric_value: float | None = None
    metric_low: float | None = None
    metric_high: float | None = None
    p50_ms: float | None = Field(default=None, description="Median latency of one row")
    p95_ms: float | None = None
    drift_harm: float | None = Field(
        default=None, description="Largest harm by the simulated drift of one feature, 0..1"
    )


class RunItem(RunSummary):
    """One run as the list of runs shows it."""

    id: str
    status: RunStatus
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    seconds: float | None = Field(default=None, description="From start to end")
    model_name: str
    model_sha256: str
    source: str
    labels: dict[str, str] = Field(default_factory=dict)
    stage: Stage | None = None
    fraction: float = Field(default=0.0, description="Progress of the whole run, 0..1")
    message: str = ""
    cancel_requested: bool = False
    error: str | None = Field(default=None, description="Why the run has no report")


class KeptRun(NamedTuple):
    """A finished run as retention sees it.

    Parameters
    ----------
    item : RunItem
        The run.
    size_bytes : int
        Its report and its share of the files that it uses.
    is_named : bool
        Whether another run was told to compare with it.
    """

    item: RunItem
    size_bytes: int = 0
    is_named: bool = False


class RunRecord(RunItem):
    """One run with everything the store knows of it but the report."""

    request: RunRequest
    created_by: str | None = Field(default=None, description="Who began it: token, user or local")
    owner: str | None = Field(default=None, description="Runner that works on it")
    heartbeat_at: datetime | None = None


class RunSort(StrEnum):
    """Columns a list of runs may be sorted by."""

    CREATED = "created_at"
    MODEL = "model_name"
    STATUS = "status"
    VERDICT = "verdict"
    METRIC = "metric_value"
    LATENCY = "p50_ms"
    SECONDS = "seconds"


class RunFilter(TypedModel):
    """Which runs to list; every condition given must hold."""

    text: str | None = Field(
        default=None, description="Part of id, model, estimator, verdict sentence or labels"
    )
    model_name: str | None = None
    model_sha256: str | None = None
    verdict: Verdict | None = None
    status: RunStatus | None = None
    source: str | None = None
    labels: dict[str, str] = Field(default_factory=dict, description="All of them must match")
    since: datetime | None = Field(default=None, description="Not before")
    until: datetime | None = Field(default=None, description="Before")


class MetricPoint(TypedModel):
    """One number of one finished run, for trends."""

    run_id: str
    created_at: datetime
    model_name: str
    model_sha256: str
    verdict: Verdict | None = None
    metric: str
    value: float
    low: float | None = None
    high: float | None = None


class Artifact(TypedModel):
    """A stored file, known by the SHA-256 of its bytes."""

    sha256: str
    size_bytes: int
    kind: str = Field(description="model, sample, data …")
    name: str
    created_at: datetime


class QueueState(TypedModel):
    """How busy the product is."""

    n_queued: int
    n_running: int
    median_seconds: float = Field(description="Of the last finished runs; 5 without any")

    def retry_after_seconds(self, slots: int) -> int:
        """Return when a place in the queue is likely to be free, 1 to 300 seconds.

        Examples
        --------
        >>> QueueState(n_queued=4, n_running=2, median_seconds=3.0).retry_after_seconds(slots=2)
        6
        """
        return min(300, max(1, math.ceil(self.n_queued * self.median_seconds / slots)))
