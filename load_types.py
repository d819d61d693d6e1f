"""What a load test says: waiting at a rate of arrivals, processes at once, memory over time.

Owns: the types only.
"""

from __future__ import annotations

from pydantic import Field

from base_types import Estimate, TypedModel


class ArrivalPoint(TypedModel):
    """Response times when calls arrive at random at one rate (open loop, waiting included)."""

    rate: float = Field(description="Calls per second on average (Poisson)")
    utilisation: float = Field(description="Share of the time the model is busy")
    p50_ms: float
    p99_ms: float
    p99_low_ms: float | None = Field(default=None, description="95 % interval of p99")
    p99_high_ms: float | None = Field(default=None, description="None beside a low end: open")


class ConcurrencyPoint(TypedModel):
    """Several processes of the model, each called again as soon as it has answered."""

    processes: int
    n_calls: int
    calls_per_second: float = Field(description="Of all processes together")
    efficiency: float = Field(description="Share of that many times the rate of one process")
    p50: Estimate = Field(description="ms, as p95 and p99")
    p95: Estimate
    p99: Estimate


class LoadTest(TypedModel):
    """How the model stands load: waiting is computed from its calls, the rest is measured."""

    arrivals: list[ArrivalPoint] = Field(default_factory=list)
    chosen: ArrivalPoint | None = Field(default=None, description="At the rate asked for")
    p99_limit_ms: float | None = None
    p99_limit_source: str = ""
    highest_rate: Estimate = Field(
        default_factory=Estimate, description="Calls per second that keep p99 within the limit"
    )
    offline_batch: int | None = Field(default=None, description="Rows of the fastest batch")
    offline_rows_per_second: float | None = None
    gc_on_p50_ms: float | None = Field(default=None, description="With garbage collection on")
    gc_on_p99_ms: float | None = None
    gc_off_p50_ms: float | None = None
    gc_off_p99_ms: float | None = None
    frame_p50_ms: float | None = Field(default=None, description="One row as a DataFrame")
    array_p50_ms: float | None = Field(default=None, description="One row as a bare array")
    one_filter_p50_ms: float | None = Field(
        default=None, description="One row, with one filter that ignores all warnings"
    )
    growth_mb_per_1000_calls: float | None = None
    growth_calls: int = Field(default=0, description="Calls over which memory was watched")
    concurrency: list[ConcurrencyPoint] = Field(default_factory=list)
    cold_start_ms: float | None = Field(
        default=None, description="From asking for a further process to its first answer, median"
    )
    notes: list[str] = Field(default_factory=list)
