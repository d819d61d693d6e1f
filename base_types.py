"""The bricks of every result: typed model, section status, estimate with interval.

Owns: ``TypedModel``, ``Status``, ``Section``, ``Estimate``, ``Histogram``. Everything that is
stored, sent or drawn is built from these; none of them computes anything.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

Label = str | int | float | bool
"""A class label or category as JSON can carry it."""

Cell = str | int | float | bool | None
"""One value of a table as JSON carries it; None is missing."""


class TypedModel(BaseModel):
    """Base of every boundary type: unknown keys are refused, NaN and infinity become ``null``."""

    model_config = ConfigDict(
        extra="forbid", protected_namespaces=(), ser_json_inf_nan="null", populate_by_name=True
    )


class Status(StrEnum):
    """What became of a section of a report."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"


class Section(TypedModel):
    """Base of each section of a report; ``reason`` is one sentence unless the status is ok."""

    status: Status = Status.OK
    reason: str | None = None
    seconds: float | None = Field(default=None, description="Wall time the stage took")


class Estimate(TypedModel):
    """A number with its uncertainty, or the reason why there is none.

    ``value`` is None exactly when ``reason`` says why. ``low`` and ``high`` bound the interval of
    ``confidence``; both are None where no honest interval exists (``interval_reason``).
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    n: int | None = Field(default=None, description="Rows or calls it rests on")
    reason: str | None = Field(default=None, description="Why there is no value")
    interval_reason: str | None = Field(default=None, description="Why there is no interval")


class Histogram(TypedModel):
    """Binned counts: ``len(edges) == len(counts) + 1`` for numbers, ``labels`` for categories."""

    edges: list[float] = Field(default_factory=list)
    labels: list[str] = Field(default_factory=list)
    counts: list[int] = Field(default_factory=list)
    n_missing: int = 0
