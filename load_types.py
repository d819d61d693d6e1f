"""What a load test says: waiting at a rate of arrivals, the largest batch, memory over time.

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


class LoadTest(TypedModel):
    """How the model stands load: computed from its measured calls, one call at a time."""

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
    growth_mb_per_1000_calls: float | None = None
    growth_calls: int = Field(default=0, description="Calls over which memory was watched")
    notes: list[str] = Field(default_factory=list)
