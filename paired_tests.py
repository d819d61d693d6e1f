"""Is the difference between two models real? Paired tests, and unpaired ones, in words.

Owns: ``mcnemar``, ``paired_bootstrap``, ``delong`` for answers to the same rows;
``two_proportions`` and ``welch`` for answers to different ones; ``rows_needed`` and ``in_words``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtr, ndtri, stdtr, stdtrit

from bootstrap import MIN_ROWS, interval_ends, resample, resampling_rows
from intervals import Mean, wilson_interval

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

ALPHA, POWER = 0.05, 0.8
Z = float(ndtri(1 - ALPHA / 2))
SMALLEST = 1e-9  # degrees of freedom where one row has all the weight


@dataclass(frozen=True, slots=True)
class Difference:
    """How much the second model differs from the first.

    Parameters
    ----------
    name : str
        What was compared, e.g. ``accuracy``.
    value, low, high : float
        Second minus first, with its 95 % interval.
    p_value : float
        Two-sided, of no difference.
    method : str
        Which test, and how the interval was found.
    n : int
        Rows it rests on.
    spread : float
        Standard deviation of the difference of one row (paired), or of ``sqrt(n)`` times the
        difference; ``rows_needed`` uses it.
    higher_is_better : bool
        Whether a positive difference is an improvement.
    """

    name: str
    value: float
    low: float
    high: float
    p_value: float
    method: str
    n: int
    spread: float
    higher_is_better: bool = True

    @property
    def is_real(self) -> bool:
        """Whether interval and p-value both exclude no difference."""
        return self.p_value < ALPHA and not self.low <= 0 <= self.high


# --- the same rows ---------------------------------------------------------------------------


def mcnemar(first: BoolArray, second: BoolArray) -> Difference:
    """Compare two shares of right answers to the same rows.

    Parameters
    ----------
    first, second : ndarray of bool, shape (n,)
        Whether each model was right on each row.

    Returns
    -------
    Difference
        Mid-p of McNemar's exact test (Fagerland, Lydersen & Laake 2013, BMC Med Res Methodol
        13:91); interval of Agresti & Min 2005 (0.5 added to each cell).

    Examples
    --------
    >>> a, b = np.repeat([True, True, False, False], [1, 1, 7, 12]), np.repeat(
    ...     [True, False, True, False], [1, 1, 7, 12])
    >>> round(mcnemar(a, b).p_value, 3)
    0.039
    """
    n = _same_length(first, second)
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    share_gained, share_lost = (gained + 0.5) / (n + 2), (lost + 0.5) / (n + 2)
    centre = share_gained - share_lost
    half = Z * math.sqrt(max(share_gained + share_lost - centre**2, 0.0) / (n + 2))
    value = (gained - lost) / n
    return Difference(
        name="accuracy",
        value=value,
        low=max(-1.0, centre - half),
        high=min(1.0, centre + half),
        p_value=mcnemar_p(gained, lost, mid=True),
        method=f"McNemar's test (mid-p): {gained} rows only the second got right, {lost} only the "
        "first; adjusted Wald interval",
        n=n,
        spread=math.sqrt(max((gained + lost) / n - value**2, 0.0)),
    )


def mcnemar_p(gained: int, lost: int, *, mid: bool) -> float:
    """Return the two-sided exact (binomial) p-value of McNemar's test, or its mid-p.

    Parameters
    ----------
    gained, lost : int
        Discordant rows of both kinds.
    mid : bool
        Count the observed outcome half.

    Examples
    --------
    >>> round(mcnemar_p(1, 9, mid=False), 4), mcnemar_p(5, 5, mid=False)
    (0.0215, 1.0)
    """
    n, k = gained + lost, min(gained, lost)
    if n == 0:
        return 1.0
    tail = 0.5 if k == n - k else float(betainc(n - k, k + 1, 0.5))  # P(X <= k), X ~ Bin(n, 1/2)
    observed = float(math.comb(n, k) / 2**n)
    if mid:
        return 1.0 - observed if k == n - k else min(1.0, 2 * tail - observed)
    return 1.0 if k == n - k else min(1.0, 2 * tail)


def paired_bootstrap(
    name: str,
    first: FloatArray,
    second: FloatArray,
    *,
    n_resamples: int = 2000,
    seed: int = 0,
    higher_is_better: bool = False,
) -> Difference:
    """Compare two mean losses over the same rows.

    Parameters
    ----------
    name : str
        Of the loss.
    first, second : ndarray of float, shape (n,)
        Loss of each model on each row.
    n_resamples, seed : int
        Of the percentile interval.

    Returns
    -------
    Difference
        p-value of the paired t-test.

    Raises
    ------
    ValueError
        Fewer than five rows, or different lengths.
    """
    change = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    n = _same_length(first, second)
    if n < MIN_ROWS:
        message = f"{n} rows are too few for a comparison; {MIN_ROWS} are needed."
        raise ValueError(message)
    rng = np.random.default_rng(seed)
    rows = change[resampling_rows(n, rng)]
    means = resample(
        rows.size, lambda w: {"mean": w @ rows / rows.size}, n_resamples=n_resamples, rng=rng
    )["mean"]
    value, spread = float(change.mean()), float(change.std(ddof=1))
    ends = np.array(interval_ends(means, rows.size, confidence=1 - ALPHA))
    around = value + (ends - rows.mean()) * math.sqrt(rows.size / n)
    return Difference(
        name=name,
        value=value,
        low=float(around[0]),
        high=float(around[1]),
        p_value=_t_p_value(value, spread / math.sqrt(n), n - 1),
        method=f"paired bootstrap of {n_resamples:,} resamples; p of the paired t-test",
        n=n,
        spread=spread,
        higher_is_better=higher_is_better,
    )


def delong(is_positive: BoolArray, first: FloatArray, second: FloatArray) -> Difference:
    """Compare two areas under the ROC curve over the same rows.

    Parameters
    ----------
    is_positive : ndarray of bool, shape (n,)
        True classes.
    first, second : ndarray of float, shape (n,)
        Scores of both models.

    Returns
    -------
    Difference
        DeLong, DeLong & Clarke-Pearson 1988, by mid-ranks (Sun & Xu 2014).

    Raises
    ------
    ValueError
        Fewer than two rows of a class.

    Examples
    --------
    >>> truth = np.array([True, True, True, False, False, False])
    >>> better = np.array([0.9, 0.8, 0.7, 0.3, 0.2, 0.1])
    >>> delong(truth, better, better).value
    0.0
    """
    n = _same_length(first, second)
    n_pos = int(is_positive.sum())
    n_neg = n - n_pos
    if min(n_pos, n_neg) < 2:
        message = f"ROC AUC needs two rows of each class; there are {n_pos} and {n_neg}."
        raise ValueError(message)
    parts = [_placements(is_positive, np.asarray(score)) for score in (first, second)]
    value = float(parts[1][0].mean() - parts[0][0].mean())
    of_positives, of_negatives = parts[1][0] - parts[0][0], parts[1][1] - parts[0][1]
    variance = float(of_positives.var(ddof=1) / n_pos + of_negatives.var(ddof=1) / n_neg)
    error = math.sqrt(variance)
    return Difference(
        name="roc_auc",
        value=value,
        low=max(-1.0, value - Z * error),
        high=min(1.0, value + Z * error),
        p_value=_z_p_value(value, error),
        method="DeLong's test",
        n=n,
        spread=error * math.sqrt(n),
    )


def _placements(is_positive: BoolArray, score: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return DeLong's components: per positive row the share of negatives below it, and reverse."""
    positives, negatives = score[is_positive], score[~is_positive]
    n_pos, n_neg = positives.size, negatives.size
    together = _mid_ranks(np.concatenate([positives, negatives]))
    of_positives = (together[:n_pos] - _mid_ranks(positives)) / n_neg
    of_negatives = 1.0 - (together[n_pos:] - _mid_ranks(negatives)) / n_pos
    return of_positives, of_negatives


