"""What is compared between groups of rows: one row per group, the widest gap per measure.

Owns: the types only.
"""

from __future__ import annotations

from pydantic import Field

from base_types import Estimate, TypedModel


class GroupValue(TypedModel):
    """One measure in one group."""

    group: str
    estimate: Estimate


class GroupGap(TypedModel):
    """One measure over all groups, and the gap between the lowest and the highest."""

    measure: str = Field(description="positive_share, accuracy, recall or mean_error …")
    groups: list[GroupValue] = Field(default_factory=list)
    lowest: str | None = None
    highest: str | None = None
    gap: Estimate = Field(default_factory=Estimate, description="Highest minus lowest")
    p_value: float | None = Field(
        default=None, description="Of no difference, corrected for the pairs of groups (Bonferroni)"
    )


class GroupComparison(TypedModel):
    """Whether the model treats groups of a column alike."""

    column: str
    guessed: bool = Field(default=False, description="Chosen by its name, not by the user")
    gaps: list[GroupGap] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
