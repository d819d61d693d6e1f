"""How the parts of a bundle belong together, as data.

Owns: ``Composition`` (guessed, or corrected by hand), ``Part``, and ``FoundBundle``, what the
worker made of a file that holds more than a model. The worker computes them (``worker_bundle``);
the store keeps a corrected one by the file's SHA-256.
"""

from __future__ import annotations

from pydantic import Field

from base_types import TypedModel

MAX_PARTS = 60
MAX_COLUMNS = 20_000


class Part(TypedModel):
    """One member of a bundle."""

    path: str = Field(max_length=400, description="Keys that lead to it, joined by dots")
    class_name: str = Field(default="", max_length=200)
    module: str = Field(default="", max_length=200)
    role: str = Field(default="", max_length=40, description="model, encoder, scaler, labels …")
    columns: list[str] | None = Field(
        default=None, max_length=MAX_COLUMNS, description="Columns it takes; null for all"
    )

    @property
    def full_name(self) -> str:
        """``module.name`` of the class."""
        return f"{self.module}.{self.class_name}" if self.module else self.class_name


class Composition(TypedModel):
    """Which members are applied before the model, in which order, over which columns."""

    model: str = Field(max_length=400, description="Path of the member that predicts")
    parts: list[Part] = Field(
        default_factory=list, max_length=MAX_PARTS, description="In the order of application"
    )
    labels: str | None = Field(default=None, description="Member that names the classes")
    columns: str | None = Field(default=None, description="Member that names the raw columns")
    inputs: list[str] | None = Field(
        default=None, max_length=MAX_COLUMNS, description="The raw columns, where parts take some"
    )
    threshold: str | None = Field(
        default=None, description="Member from which P(second class) on the second class is said"
    )


class FoundBundle(TypedModel):
    """What a file that holds more than a model came to ("reported by the model")."""

    kind: str = Field(description="dict, tuple, list or the class of the object that holds it all")
    members: list[Part] = Field(default_factory=list)
    composition: Composition
    alternatives: list[Composition] = Field(
        default_factory=list, description="Other readings that fit, the likeliest first"
    )
    unused: list[Part] = Field(
        default_factory=list, description="Members that could be applied and are not"
    )
    doubts: list[str] = Field(
        default_factory=list, description="What nothing in the file says for certain"
    )
    class_names: list[str] | None = Field(default=None, description="In the model's order")
    is_corrected: bool = Field(default=False, description="Put together by hand, not guessed")