def _mid_ranks(values: FloatArray) -> FloatArray:
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, side="left")
    return (below + np.searchsorted(ordered, values, side="right") + 1) / 2.0


# --- different rows --------------------------------------------------------------------------


def two_proportions(first: tuple[float, float], second: tuple[float, float]) -> Difference:
    """Compare two shares of right answers to different rows.

    Parameters
    ----------
    first, second : tuple of float
        Right answers and rows; of weighted rows, their effective numbers.

    Returns
    -------
    Difference
        Pooled z-test; interval of Newcombe 1998 (method 10).

    Examples
    --------
    >>> found = two_proportions((48, 80), (56, 70))
    >>> round(found.low, 4), round(found.high, 4)
    (0.0524, 0.3339)
    """
    (hits_a, n_a), (hits_b, n_b) = first, second
    share_a, share_b = hits_a / n_a, hits_b / n_b
    low, high = (bound.tolist() for bound in wilson_interval([hits_a, hits_b], [n_a, n_b]))
    value = share_b - share_a
    pooled = (hits_a + hits_b) / (n_a + n_b)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b))
    return Difference(
        name="accuracy",
        value=value,
        low=value - math.hypot(share_b - low[1], high[0] - share_a),
        high=value + math.hypot(high[1] - share_b, share_a - low[0]),
        p_value=_z_p_value(value, error),
        method="two proportions of different rows (pooled z-test, Newcombe's interval)",
        n=int(min(n_a, n_b)),
        spread=math.sqrt(share_a * (1 - share_a) + share_b * (1 - share_b)),
    )


