"""Synthetic tables: rows drawn from a schema, the same rows for the same seed.

Owns: ``generate``. Every feature has random streams of its own, seeded by the run's seed and a
hash of the feature's name, so that adding, removing or reordering features changes no other
column, and asking for more rows keeps the first ones. Values are drawn by inversion: one uniform
number per row goes through the inverse distribution function of the feature, cut to its range.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from errors import SchemaError
from schema_constraints import keep_constraints
from schema_utils import (
    Distribution,
    Feature,
    Kind,
    Schema,
    default_distribution,
    ensure_schema,
)

Floats = NDArray[np.float64]

# fmt: off
WORDS = [
    "account", "address", "answer", "area", "bank", "book", "business", "call", "case",
    "change", "city", "company", "cost", "customer", "data", "day", "delivery", "detail",
    "email", "event", "family", "file", "friend", "group", "help", "home", "hour", "house",
    "issue", "item", "letter", "line", "list", "market", "message", "money", "month", "name",
    "news", "note", "number", "office", "order", "page", "part", "payment", "people", "phone",
    "place", "plan", "point", "price", "problem", "product", "question", "reason", "report",
    "request", "result", "room", "sale", "school", "service", "side", "story", "system", "team",
    "test", "ticket", "time", "travel", "value", "visit", "water", "way", "week", "word",
    "work", "year",
]
# fmt: on
"""What text is made of when the schema names no words."""

MAX_WORDS = 10_000
"""Words of a made-up text at the most, so that no schema decides how much memory a row takes."""

_EDGE = 1e-12  # quantiles are taken of [_EDGE, 1 - _EDGE], so that none is infinite
_HUGE = 1e300
_LAST_SECOND = 9_000_000_000  # of the year 2255; nanoseconds end in 2262
_VALUES, _MISSING, _OUTLIERS = range(3)


def generate(
    schema: Schema, n_rows: int, seed: int, *, include_target: bool = False
) -> pd.DataFrame:
    """Draw a table from a schema.

    Parameters
    ----------
    schema : Schema
        A valid schema; features without a distribution get ``default_distribution``.
    n_rows : int
        Rows to draw, 0 or more.
    seed : int
        The same seed gives the same table; 0 or more.
    include_target : bool
        Whether the target is drawn too, as the last column. It is independent of the inputs.

    Returns
    -------
    DataFrame, shape (n_rows, n_inputs)
        Columns in the order of the schema. Dtypes: float64; int64; bool; str; datetime64; int64,
        float64 or object for categories that are not text. Integers and booleans with missing
        values become float64 with NaN, as pandas reads them from a file.

    Raises
    ------
    SchemaError
        The schema is invalid, or a distribution has no mass inside the feature's range.

    Notes
    -----
    *Range.* A draw is conditional on ``minimum <= x <= maximum``: truncated, never clipped.

    *Correlation.* Gaussian copula (Nelsen 2006, section 3.1): normal scores of the independent
    streams are mixed by the symmetric root of the nearest correlation matrix; the marginals stay.

    *Constraints.* ``ordered`` and ``sums`` hold in every row (``schema_constraints``).

    *Outliers.* A share ``outlier_rate`` of the rows is replaced by a value outside the range: one
    to three widths below the minimum or above the maximum. Without a stated range, the 0.1 % and
    99.9 % quantiles stand for it.

    Examples
    --------
    >>> ages = Feature(name="age", kind=Kind.INTEGER, minimum=18, maximum=90)
    >>> generate(Schema(features=[ages]), 3, seed=0)["age"].between(18, 90).all()
    np.True_
    """
    ensure_schema(schema)
    uniforms = _copula(schema, n_rows, seed)
    features = [*schema.inputs]
    if include_target and schema.target is not None:
        features.append(schema.target)
    columns = {
        feature.name: _column(feature, uniforms.get(feature.name), n_rows, seed)
        for feature in features
    }
    return keep_constraints(pd.DataFrame(columns, index=pd.RangeIndex(n_rows)), schema)


def can_draw(feature: Feature) -> bool:
    """Whether the feature's distribution has values inside its range."""
    if not (feature.kind.is_numeric or feature.kind is Kind.DATETIME):
        return True
    try:
        low, high = _law(feature).shares(feature)
    except SchemaError:
        return False
    return low < high


