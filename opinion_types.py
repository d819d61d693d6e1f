"""What a second look at a model's explanations found: the types of its part of the report.

Owns: ``SecondOpinion`` and its parts. ``explain_opinion`` fills them.
"""

from __future__ import annotations

from pydantic import Field

from base_types import TypedModel


class PermutationImportance(TypedModel):
    """How much worse the model's score becomes when one column is shuffled."""

    feature: str
    importance: float = Field(description="Mean loss of score over the shuffles")
    error: float = Field(description="Standard error of that mean")
    rank: int
    clear: bool = Field(description="Farther from 0 than two standard errors")


class EffectCurve(TypedModel):
    """How the mean answer changes along one column, by two methods."""

    feature: str
    output: str = Field(description="The explained class or target")
    grid: list[float] = Field(default_factory=list, description="Values of a numeric column")
    labels: list[str] = Field(default_factory=list, description="Values of any other column")
    partial_dependence: list[float] = Field(description="Mean answer with all rows at the value")
    ale: list[float] | None = Field(
        default=None, description="Accumulated local effects, moved to the same mean; numbers only"
    )


class CorrelatedColumns(TypedModel):
    """Two columns that say nearly the same."""

    first: str
    second: str
    strength: float = Field(description="Spearman's rho (-1..1) or Cramér's V (0..1)")
    measure: str


class ShiftedImportance(TypedModel):
    """Share of one column in all contributions, on the tested rows and on drifted ones."""

    feature: str
    reference: float
    shifted: float
    error: float | None = Field(
        default=None, description="Standard error of the difference by sampling; null when exact"
    )


class SecondOpinion(TypedModel):
    """Other methods' view of the same model, and where they disagree."""

    metric: str = Field(default="", description="What shuffling was scored by, higher is better")
    baseline_score: float | None = None
    n_rows: int = 0
    n_repeats: int = 0
    permutation: list[PermutationImportance] = Field(default_factory=list)
    permutation_reason: str | None = Field(default=None, description="Why there is none")
    space: str = Field(default="", description="Unit of the curves")
    curves: list[EffectCurve] = Field(default_factory=list)
    correlated: list[CorrelatedColumns] = Field(default_factory=list)
    shift: str = Field(default="", description="How rows were drifted for shifted_importance")
    shift_reason: str | None = Field(default=None, description="Why there are no drifted rows")
    shifted_importance: list[ShiftedImportance] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list, description="One plain sentence each")
    n_model_calls: int = Field(default=0, description="Rows sent to the model")
