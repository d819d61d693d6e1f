"""How a model stands load: arrivals at random, the highest rate within a limit, memory over time.

Owns: ``open_loop``, ``highest_rate`` and the ``LoadTest``. Waiting is computed, not waited for:
the response time of call k is its service time plus what is left of the queue (Lindley 1952),
``W(k+1) = max(0, W(k) + S(k) - A(k))``, over service times drawn from the measured calls. Time
counts from the intended arrival, so a stall hides nothing ("coordinated omission").
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from base_types import Estimate
from intervals import calls_needed
from load_types import ArrivalPoint, LoadTest
from model_types import How
from report_types import BatchPoint, RunConfig

FloatArray = NDArray[np.float64]
Nanoseconds = NDArray[np.int64]
"""What calls are measured in; whole numbers add up several times as fast as floats."""
Times = TypeVar("Times", FloatArray, Nanoseconds)

N_ARRIVALS = 10_000
UTILISATIONS = (0.3, 0.5, 0.7, 0.8, 0.9)
MOST_BUSY = 0.98
"""Beyond this the queue has no steady state within the simulated arrivals."""

N_RESAMPLES = 5
"""Resamples of the highest rate; their extremes hold the median with 1 - 2 / 2**5 = 94 %."""

N_INTERVAL = 39
"""Resamples whose extremes are a 95 % interval."""

NS_PER_MS, NS_PER_S = 1e6, 1e9
LONGEST_GAP_NS = 1e14
"""A day and more between two calls: the sum of all gaps must stay a whole number of 64 bits."""

N_HALVINGS = 10  # a thousandth of the capacity
DEFAULT_LIMIT = 10.0
"""Limit of p99 in medians of a call where none is chosen."""


def waiting_times(service: Times, gaps: Times) -> Times:
    """Return how long each call waits for the calls before it.

    Parameters
    ----------
    service : ndarray of float or int, shape (n,)
        Service time of each call.
    gaps : ndarray of the same type, shape (n - 1,)
        Time between the arrivals of neighbouring calls, in the same unit.

    Returns
    -------
    ndarray of the same type, shape (n,)
        The first call waits 0.

    Examples
    --------
    >>> waiting_times(np.array([3.0, 1.0, 1.0]), np.array([1.0, 1.0])).tolist()
    [0.0, 2.0, 2.0]
    """
    sums = np.zeros_like(service)
    np.cumsum(service[:-1] - gaps, out=sums[1:])
    sums -= np.minimum.accumulate(sums)
    return sums


def open_loop(service_ms: FloatArray, rate: float, *, seed: int = 0) -> ArrivalPoint:
    """Return the response times at ``rate`` calls per second, arriving as a Poisson process.

    Parameters
    ----------
    service_ms : ndarray of float, shape (n,)
        Measured calls; drawn from with replacement, so slow calls that cluster wait longer.
    rate : float
        Calls per second, > 0.
    seed : int
        Of arrivals and draws.

    Examples
    --------
    >>> open_loop(np.full(200, 10.0), rate=0.001).p50_ms
    10.0
    """
    return _respond(*_draws(service_ms, np.random.default_rng(seed)), rate)


def with_intervals(
    points: list[ArrivalPoint], service_ms: FloatArray, *, seed: int = 0
) -> list[ArrivalPoint]:
    """Return the points with an interval of p99 over resampled calls and new arrivals.

    Parameters
    ----------
    points : list of ArrivalPoint
    service_ms : ndarray of float, shape (n,)
        The calls they rest on.
    seed : int

    Returns
    -------
    list of ArrivalPoint
        The lowest and the highest of 39 resamples: another one falls between them with
        probability 38 / 40 = 95 %. No upper end where a resample is too slow for the rate: its
        queue would grow without end.
    """
    rng = np.random.default_rng((seed, 1))
    found: list[list[float]] = []
    for _ in range(N_INTERVAL):
        service, gaps = _draws(rng.choice(service_ms, service_ms.size), rng)
        most = MOST_BUSY * NS_PER_S / float(service.mean())
        found.append(
            [_p99(service, gaps, point.rate) if point.rate < most else np.inf for point in points]
        )
    ends = [(min(values), max(values)) for values in zip(*found, strict=True)]
    return [
        point.model_copy(update={"p99_low_ms": _finite(low), "p99_high_ms": _finite(high)})
        for point, (low, high) in zip(points, ends, strict=True)
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _draws(service_ms: FloatArray, rng: np.random.Generator) -> tuple[Nanoseconds, FloatArray]:
    """Return service times, and gaps in units of their mean."""
    service = np.rint(service_ms * NS_PER_MS).astype(np.int64)
    return rng.choice(service, N_ARRIVALS), rng.exponential(size=N_ARRIVALS - 1)


def _respond(service: Nanoseconds, gaps: FloatArray, rate: float) -> ArrivalPoint:
    response = _response_times(service, gaps, rate)
    middle, high = math.ceil(0.5 * response.size) - 1, _place_of_p99(response.size)
    response.partition((middle, high))
    return ArrivalPoint(
        rate=rate,
        utilisation=rate * float(service.mean()) / NS_PER_S,
        p50_ms=float(response[middle]) / NS_PER_MS,
        p99_ms=float(response[high]) / NS_PER_MS,
    )


def _response_times(service: Nanoseconds, gaps: FloatArray, rate: float) -> Nanoseconds:
    """Return waiting and service of each call at ``rate`` calls per second."""
    arrivals = np.minimum(gaps * (NS_PER_S / rate), LONGEST_GAP_NS).astype(np.int64)
    return waiting_times(service, arrivals) + service


def _place_of_p99(n: int) -> int:
    return math.ceil(0.99 * n) - 1


def _p99(service: Nanoseconds, gaps: FloatArray, rate: float) -> float:
    response = _response_times(service, gaps, rate)
    high = _place_of_p99(response.size)
    response.partition(high)
    return float(response[high]) / NS_PER_MS


def _keeps(service: Nanoseconds, gaps: FloatArray, rate: float, limit_ms: float) -> bool:
    """Whether p99 of the response times is within a limit: counting is faster than sorting."""
    within = np.count_nonzero(_response_times(service, gaps, rate) <= limit_ms * NS_PER_MS)
    return bool(within > _place_of_p99(service.size))


def highest_rate(service_ms: FloatArray, limit_ms: float, *, seed: int = 0) -> Estimate:
    """Return the highest rate of arrivals that keeps p99 of the response times within a limit.

    Parameters
    ----------
    service_ms : ndarray of float, shape (n,)
    limit_ms : float
    seed : int

    Returns
    -------
    Estimate
        Median and extremes of five resamples, in calls per second; a reason where p99 of the
        calls alone is beyond the limit.
    """
    rng = np.random.default_rng(seed)
    resampled = [rng.choice(service_ms, service_ms.size) for _ in range(N_RESAMPLES)]
    rates = sorted(_search(*_draws(times, rng), limit_ms) for times in resampled)
    middle = rates[N_RESAMPLES // 2]
    if middle == 0:
        reason = f"p99 of the calls alone is beyond the limit of {limit_ms:.3g} ms."
        return Estimate(n=service_ms.size, reason=reason)
    confidence = 1 - 2 / 2**N_RESAMPLES
    return Estimate(
        value=middle, low=rates[0], high=rates[-1], confidence=confidence, n=service_ms.size
    )


def _search(service: Nanoseconds, gaps: FloatArray, limit_ms: float) -> float:
    """Halve the range of rates: with the same draws, waiting only grows with the rate."""
    low, high = 0.0, MOST_BUSY * NS_PER_S / float(service.mean())
    if _keeps(service, gaps, high, limit_ms):
        return high
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        within = _keeps(service, gaps, middle, limit_ms)
        low, high = (middle, high) if within else (low, middle)
    return low if float(np.quantile(service, 0.99)) <= limit_ms * NS_PER_MS else 0.0


def describe_load(service_ms: FloatArray, batches: list[BatchPoint], config: RunConfig) -> LoadTest:
    """Compute the load test from calls that were timed anyway.

    Parameters
    ----------
    service_ms : ndarray of float, shape (n,)
        Single-row calls in the order they were made.
    batches : list of BatchPoint
        All batch sizes.
    config : RunConfig
        ``load_rate``, ``load_p99_ms`` and ``seed`` are used.
    """
    mean, median = float(service_ms.mean()), float(np.median(service_ms))
    points = [
        open_loop(service_ms, 1000.0 * busy / mean, seed=config.seed) for busy in UTILISATIONS
    ]
    found = LoadTest(arrivals=with_intervals(points, service_ms, seed=config.seed))
    found.p99_limit_ms = config.load_p99_ms or DEFAULT_LIMIT * median
    chosen = "chosen" if config.load_p99_ms else f"{DEFAULT_LIMIT:g} times the median call"
    found.p99_limit_source = chosen
    found.highest_rate = highest_rate(service_ms, found.p99_limit_ms, seed=config.seed)
    if config.load_rate is not None:
        _at_chosen_rate(found, service_ms, config.load_rate, config.seed)
    best = max(batches, key=lambda point: point.rows_per_second)
    found.offline_batch, found.offline_rows_per_second = best.batch_size, best.rows_per_second
    if service_ms.size < calls_needed(0.99):
        found.notes.append(
            f"p99 under load rests on {service_ms.size:,} calls; {calls_needed(0.99)} or more "
            "would show rare slow calls."
        )
    return found


def _at_chosen_rate(found: LoadTest, service_ms: FloatArray, rate: float, seed: int) -> None:
    capacity = 1000.0 / float(service_ms.mean())
    if rate < MOST_BUSY * capacity:
        point = open_loop(service_ms, rate, seed=seed)
        found.chosen = with_intervals([point], service_ms, seed=seed)[0]
        return
    found.notes.append(
        f"{rate:,.4g} calls per second are more than one process can answer "
        f"({capacity:,.4g}): the queue would grow without end."
    )


# --- what needs further calls ----------------------------------------------------------------

Timer = Callable[[How, float], FloatArray]
"""Times single-row calls in ms; gets how and seconds."""

VARIANTS: tuple[How, ...] = ("plain", "gc", "frame", "array", "one_filter")
TELLING = 1.2
"""Ratio of two variants' medians from which a note tells how to have the faster one."""