def stream(seed: int, name: str, purpose: int = _VALUES) -> np.random.Generator:
    """Return the random stream of one feature; equal arguments give equal streams."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    key = tuple(np.frombuffer(digest, dtype="<u4").tolist())
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*key, purpose)))


# --- correlation -----------------------------------------------------------------------------


def nearest_correlation(matrix: Floats) -> tuple[Floats, Floats]:
    """Return a valid correlation matrix near ``matrix`` and its symmetric square root.

    Parameters
    ----------
    matrix : ndarray, shape (k, k)
        Symmetric, ones on the diagonal, perhaps with negative eigenvalues.

    Returns
    -------
    correlation, root : ndarray, shape (k, k)
        Negative eigenvalues are set to zero and the diagonal is scaled back to one (the spectral
        method of Rebonato and Jäckel 1999); ``root @ root.T == correlation``.

    Examples
    --------
    >>> nearest_correlation(np.array([[1.0, 0.5], [0.5, 1.0]]))[0].round(6).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    symmetric = (matrix + matrix.T) / 2
    np.fill_diagonal(symmetric, 1.0)
    values, vectors = np.linalg.eigh(symmetric)
    loose = vectors * np.sqrt(np.clip(values, 0.0, None))
    loose /= np.sqrt((loose**2).sum(axis=1, keepdims=True))
    return loose @ loose.T, loose


def _copula(schema: Schema, n_rows: int, seed: int) -> dict[str, Floats]:
    """Return dependent uniform numbers for the correlated features, none without correlation."""
    names = schema.correlation_names or []
    if schema.correlation is None or len(names) < 2:
        return {}
    _, root = nearest_correlation(np.array(schema.correlation, dtype=np.float64))
    scores = np.empty((n_rows, len(names)))
    for position, name in enumerate(names):
        uniform = stream(seed, name).random(n_rows)
        scores[:, position] = special.ndtri(np.clip(uniform, _EDGE, 1 - _EDGE))
    mixed = special.ndtr(scores @ root.T)
    return {name: mixed[:, position] for position, name in enumerate(names)}


# --- one column ------------------------------------------------------------------------------


def _column(feature: Feature, uniform: Floats | None, n_rows: int, seed: int) -> pd.Series[Any]:
    """Draw one column: values, then outliers, then missing values."""
    if uniform is None:
        uniform = stream(seed, feature.name).random(n_rows)
    if feature.kind.is_numeric or feature.kind is Kind.DATETIME:
        column = _numbers(feature, uniform, seed)
    elif feature.kind is Kind.TEXT:
        column = pd.Series(_texts(feature, uniform, seed), dtype="str")
    else:
        column = _labels(feature, uniform)
    if feature.missing_rate > 0:
        missing = stream(seed, feature.name, _MISSING).random(n_rows) < feature.missing_rate
        column = _with_missing(column, missing)
    return column


def _with_missing(column: pd.Series[Any], missing: NDArray[np.bool_]) -> pd.Series[Any]:
    """Blank out rows; integers and booleans become float64, which can hold NaN."""
    if column.dtype.kind in "bi":
        column = column.astype(np.float64)
    return column.mask(missing)


def _numbers(feature: Feature, uniform: Floats, seed: int) -> pd.Series[Any]:
    """Draw numbers or times."""
    law = _law(feature)
    values = law.between(uniform, feature)
    if feature.kind is Kind.INTEGER:
        values = _whole(values, feature)
    if feature.outlier_rate > 0:
        values = _with_outliers(values, law, feature, seed)
    if feature.kind is Kind.DATETIME:
        seconds = np.clip(np.round(values), -_LAST_SECOND, _LAST_SECOND).astype(np.int64)
        return pd.Series(seconds.astype("datetime64[s]").astype("datetime64[us]"))
    if feature.kind is Kind.INTEGER:
        return pd.Series(np.clip(np.round(values), -(2.0**62), 2.0**62).astype(np.int64))
    return pd.Series(values)


def _whole(values: Floats, feature: Feature) -> Floats:
    """Round to the nearest whole number inside the range."""
    low = -np.inf if feature.minimum is None else np.ceil(feature.minimum)
    high = np.inf if feature.maximum is None else np.floor(feature.maximum)
    return np.clip(np.round(values), low, high)


