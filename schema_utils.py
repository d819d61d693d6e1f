"""Features and schemas: what a model's input looks like, and when a description of it is valid.

Owns: ``Feature``, ``Schema``, the check of a schema and how a feature is drawn by default. How
schemas are read, merged and edited is in ``schema_json``, ``schema_merge`` and ``schema_table``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from typing import Literal

from pydantic import Field

from base_types import Label, TypedModel
from date_forms import TimeForm
from errors import SchemaError

MAX_FEATURES = 50_000
"""More columns than this are no table that we test."""


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
        default=None,
        description="Empirical: equally spaced quantiles, first = min, last = max; of text: of the "
        "number of words",
    )
    missing_rate: float = Field(default=0.0, ge=0.0, le=1.0)
    outlier_rate: float = Field(default=0.0, ge=0.0, le=1.0)
    time_form: TimeForm | None = Field(
        default=None, description="Datetime: the number that the model takes; null for times"
    )
    is_target: bool = False
    source: Literal["hand", "json", "sample", "model", "default"] = "default"
    notes: list[str] = Field(default_factory=list)


class ConstantSum(TypedModel):
    """Columns that add up to the same number in every row."""

    names: list[str]
    total: float


class Schema(TypedModel):
    """The columns of a table, in order, at most one of them the target."""

    version: Literal[1] = 1
    features: list[Feature] = Field(default_factory=list)
    correlation: list[list[float]] | None = Field(
        default=None,
        description="Gaussian-copula correlation of the numeric inputs named in correlation_names",
    )
    correlation_names: list[str] | None = None
    ordered: list[tuple[str, str]] = Field(
        default_factory=list, description="Pairs of numeric inputs: the first is never above"
    )
    sums: list[ConstantSum] = Field(
        default_factory=list, description="Numeric inputs that always add up to the same"
    )

    @property
    def inputs(self) -> list[Feature]:
        """Features that go into the model, in order."""
        return [feature for feature in self.features if not feature.is_target]

    @property
    def target(self) -> Feature | None:
        """The target, if one is known."""
        return next((feature for feature in self.features if feature.is_target), None)


def time_forms(schema: Schema) -> dict[str, TimeForm]:
    """Return the columns of times that the model takes as numbers."""
    return {each.name: each.time_form for each in schema.inputs if each.time_form is not None}


PARAMETERS: dict[Distribution, tuple[str, ...]] = {
    Distribution.UNIFORM: ("low", "high"),
    Distribution.NORMAL: ("mean", "std"),
    Distribution.LOGNORMAL: ("mean", "sigma"),
    Distribution.EXPONENTIAL: ("scale", "loc"),
    Distribution.POISSON: ("rate",),
    Distribution.BETA: ("a", "b"),
    Distribution.CONSTANT: ("value",),
    Distribution.CHOICE: (),
    Distribution.EMPIRICAL: (),
}
"""Names of the parameters of each distribution."""

_REQUIRED = {
    Distribution.NORMAL: ("mean", "std"),
    Distribution.LOGNORMAL: ("mean", "sigma"),
    Distribution.EXPONENTIAL: ("scale",),
    Distribution.POISSON: ("rate",),
    Distribution.BETA: ("a", "b"),
}
_POSITIVE = {"std", "sigma", "scale", "rate", "a", "b"}
_OF_CATEGORIES = (Distribution.CHOICE, Distribution.CONSTANT)
_OF_TIMES = (Distribution.UNIFORM, Distribution.EMPIRICAL, Distribution.CONSTANT)
_OF_NUMBERS = tuple(set(Distribution) - {Distribution.CHOICE})


def allowed_distributions(kind: Kind) -> tuple[Distribution, ...]:
    """Return the distributions that a column of ``kind`` can be drawn from.

    Examples
    --------
    >>> [str(each) for each in allowed_distributions(Kind.BOOLEAN)]
    ['choice', 'constant']
    """
    if kind.is_numeric:
        return _OF_NUMBERS
    return _OF_TIMES if kind is Kind.DATETIME else _OF_CATEGORIES


def default_distribution(feature: Feature) -> tuple[Distribution, dict[str, float]]:
    """Choose how to draw a feature for which nobody said it.

    Parameters
    ----------
    feature : Feature
        What is known: categories, quantiles, range, mean and std in ``parameters``.

    Returns
    -------
    distribution : Distribution
        Choice for categories, booleans and text; empirical where quantiles are known; normal
        where a mean and a standard deviation are; uniform over a known range; else standard normal
        (numbers) or uniform over 2020-2024 (datetimes).
    parameters : dict
        Its parameters.

    Examples
    --------
    >>> default_distribution(Feature(name="age", minimum=18, maximum=90))
    (<Distribution.UNIFORM: 'uniform'>, {'low': 18.0, 'high': 90.0})
    """
    if not (feature.kind.is_numeric or feature.kind is Kind.DATETIME):
        return Distribution.CHOICE, {}
    if feature.quantiles:
        return Distribution.EMPIRICAL, {}
    low, high = feature.minimum, feature.maximum
    if feature.kind is Kind.DATETIME:
        return Distribution.UNIFORM, _time_range(low, high)
    if {"mean", "std"} <= feature.parameters.keys() and feature.parameters["std"] > 0:
        return Distribution.NORMAL, {name: feature.parameters[name] for name in ("mean", "std")}
    if low is not None and high is not None:
        return Distribution.UNIFORM, {"low": low, "high": high}
    return Distribution.NORMAL, {"mean": _one_sided_mean(low, high), "std": 1.0}


def _time_range(low: float | None, high: float | None) -> dict[str, float]:
    """Return a range in seconds since 1970; an open side lies five years from the other."""
    five_years = 5 * 365.25 * 86_400
    if low is None and high is None:
        low = 1_577_836_800.0  # 2020-01-01
    if low is None:
        low = (high or 0.0) - five_years
    return {"low": low, "high": low + five_years if high is None else high}


def _one_sided_mean(low: float | None, high: float | None) -> float:
    """Return a mean two standard deviations inside the one bound that is known."""
    if low is not None:
        return low + 2.0
    return 0.0 if high is None else high - 2.0


def check_schema(schema: Schema, *, complete: bool = True) -> list[str]:
    """Find everything that is wrong with a schema.

    Parameters
    ----------
    schema : Schema
        The schema to check.
    complete : bool
        Whether it must say enough to draw data from it. False for a schema that is still to be
        merged with others.

    Returns
    -------
    list of str
        One sentence per problem, naming feature and field; empty when the schema is valid.

    Examples
    --------
    >>> check_schema(Schema(features=[Feature(name="age", minimum=70, maximum=30)]))
    ["Feature 'age', field 'minimum': 70 is larger than maximum 30; swap them or clear one."]
    """
    return list(_problems(schema, complete))


def ensure_schema(schema: Schema, *, complete: bool = True) -> Schema:
    """Return the schema unchanged, or raise.

    Raises
    ------
    SchemaError
        With the first problems, each naming feature and field.
    """
    problems = check_schema(schema, complete=complete)
    if not problems:
        return schema
    more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
    raise SchemaError(" ".join(problems[:5]) + more)


def feature_problems(feature: Feature, *, complete: bool = True) -> Iterator[tuple[str, str]]:
    """Yield ``(field, problem)`` for everything wrong with one feature alone."""
    yield from _name_problems(feature)
    yield from _range_problems(feature)
    yield from _category_problems(feature, complete)
    yield from _distribution_problems(feature, complete)
    yield from _quantile_problems(feature)
    if feature.outlier_rate > 0 and not feature.kind.is_numeric:
        yield "outlier_rate", f"only numbers have outliers, this is {feature.kind}; set it to 0."


def _problems(schema: Schema, complete: bool) -> Iterator[str]:
    """Yield the problems of the schema, feature by feature, then of the whole."""
    for feature in schema.features:
        for field, problem in feature_problems(feature, complete=complete):
            yield f"Feature {feature.name!r}, field {field!r}: {problem}"
    counts = Counter(feature.name for feature in schema.features)
    for name, count in counts.items():
        if count > 1:
            yield f"Feature {name!r}, field 'name': used {count} times; rename all but one."
    targets = [feature.name for feature in schema.features if feature.is_target]
    if len(targets) > 1:
        yield f"Feature {targets[1]!r}, field 'is_target': {targets[0]!r} is the target already."
    if complete and not schema.inputs:
        yield "The schema has no input feature; add at least one."
    if len(schema.features) > MAX_FEATURES:
        yield f"The schema has {len(schema.features):,} features; at most {MAX_FEATURES:,} work."
    yield from _correlation_problems(schema)


def _name_problems(feature: Feature) -> Iterator[tuple[str, str]]:
    if not feature.name.strip():
        yield "name", "it is empty; give the column's name."
    elif len(feature.name) > 1000:
        yield "name", f"it has {len(feature.name):,} characters; at most 1,000 are allowed."


def _range_problems(feature: Feature) -> Iterator[tuple[str, str]]:
    low, high = feature.minimum, feature.maximum
    for field, value in (("minimum", low), ("maximum", high)):
        if value is None:
            continue
        if not math.isfinite(value):
            yield field, f"{value} is not a finite number; clear it."
        elif not (feature.kind.is_numeric or feature.kind is Kind.DATETIME):
            yield field, f"a {feature.kind} feature has no range; clear it."
    if low is not None and high is not None and low > high:
        yield "minimum", f"{low:g} is larger than maximum {high:g}; swap them or clear one."
    elif feature.kind is Kind.INTEGER and not _holds_integer(low, high):
        yield "minimum", f"there is no whole number between {low:g} and {high:g}; widen it."


def _holds_integer(low: float | None, high: float | None) -> bool:
    """Whether a whole number lies in a finite range; open and infinite ranges hold one."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return True
    return math.ceil(low) <= math.floor(high)


