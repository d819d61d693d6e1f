"""What drift looks like in a report: one test, one column, one scenario, one comparison.

Owns: the types only, JSON-serialisable without loss; ``report_types`` holds the rest of a report.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from base_types import Cell, Estimate, Histogram, Section, TypedModel


class DriftTest(TypedModel):
    """One test of one column, recomputable from what it states."""

    name: str = Field(description="e.g. kolmogorov_smirnov, psi, chi_square")
    statistic: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    effect_size: float | None = None
    threshold: float | None = None
    threshold_source: str = ""
    drift_detected: bool | None = None
    method: str = Field(default="", description="Bins, and how the p-value was found")
    reason: str | None = None


class DriftVerdict(StrEnum):
    """Three-way verdict for a column."""

    NONE = "no drift"
    POSSIBLE = "possible"
    DRIFT = "drift"
    UNKNOWN = "not checked"


class FeatureDrift(TypedModel):
    """Reference against current for one column."""

    feature: str
    kind: str
    n_reference: int
    n_current: int
    verdict: DriftVerdict
    why: str
    tests: list[DriftTest] = Field(default_factory=list)
    missing_reference: float = 0.0
    missing_current: float = 0.0
    new_categories: list[str] = Field(default_factory=list)
    reference: Histogram = Field(default_factory=Histogram)
    current: Histogram = Field(default_factory=Histogram)


class PredictionChange(TypedModel):
    """What drifted input does to the predictions of the same rows."""

    distance: float | None = Field(default=None, description="Distance of the distributions")
    distance_name: str = ""
    flipped_share: float | None = Field(default=None, description="Rows with another label")
    mean_change: float | None = Field(default=None, description="Mean change of value or P(pos)")
    n_failed: int = 0


class SeverityPoint(TypedModel):
    """One scenario at one severity."""

    severity: float
    parameters: dict[str, Cell] = Field(default_factory=dict)
    features: list[FeatureDrift] = Field(default_factory=list, description="Touched columns only")
    tests_noticed: dict[str, bool] = Field(default_factory=dict, description="By test name")
    power: dict[str, float] = Field(
        default_factory=dict, description="By test: share of the repetitions in which it noticed"
    )
    n_columns_flagged: int = 0
    harm: float | None = Field(
        default=None,
        description="How much the answers change, 0..1: share of other labels, or mean |change| "
        "in standard deviations of the predictions; None where rows are exchanged, not changed",
    )
    prediction: PredictionChange | None = None
    prediction_drift: FeatureDrift | None = None
    quality: Estimate | None = None
    quality_change: float | None = None
    error: str | None = Field(default=None, description="The model failed on this data")


class ScenarioResult(TypedModel):
    """One way the data may drift, at increasing severity."""

    id: str
    title: str
    description: str
    unit: str = Field(description="What severity 1 means")
    columns: list[str] = Field(default_factory=list)
    points: list[SeverityPoint] = Field(default_factory=list)
    first_noticed: dict[str, float | None] = Field(default_factory=dict, description="By test")
    harm: float | None = Field(default=None, description="Largest harm over the severities, 0..1")
    harm_severity: float | None = Field(default=None, description="Where harm reaches 10 %")
    skipped: str | None = None


class FeatureHarm(TypedModel):
    """How much the drift of one feature alone hurts this model."""

    feature: str
    harm: float = Field(description="Flipped share, or mean |change| / std of predictions")
    quality_change: float | None = None
    noticed: bool = False
    scenario: str = ""
    comment: str = ""


class DriftSection(Section):
    """T12: simulated drift; T13 uses ``DriftReport``."""

    reference: str = ""
    n_reference: int = 0
    n_current: int = 0
    quality_metric: str | None = None
    quality_reference: float | None = None
    scenarios: list[ScenarioResult] = Field(default_factory=list)
    ranking: list[FeatureHarm] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


class DriftReport(Section):
    """T13: reference against current data, all columns and the prediction."""

    n_reference: int = 0
    n_current: int = 0
    alpha: float = Field(default=0.05, description="Largest corrected p-value that counts")
    features: list[FeatureDrift] = Field(default_factory=list)
    prediction: FeatureDrift | None = None
    multivariate: list[DriftTest] = Field(
        default_factory=list, description="All columns at once, from drift_multivariate"
    )
    n_drifted: int = 0
    verdict: DriftVerdict = DriftVerdict.UNKNOWN
    correction: str = "Benjamini-Hochberg"
    notes: list[str] = Field(default_factory=list)