def _with_outliers(values: Floats, law: _Law, feature: Feature, seed: int) -> Floats:
    """Move a share of the values one to three widths beyond the range."""
    rng = stream(seed, feature.name, _OUTLIERS)
    draws = rng.random((len(values), 3))  # whether, which side, how far: row by row
    low, high = (float(law.inverse(np.array([share]))[0]) for share in (0.001, 0.999))
    low = low if feature.minimum is None else feature.minimum
    high = high if feature.maximum is None else feature.maximum
    width = (high - low) or 1.0
    distance = width * (1 + 2 * draws[:, 2])
    outside = np.where(draws[:, 1] < 0.5, low - distance, high + distance)
    return np.where(draws[:, 0] < feature.outlier_rate, outside, values)


def _labels(feature: Feature, uniform: Floats) -> pd.Series[Any]:
    """Draw categories or booleans."""
    labels = feature.categories
    if labels is None:  # a boolean, or a target of which nothing is known
        labels = [False, True]
    codes = _codes(len(labels), feature.frequencies, uniform)
    texts = [label for label in labels if isinstance(label, str)]
    if len(texts) == len(labels):
        return pd.Series(pd.array(texts, dtype="str").take(codes))
    return pd.Series(pd.Series(labels).to_numpy()[codes])


def _codes(n_labels: int, frequencies: list[float] | None, uniform: Floats) -> NDArray[np.intp]:
    """Turn uniform numbers into positions of labels by their frequencies."""
    shares = np.full(n_labels, 1.0) if frequencies is None else np.array(frequencies)
    edges = np.cumsum(shares) / shares.sum()
    last = int(np.flatnonzero(shares)[-1])  # rounding must not reach a label of frequency 0
    return np.minimum(np.searchsorted(edges, uniform, side="right"), last)


def _texts(feature: Feature, uniform: Floats, seed: int) -> list[str]:
    """Draw texts of the feature's words, or of ``WORDS``, as long as the sample's or 3 to 12."""
    words = [str(word) for word in feature.categories] if feature.categories else WORDS
    lengths = 3 + np.floor(uniform * 10).astype(int)
    if feature.quantiles:
        shares = np.linspace(0.0, 1.0, len(feature.quantiles))
        drawn_lengths = np.interp(uniform, shares, feature.quantiles)
        lengths = np.round(np.minimum(drawn_lengths, MAX_WORDS)).astype(int)
    draws = stream(seed, feature.name, _OUTLIERS).random(int(lengths.sum()))
    codes = _codes(len(words), feature.frequencies, draws)
    drawn = np.array(words, dtype=object)[codes].tolist()
    ends = np.cumsum(lengths).tolist()
    return [" ".join(drawn[end - size : end]) for end, size in zip(ends, lengths, strict=True)]


# --- distributions ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Law:
    """A distribution on the real line.

    Parameters
    ----------
    inverse : callable
        Quantile function, array of (0, 1) to array of values.
    upto, below : callable
        P(X <= x) and P(X < x).
    """

    inverse: Callable[[Floats], Floats]
    upto: Callable[[float], float] = lambda _: 1.0
    below: Callable[[float], float] = lambda _: 0.0

    def shares(self, feature: Feature) -> tuple[float, float]:
        """Return P(X < minimum) and P(X <= maximum); 0 and 1 where the range is open."""
        low = 0.0 if feature.minimum is None else self.below(feature.minimum)
        high = 1.0 if feature.maximum is None else self.upto(feature.maximum)
        return low, high

    def between(self, uniform: Floats, feature: Feature) -> Floats:
        """Draw conditionally on the range of ``feature``."""
        low, high = self.shares(feature)
        if not low < high:
            raise _no_mass(feature)
        shares = np.clip(low + uniform * (high - low), _EDGE, 1 - _EDGE)
        with np.errstate(over="ignore"):
            values = self.inverse(shares)
        least = -_HUGE if feature.minimum is None else feature.minimum
        most = _HUGE if feature.maximum is None else feature.maximum
        return np.clip(values, least, most)  # undoes rounding and overflow, nothing else


def _no_mass(feature: Feature) -> SchemaError:
    """Build the error of a distribution that has no values in the range."""
    return SchemaError(
        f"Feature {feature.name!r}, field 'distribution': it has no values between minimum "
        f"{feature.minimum} and maximum {feature.maximum}; change the range or the parameters."
    )