def _category_problems(feature: Feature, complete: bool) -> Iterator[tuple[str, str]]:
    labels = feature.categories
    if labels is None:
        if complete and feature.kind is Kind.CATEGORICAL:
            yield "categories", "a categorical feature needs at least one; list them."
    elif feature.kind.is_numeric or feature.kind is Kind.DATETIME:
        yield "categories", f"a {feature.kind} feature has none; clear them or change the kind."
    elif not labels:
        yield "categories", "the list is empty; list at least one or clear it."
    elif len({(type(label), label) for label in labels}) < len(labels):
        twice = Counter(labels).most_common(1)[0][0]
        yield "categories", f"{twice!r} is listed twice; remove one."
    elif any(isinstance(label, float) and not math.isfinite(label) for label in labels):
        yield "categories", "NaN and infinity are no categories; use missing_rate."
    elif feature.kind is Kind.BOOLEAN and not set(labels) <= {True, False}:
        yield "categories", "a boolean feature has only true and false; change the kind."
    yield from _frequency_problems(feature)


def _frequency_problems(feature: Feature) -> Iterator[tuple[str, str]]:
    shares = feature.frequencies
    if shares is None:
        return
    n_labels = len(feature.categories or ())
    if feature.kind is Kind.BOOLEAN and feature.categories is None:
        n_labels = 2
    if len(shares) != n_labels:
        yield "frequencies", f"{len(shares)} shares for {n_labels} categories; give one for each."
    elif not all(math.isfinite(share) and share >= 0 for share in shares):
        yield "frequencies", "every share must be a number of at least 0."
    elif abs(sum(shares) - 1) > 0.005:
        yield "frequencies", f"the shares sum to {sum(shares):g}; they must sum to 1."


