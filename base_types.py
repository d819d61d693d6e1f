"""The bricks of every result: typed model, section status, estimate with interval.

Owns: ``TypedModel``, ``Status``, ``Section``, ``Estimate``, ``Histogram``. Everything that is
stored, sent or drawn is built from these; none of them computes anything.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Label = str | int | float | bool
"""A class label or category as JSON can carry it."""

NOT_FINITE = "The numbers are too large to compute it in double precision."
"""Why there is no value where one overflowed."""

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

    Examples
    --------
    >>> Estimate(value=float("inf")).reason == NOT_FINITE
    True
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    n: int | None = Field(default=None, description="Rows or calls it rests on")
    reason: str | None = Field(default=None, description="Why there is no value")
    interval_reason: str | None = Field(default=None, description="Why there is no interval")

    @model_validator(mode="after")
    def _numbers_alone(self) -> Self:
        """Let nothing that overflowed pass for a number: JSON and the store have none for it."""
        if self.value is not None and not math.isfinite(self.value):
            self.value = self.low = self.high = None
            self.reason = self.reason or NOT_FINITE
        if not all(bound is None or math.isfinite(bound) for bound in (self.low, self.high)):
            self.low = self.high = None
            self.interval_reason = self.interval_reason or NOT_FINITE
        return self


class Histogram(TypedModel):
    """Binned counts: ``len(edges) == len(counts) + 1`` for numbers, ``labels`` for categories."""

    edges: list[float] = Field(default_factory=list)
    labels: list[str] = Field(default_factory=list)
    counts: list[int] = Field(default_factory=list)
    n_missing: int = 0
