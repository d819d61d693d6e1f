"""What is asked of and answered by the playground with a model of the user's own.

Owns: ``OwnKnobs`` and ``OwnOutcome``. Light: no numbers are computed here.
"""

from __future__ import annotations

from pydantic import Field

from base_types import TypedModel
from drift_types import DriftReport

ALL_COLUMNS = "all columns"


class OwnKnobs(TypedModel):
    """What a player can turn; the defaults change nothing. True answers stay what they were."""

    columns: str = Field(
        default=ALL_COLUMNS, max_length=1000, description="One column, or all that fit"
    )
    offset: float = Field(default=0.0, ge=-3, le=3, description="Standard deviations")
    spread: float = Field(default=1.0, ge=0.2, le=4, description="Factor")
    noise: float = Field(default=0.0, ge=0, le=3, description="Standard deviations")
    unit: float = Field(default=1.0, gt=0, le=1000, description="Factor on one column")
    outliers: float = Field(default=0.0, ge=0, le=0.5, description="Share of values")
    missing: float = Field(default=0.0, ge=0, le=0.95, description="Share of cells")
    mix: float = Field(default=0.0, ge=0, le=0.9, description="Share to the rarest label")
    odds: float = Field(default=1.0, ge=1, le=20, description="Factor on the odds of a class")
    seed: int = Field(default=0, ge=0, le=2**32 - 1)


class OwnOutcome(TypedModel):
    """What came out of one setting of the knobs.

    ``score`` is of the drifted rows, ``score_before`` of the same half untouched; both are None
    without labels. ``estimated`` is the mean probability of the chosen class.
    """

    report: DriftReport
    inputs: list[str]
    metric: str | None = None
    score: float | None = None
    score_before: float | None = None
    estimated: float | None = None
    estimated_before: float | None = None
    harm: float | None = Field(default=None, description="As ``drift_impact.harm_of``")