def welch(
    name: str,
    first: Mean,
    second: Mean,
    *,
    higher_is_better: bool = False,
    alpha: float = ALPHA,
) -> Difference:
    """Compare two mean losses over different rows by Welch's t-test.

    Parameters
    ----------
    name : str
        Of the loss.
    first, second : Mean
        Of at least two rows each.
    alpha : float
        The interval is of ``1 - alpha``.
    """
    value, error = second.value - first.value, math.sqrt(first.variance + second.variance)
    degrees = welch_degrees(first, second)
    half = float(stdtrit(degrees, 1 - alpha / 2)) * error
    n = int(min(first.n, second.n))
    return Difference(
        name=name,
        value=value,
        low=value - half,
        high=value + half,
        p_value=_t_p_value(value, error, degrees),
        method="Welch's t-test of different rows",
        n=n,
        spread=error * math.sqrt(n),
        higher_is_better=higher_is_better,
    )


def welch_degrees(first: Mean, second: Mean) -> float:
    """Return the degrees of freedom of Welch's test (Satterthwaite 1946).

    Examples
    --------
    >>> round(welch_degrees(Mean(0.0, 1.0, 11), Mean(0.0, 1.0, 11)), 6)
    20.0
    """
    both = first.variance + second.variance
    if both == 0:
        return min(first.n, second.n) - 1
    parts = [mean.variance**2 / max(mean.n - 1, SMALLEST) for mean in (first, second)]
    return both**2 / sum(parts)


# --- in words --------------------------------------------------------------------------------


def rows_needed(spread: float, effect: float) -> int:
    """Return how many rows show a difference of ``effect`` in four of five tries.

    Parameters
    ----------
    spread : float
        ``Difference.spread``.
    effect : float
        Size of the difference, > 0.

    Returns
    -------
    int
        ``((z_0.975 + z_0.8) * spread / effect) ** 2``, rounded up; at least 1.

    Examples
    --------
    >>> rows_needed(spread=0.5, effect=0.05)
    785
    """
    return max(1, math.ceil(((Z + float(ndtri(POWER))) * spread / effect) ** 2))


def in_words(found: Difference, *, in_points: bool = True) -> str:
    """Say what was found, and if nothing, how many rows would show something.

    Examples
    --------
    >>> in_words(two_proportions((480, 800), (560, 700)))
    'better by 20 points (15.4 … 24.4)'
    >>> in_words(two_proportions((80, 100), (80, 100)))
    'no difference shown (−11.1 … 11.1); to see 1 point you would need about 26,000 rows'
    >>> error = paired_bootstrap("loss", np.zeros(6), np.array([1.0, -2, 3, 1, -1, 2]))
    >>> in_words(error, in_points=False).split("; ")[1]
    'if 0.667 is true, about 62 rows show it'
    """
    scale = 100.0 if in_points else 1.0
    bounds = [_short(scale * bound) for bound in (found.low, found.high)]
    if found.is_real:
        size, unit = _short(abs(scale * found.value)), " points" if in_points else ""
        better = (found.value > 0) == found.higher_is_better
        if found.value < 0:
            bounds = [_short(-scale * bound) for bound in (found.high, found.low)]
        return f"{'better' if better else 'worse'} by {size}{unit} ({bounds[0]} … {bounds[1]})"
    said = f"no difference shown ({bounds[0]} … {bounds[1]})"
    if found.spread == 0:
        return said
    if in_points:
        needed = rows_needed(found.spread, 0.01)
        return f"{said}; to see 1 point you would need about {_round(needed):,} rows"
    if found.value == 0:
        return said
    needed = rows_needed(found.spread, abs(found.value))
    return f"{said}; if {_short(abs(found.value))} is true, about {_round(needed):,} rows show it"


def _short(value: float) -> str:
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return text.replace("-", "−")


def _round(rows: int) -> int:
    """Round up to two digits: more would pretend to know."""
    step = int(10 ** max(0, len(str(rows)) - 2))
    return math.ceil(rows / step) * step


def _same_length(first: NDArray[np.generic], second: NDArray[np.generic]) -> int:
    if first.shape != second.shape or first.size == 0:
        message = f"Answers to the same rows are needed; got {first.shape} and {second.shape}."
        raise ValueError(message)
    return first.size


def _z_p_value(value: float, error: float) -> float:
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return float(2 * ndtr(-abs(value) / error))


def _t_p_value(value: float, error: float, degrees: float) -> float:
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return float(2 * stdtr(degrees, -abs(value) / error))