def _distribution_problems(feature: Feature, complete: bool) -> Iterator[tuple[str, str]]:
    kind, distribution = feature.kind, feature.distribution
    if distribution is None:
        return
    allowed = allowed_distributions(kind)
    if distribution not in allowed:
        names = ", ".join(sorted(allowed))
        yield "distribution", f"a {kind} feature cannot be {distribution}; choose {names}."
        return
    if complete and distribution is Distribution.EMPIRICAL and not feature.quantiles:
        yield "distribution", "empirical needs a sample to draw from; give one or choose another."
    bounded = feature.minimum is not None and feature.maximum is not None
    if complete and distribution is Distribution.BETA and not bounded:
        yield "distribution", "beta is scaled to the range; give minimum and maximum."
    if complete and distribution is Distribution.UNIFORM and not _has_ends(feature):
        yield "distribution", "uniform needs a range; give minimum and maximum."
    yield from _parameter_problems(feature, distribution)


def _has_ends(feature: Feature) -> bool:
    """Whether both ends of a uniform range are known, as parameters or as the range."""
    low = feature.parameters.get("low", feature.minimum)
    high = feature.parameters.get("high", feature.maximum)
    return low is not None and high is not None


def _parameter_problems(feature: Feature, distribution: Distribution) -> Iterator[tuple[str, str]]:
    given, names = feature.parameters, PARAMETERS[distribution]
    for name, value in given.items():
        if name not in names:
            known = ", ".join(names) or "no parameters"
            yield "parameters", f"{distribution} has no {name!r}; it has {known}."
        elif not math.isfinite(value):
            yield "parameters", f"{name} is {value}; give a finite number."
        elif name in _POSITIVE and value <= 0:
            yield "parameters", f"{name} is {value:g}; it must be larger than 0."
    for name in _REQUIRED.get(distribution, ()):
        if name not in given:
            yield "parameters", f"{distribution} needs {name!r}; give it as {name}=…"
    if distribution is Distribution.CONSTANT and "value" not in given and not feature.categories:
        yield "parameters", "constant needs its value; give it as value=…"
    if given.get("low", -math.inf) > given.get("high", math.inf):
        yield "parameters", f"low {given['low']:g} is larger than high {given['high']:g}; swap."


