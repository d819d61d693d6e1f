"""How much of a model the tested rows reach.

Owns: the type only.
"""

from __future__ import annotations

from pydantic import Field

from base_types import TypedModel


class Reach(TypedModel):
    """Classes and leaves that made-up rows visit, beside those that uniform noise visits."""

    n_classes: int | None = Field(default=None, description="Classes the model knows")
    classes: int | None = Field(default=None, description="Predicted for the tested rows")
    classes_by_noise: int | None = Field(default=None, description="Predicted for noise")
    n_leaves: int | None = Field(default=None, description="Leaves of all trees")
    leaves: int | None = None
    leaves_by_noise: int | None = None
    n_rows: int = Field(default=0, description="Rows of either kind")
    reason: str | None = Field(default=None, description="Why leaves were not counted")
