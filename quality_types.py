"""Further findings on quality: a test of calibration, gain, the cheapest threshold, residuals.

Owns: the types only.
"""

from __future__ import annotations

from pydantic import Field

from base_types import Estimate, TypedModel


class CalibrationTest(TypedModel):
    """Are the stated probabilities those observed, beyond chance."""

    name: str = "spiegelhalter"
    z: float
    p_value: float
    n: int


class GainPoint(TypedModel):
    """What one finds among the rows with the highest scores."""

    share_flagged: float
    recall: float = Field(description="Gain: share of all positives among them")
    precision: float
    lift: float = Field(description="Precision over the share of positives")


class CostThreshold(TypedModel):
    """The decision threshold with the lowest cost on these rows."""

    threshold: float
    cost_per_row: float
    cost_at_half: float = Field(description="At the threshold 0.5")
    cost_of_all: float = Field(description="Flagging every row")
    cost_of_none: float = Field(description="Flagging no row")
    false_positive: float
    false_negative: float
    theoretical: float = Field(description="Of calibrated probabilities: fp / (fp + fn)")


class ResidualTrend(TypedModel):
    """Whether the errors of a regression depend on something they should not."""

    against: str = Field(description="A column, or 'prediction'")
    correlation: float = Field(description="Rank correlation of the residuals")
    p_value: float
    p_adjusted: float = Field(description="Benjamini-Hochberg over all of them")
    size_correlation: float = Field(description="Rank correlation of the residuals' sizes")
    means: list[tuple[float, float]] = Field(
        default_factory=list, description="Mean value and mean residual in ten equal groups"
    )


class OutputMetric(TypedModel):
    """One metric of one output of a model that answers several per row."""

    output: str
    name: str = Field(description="scikit-learn's name of the metric")
    estimate: Estimate


class QualityDetails(TypedModel):
    """What goes beyond metrics."""

    calibration_test: CalibrationTest | None = None
    gain: list[GainPoint] = Field(default_factory=list)
    cost: CostThreshold | None = None
    weighted_confusion: list[list[float]] | None = Field(
        default=None, description="Weights of rows added up per cell: rows true, columns predicted"
    )
    residuals: list[ResidualTrend] = Field(default_factory=list)
    outputs: list[OutputMetric] = Field(
        default_factory=list, description="Of models with several outputs: each of them alone"
    )
    weight_column: str | None = Field(
        default=None, description="Column of the sample that says what each row counts for"
    )