def _quantile_problems(feature: Feature) -> Iterator[tuple[str, str]]:
    values = feature.quantiles
    if values is None:
        return
    if len(values) < 2:
        yield "quantiles", f"{len(values)} values; at least two are needed."
    elif not all(map(math.isfinite, values)):
        yield "quantiles", "every quantile must be a finite number."
    elif values != sorted(values):
        yield "quantiles", "they must not fall; sort them."
    elif feature.kind is Kind.TEXT and values[0] < 0:
        yield "quantiles", f"{values[0]:g} words; of text they are numbers of words, at least 0."


def _correlation_problems(schema: Schema) -> Iterator[str]:
    matrix, names = schema.correlation, schema.correlation_names
    if matrix is None and names is None:
        return
    if matrix is None or names is None:
        yield "The schema's correlation needs both 'correlation' and 'correlation_names'."
        return
    size = len(names)
    if len(matrix) != size or any(len(row) != size for row in matrix):
        yield f"The schema's field 'correlation' is not {size} × {size}, one row for each name."
        return
    if any(not (math.isfinite(value) and abs(value) <= 1) for row in matrix for value in row):
        yield "The schema's field 'correlation' has a value outside -1..1."
    elif any(abs(matrix[i][j] - matrix[j][i]) > 1e-6 for i in range(size) for j in range(i)):
        yield "The schema's field 'correlation' is not symmetric."
    numeric = {feature.name for feature in schema.inputs if feature.kind.is_numeric}
    for name in names:
        if name not in numeric:
            yield f"Feature {name!r}, field 'correlation_names': it is no numeric input."