def _law(feature: Feature) -> _Law:
    """Return the distribution of a numeric or datetime feature."""
    distribution, given = feature.distribution, feature.parameters
    if distribution is None:
        distribution, given = default_distribution(feature)
    return _LAWS[distribution](feature, given)


def _uniform(feature: Feature, given: dict[str, float]) -> _Law:
    """Uniform over low..high cut to the range; whole numbers are equally probable."""
    ends = given.get("low"), given.get("high")
    low = max(x for x in (ends[0], feature.minimum) if x is not None)
    high = min(x for x in (ends[1], feature.maximum) if x is not None)
    if feature.kind is Kind.INTEGER:
        low, high = float(np.ceil(low)), float(np.floor(high))
    if low > high:
        raise _no_mass(feature)
    if feature.kind is Kind.INTEGER:
        return _Law(lambda u: np.minimum(low + np.floor(u * (high - low + 1)), high))
    return _Law(lambda u: low * (1 - u) + high * u)  # high - low may overflow


def _normal(_feature: Feature, given: dict[str, float]) -> _Law:
    mean, std = given["mean"], given["std"]

    def share(x: float) -> float:
        return float(special.ndtr((x - mean) / std))

    return _Law(lambda u: mean + std * special.ndtri(u), share, share)


def _lognormal(_feature: Feature, given: dict[str, float]) -> _Law:
    mean, sigma = given["mean"], given["sigma"]

    def share(x: float) -> float:
        return float(special.ndtr((np.log(x) - mean) / sigma)) if x > 0 else 0.0

    return _Law(lambda u: np.exp(mean + sigma * special.ndtri(u)), share, share)


def _exponential(_feature: Feature, given: dict[str, float]) -> _Law:
    scale, loc = given["scale"], given.get("loc", 0.0)

    def share(x: float) -> float:
        return float(-np.expm1(-max(x - loc, 0.0) / scale))

    return _Law(lambda u: loc - scale * np.log1p(-u), share, share)


def _poisson(_feature: Feature, given: dict[str, float]) -> _Law:
    """Poisson by its table of cumulative probabilities around the rate."""
    rate = given["rate"]
    reach = 12 * np.sqrt(rate) + 25
    counts = np.arange(max(0.0, np.floor(rate - reach)), np.ceil(rate + reach))
    table = special.pdtr(counts, rate)

    def inverse(u: Floats) -> Floats:
        return counts[np.minimum(np.searchsorted(table, u), len(counts) - 1)]

    def upto(x: float) -> float:
        return float(special.pdtr(np.floor(x), rate)) if x >= 0 else 0.0

    return _Law(inverse, upto, lambda x: upto(np.ceil(x) - 1))


def _beta(feature: Feature, given: dict[str, float]) -> _Law:
    """Beta scaled to the range, so that nothing has to be cut."""
    low, high = feature.minimum or 0.0, 1.0 if feature.maximum is None else feature.maximum
    a, b = given["a"], given["b"]
    return _Law(lambda u: low + (high - low) * special.betaincinv(a, b, u))


def _constant(feature: Feature, given: dict[str, float]) -> _Law:
    value = given["value"]
    return _Law(
        lambda u: np.full_like(u, value),
        lambda x: float(value <= x),
        lambda x: float(value < x),
    )


def _empirical(feature: Feature, _given: dict[str, float]) -> _Law:
    """Linear interpolation between the quantiles of a sample; equal quantiles are an atom."""
    values = np.array(feature.quantiles, dtype=np.float64)
    shares = np.linspace(0.0, 1.0, len(values))

    def share(x: float, side: Literal["left", "right"]) -> float:
        after = int(np.searchsorted(values, x, side=side))
        if after in (0, len(values)):
            return float(after > 0)
        left, right = values[after - 1], values[after]
        return float(np.interp(x, [left, right], shares[after - 1 : after + 1]))

    return _Law(
        lambda u: np.interp(u, shares, values),
        lambda x: share(x, "right"),
        lambda x: share(x, "left"),
    )


_LAWS: dict[Distribution, Callable[[Feature, dict[str, float]], _Law]] = {
    Distribution.UNIFORM: _uniform,
    Distribution.NORMAL: _normal,
    Distribution.LOGNORMAL: _lognormal,
    Distribution.EXPONENTIAL: _exponential,
    Distribution.POISSON: _poisson,
    Distribution.BETA: _beta,
    Distribution.CONSTANT: _constant,
    Distribution.EMPIRICAL: _empirical,
}
