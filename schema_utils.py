"""Features and schemas: what a model's input looks like.

Owns: ``Feature``, ``Schema`` and everything that makes, merges or checks them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from base_types import Label, TypedModel


class Kind(StrEnum):
    """The type of a column."""

    FLOAT = "float"
    INTEGER = "integer"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    TEXT = "text"

    @property
    def is_numeric(self) -> bool:
        """Whether the column holds numbers one may average."""
        return self in (Kind.FLOAT, Kind.INTEGER)


class Distribution(StrEnum):
    """How values of a feature are drawn; parameters in ``Feature.parameters``."""

    UNIFORM = "uniform"  # low, high (default: minimum, maximum)
    NORMAL = "normal"  # mean, std
    LOGNORMAL = "lognormal"  # mean, sigma of the logarithm
    EXPONENTIAL = "exponential"  # scale, loc
    POISSON = "poisson"  # rate
    BETA = "beta"  # a, b, scaled to minimum..maximum
    CONSTANT = "constant"  # value (numbers) or the only category
    CHOICE = "choice"  # categories with frequencies
    EMPIRICAL = "empirical"  # quantiles of the sample


class Feature(TypedModel):
    """One column: its type, where its values lie and how to draw new ones."""

    name: str
    kind: Kind = Kind.FLOAT
    minimum: float | None = Field(default=None, description="Datetime: seconds since 1970 (UTC)")
    maximum: float | None = None
    categories: list[Label] | None = None
    frequencies: list[float] | None = Field(
        default=None, description="Share of each category, same order, sums to 1"
    )
    distribution: Distribution | None = None
    parameters: dict[str, float] = Field(default_factory=dict)
    quantiles: list[float] | None = Field(
        default=None, description="Empirical: equally spaced quantiles, first = min, last = max"
    )
    missing_rate: float = Field(default=0.0, ge=0.0, le=1.0)
    outlier_rate: float = Field(default=0.0, ge=0.0, le=1.0)
    is_target: bool = False
    source: Literal["hand", "json", "sample", "model", "default"] = "default"
    notes: list[str] = Field(default_factory=list)


class Schema(TypedModel):
    """The columns of a table, in order, at most one of them the target."""

    version: Literal[1] = 1
    features: list[Feature] = Field(default_factory=list)
    correlation: list[list[float]] | None = Field(
        default=None,
        description="Gaussian-copula correlation of the numeric inputs named in correlation_names",
    )
    correlation_names: list[str] | None = None

    @property
    def inputs(self) -> list[Feature]:
        """Features that go into the model, in order."""
        return [feature for feature in self.features if not feature.is_target]

    @property
    def target(self) -> Feature | None:
        """The target, if one is known."""
        return next((feature for feature in self.features if feature.is_target), None)