def compare_variants(found: LoadTest, timer: Timer, seconds: float) -> None:
    """Fill what garbage collection, the form of the input and filters of warnings cost.

    Parameters
    ----------
    found : LoadTest
        Filled in place.
    timer : callable
        See ``Timer``; an empty array where a variant does not apply.
    seconds : float
        Budget of all variants together.
    """
    times = {how: timer(how, seconds / len(VARIANTS)) for how in VARIANTS}
    found.gc_off_p50_ms, found.gc_off_p99_ms = _ends(times["plain"])
    found.gc_on_p50_ms, found.gc_on_p99_ms = _ends(times["gc"])
    found.frame_p50_ms = _ends(times["frame"])[0]
    found.array_p50_ms = _ends(times["array"])[0]
    usual, found.one_filter_p50_ms = found.gc_off_p50_ms, _ends(times["one_filter"])[0]
    if usual and found.one_filter_p50_ms and usual > TELLING * found.one_filter_p50_ms:
        found.notes.append(
            f"A single-row call takes {1 - found.one_filter_p50_ms / usual:.0%} less time after "
            "warnings.resetwarnings() and warnings.simplefilter('ignore'): scikit-learn hands all "
            "filters of warnings on to every tree."
        )


def _ends(times: FloatArray) -> tuple[float | None, float | None]:
    """Return p50 and, from 100 calls on, p99."""
    if times.size == 0:
        return None, None
    ordered = np.sort(times)
    p99 = float(ordered[math.ceil(0.99 * ordered.size) - 1]) if ordered.size >= 100 else None
    return float(ordered[math.ceil(0.5 * ordered.size) - 1]), p99


def watch_memory(
    found: LoadTest, call: Callable[[float], int], resident_bytes: Callable[[], int], seconds: float
) -> None:
    """Fill how the memory of the model's process grows with calls.

    Parameters
    ----------
    found : LoadTest
        Filled in place; nothing is filled where the platform does not tell.
    call : callable
        Makes single-row calls for some seconds and returns their number.
    resident_bytes : callable
        Memory of the process now.
    seconds : float
        Budget; the first fifth fills caches and is not counted.
    """
    call(seconds / 5)
    before = resident_bytes()
    n_calls = call(4 * seconds / 5)
    after = resident_bytes()
    if not (before and after and n_calls):
        return
    found.growth_calls = n_calls
    found.growth_mb_per_1000_calls = (after - before) / 2**20 * 1000.0 / n_calls
