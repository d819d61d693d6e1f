"""How fast a model answers, measured so that the number can be believed.

Owns: the timing protocol (cold call, warm-up, interleaved blocks, percentiles with exact
intervals, batch sizes) and the ``PerformanceSection``. The calls themselves are timed inside the
model's process by ``Model.time_calls``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from base_types import Estimate, Histogram, Status
from errors import ModelRaisedError
from failing_rows import RowFailures, describe_failures, find_failing_rows
from formatting import every_name, number
from intervals import calls_needed, percentile_estimate
from load_stage import LoadModel, measure_load
from load_test import describe_load
from machine_load import OtherWork
from model_types import Model, TimedCalls
from report_types import BatchPoint, PerformanceSection, RunConfig

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
"""Reported percentiles of the single-row latency."""

N_BLOCKS = 3
"""Rounds over all batch sizes that a budget is shared among, so that a slow moment of the host hits
them alike; no batch size is done before."""

MAX_BLOCKS = 6
"""Most rounds, where a block ended before its time."""

SINGLE_ROW_SHARE = 1.3
"""Budget of single-row calls in units of ``latency_seconds``: tails need many calls (59 for an
interval of p95), so they get most of the time."""

BATCH_SHARE = 0.04
"""Budget of every other batch size in the same unit: medians settle quickly."""

OVERDRAFT = 4.0
"""Up to this many budgets are spent so that each round has a call: one alone may be the host's."""

MOST = 0.5
"""Share of its budget from which a batch size is done with as many calls as an interval needs: as
many again would narrow it by less than a third."""

STABLE_WIDTH, STABLE_TAIL = 0.1, 0.25
"""A batch size is done when the 95 % interval of its median is narrower than the first share of
it, and single rows when that of p95 is narrower than the second too."""

MAX_EXPECTED_SHARE = 10.0
"""A batch whose single call would take more than this many ``latency_seconds`` is left out."""

MAX_RATIO = 10.0
"""Up to this ratio of batch sizes a call's duration is extrapolated; beyond it that says nothing,
because the fixed cost of a call outweighs the rows."""

WARMUP_CALLS = 2
"""Single-row calls made and thrown away before timing."""

MAX_BATCH_CELLS = 20_000_000
"""Cells of one batch, 160 MB of numbers: the process of the model holds several copies."""

MAX_BATCHES = 256
"""Different batches to rotate through: enough to defeat caches, few enough to prepare quickly."""

MAX_CALLS = 10_000
"""Single-row calls at most, whatever the budget."""

DISTURBED_LIMIT = 0.1
"""Share of preempted calls from which the tail says more about the host than about the model."""

BUSY_LIMIT = 0.5
"""Cores of other work from which a note says that the times may be too long."""

NS_PER_MS = 1e6

Progress = Callable[[float, str], None]


@dataclass(slots=True)
class _Series:
    """Calls of one batch size, collected over the blocks."""

    batch_size: int
    budget_seconds: float
    calls: list[TimedCalls] = field(default_factory=list)
    skipped: str | None = None

    @property
    def durations_ms(self) -> NDArray[np.float64]:
        """All timed calls, in the order they were made."""
        if not self.calls:
            return np.empty(0)
        return np.concatenate([call.durations_ns for call in self.calls]) / NS_PER_MS

    @property
    def disturbed(self) -> NDArray[np.bool_]:
        """Whether the host preempted each call."""
        return np.concatenate([call.disturbed for call in self.calls])

    @property
    def slot_seconds(self) -> float:
        """Time of the next block, in which one call is made at least."""
        left = self.budget_seconds - self._spent_seconds
        return min(max(left, 0.0), self.budget_seconds / N_BLOCKS)

    @property
    def is_spent(self) -> bool:
        """Whether the budget allows no further call."""
        most = OVERDRAFT if len(self.calls) < N_BLOCKS else 1.0
        spent = self._spent_seconds >= most * self.budget_seconds
        return spent or self.durations_ms.size >= MAX_CALLS

    @property
    def is_stable(self) -> bool:
        """Whether what is told of the calls is certain enough."""
        ordered = np.sort(self.durations_ms)
        wanted = [(0.5, STABLE_WIDTH), (0.95, STABLE_TAIL)]
        return all(
            _is_narrow(ordered, *each) for each in wanted[: 2 if self.batch_size == 1 else 1]
        )

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to be timed, or the rest of the budget would change little."""
        if self.skipped is not None or self.is_spent:
            return True
        if len(self.calls) < N_BLOCKS or self.durations_ms.size < self._calls_wanted:
            return False
        return self._spent_seconds >= MOST * self.budget_seconds or self.is_stable

    @property
    def _spent_seconds(self) -> float:
        return float(self.durations_ms.sum()) / 1000.0

    @property
    def _calls_wanted(self) -> int:
        """Fewest calls: for an interval of the median; of single rows of p95, p99 if affordable."""
        if self.batch_size > 1:
            return calls_needed(0.5)
        rare, spent_ms = calls_needed(0.99), self.durations_ms
        if spent_ms.size and rare * np.median(spent_ms) <= 1000.0 * self.budget_seconds:
            return rare
        return calls_needed(0.95)

    def calls_of_slot(self) -> int:
        """Return the most calls of the next block: what is wanted, shared among the first ones."""
        missing = self._calls_wanted - self.durations_ms.size
        blocks_left = N_BLOCKS - len(self.calls)
        if missing <= 0 or blocks_left <= 0:
            return MAX_CALLS // N_BLOCKS
        return math.ceil(missing / blocks_left)


def measure_performance(
    model: Model, frame: pd.DataFrame, config: RunConfig, *, progress: Progress | None = None
) -> PerformanceSection:
    """Measure latency, throughput, memory and error rate of a model.

    Takes at most about ``1.5 * config.latency_seconds`` with the default batch sizes, and a tenth
    of it for a fast, steady model (see ``_Series.is_done``). Where single calls are longer than a
    round lasts it takes up to six times ``latency_seconds``, so that each round has a call (see
    ``OVERDRAFT``), and more where one call alone does.

    Parameters
    ----------
    model : Model
    frame : DataFrame, shape (n, n_features)
        Different rows to rotate through; a batch larger than the frame repeats them.
    config : RunConfig
        ``latency_seconds``, ``batch_sizes`` and ``seed`` are used.
    progress : callable, optional
        Called with (fraction, message); may raise to cancel.

    Returns
    -------
    PerformanceSection
        Status ``failed`` with the model's message when it answers no row at all.

    Raises
    ------
    ModelError
        When the model crashes or hangs.
    """
    tell = progress or _silent
    tell(0.0, "First call")
    cold_ns = _cold_call(model, frame)
    tell(0.05, "Looking for rows that fail")
    failures = find_failing_rows(model, frame, seed=config.seed)
    section = _failure_section(failures, frame)
    section.cold_call_ms = None if cold_ns is None else cold_ns / NS_PER_MS
    if failures.good.size:
        rows = frame if failures.good.size == len(frame) else frame.iloc[failures.good]
        others = OtherWork.watch()
        series = _time_blocks(model, rows, config, tell)
        section.other_cores = others.cores(_cpu_seconds(series))
        _fill_timings(section, series, len(rows))
        section.load = describe_load(series[0].durations_ms, section.batches, config)
        if config.load_seconds > 0 and isinstance(model, LoadModel):
            tell(0.95, "Watching memory and several processes over many calls")
            measure_load(section.load, model, rows, config)
        _fill_threads(section, model.info.parameters.get("n_jobs", "None"))
    section.peak_memory_mb = model.peak_memory_bytes() / 2**20
    tell(1.0, "Performance measured")
    return section


def _silent(fraction: float, message: str) -> None:
    """Stand in for a missing progress callback."""


def _cold_call(model: Model, frame: pd.DataFrame) -> int | None:
    """Return the duration of this worker's very first prediction in ns, made now if not before."""
    if frame.empty:
        return None
    try:
        timed = model.time_calls(frame.iloc[:1], batch_size=1, max_calls=0, max_seconds=0.0)
    except ModelRaisedError:
        return None  # the search for failing rows tells it with the row and the message
    return timed.cold_ns


def _failure_section(failures: RowFailures, frame: pd.DataFrame) -> PerformanceSection:
    """Begin the section with what is known about failing rows."""
    section = PerformanceSection(
        n_rows_tried=failures.n_tried,
        n_rows_failed=failures.n_failed,
        error_rate=failures.error_rate,
        failing_rows=describe_failures(failures, frame),
        notes=list(failures.notes),
    )
    if failures.good.size == 0:
        section.status = Status.FAILED
        section.reason = _no_row_reason(failures)
    return section


def _no_row_reason(failures: RowFailures) -> str:
    """Say why nothing could be timed."""
    if not failures.failing:
        return "There are no rows to time the model on."
    first = failures.failing[min(failures.failing)]
    return f"The model raised on each of the {failures.n_tried:,} rows tried: {first}"


# --- timing ----------------------------------------------------------------------------------


def _time_blocks(
    model: Model, frame: pd.DataFrame, config: RunConfig, tell: Progress
) -> list[_Series]:
    """Time all batch sizes in interleaved blocks, smallest first within each block."""
    sizes = sorted({1, *config.batch_sizes})
    budget = config.latency_seconds
    series = [_Series(n, budget * (SINGLE_ROW_SHARE if n == 1 else BATCH_SHARE)) for n in sizes]
    for part in series[1:]:
        part.skipped = _too_large(part.batch_size, frame.shape[1])
    for block in range(MAX_BLOCKS):
        for position, part in enumerate(series):
            done = (block + position / len(series)) / MAX_BLOCKS
            tell(0.1 + 0.9 * done, f"Timing batches of {part.batch_size:,}")
            smaller = series[position - 1] if position else None
            if not part.is_done:
                part.skipped = _too_slow(part, smaller, budget * MAX_EXPECTED_SHARE)
            if not part.is_done:
                part.calls.append(_time_slot(model, frame, part, smaller))
    return series


def _cpu_seconds(series: list[_Series]) -> float:
    """Return the processor time that the model's process spent on the timed batches."""
    return sum(call.cpu_ns or 0 for part in series for call in part.calls) / 1e9


def _too_large(batch_size: int, n_columns: int) -> str | None:
    """Say that a batch of a wide table would fill the memory of the model's process."""
    if batch_size * n_columns <= MAX_BATCH_CELLS:
        return None
    return (
        f"Batches of {batch_size:,} rows were left out: with {n_columns:,} columns they have "
        f"more than {MAX_BATCH_CELLS:,} cells."
    )


def _too_slow(part: _Series, smaller: _Series | None, limit_seconds: float) -> str | None:
    """Say that one call would take too long, judged by the next smaller batch size."""
    if part.calls or smaller is None:
        return None
    if smaller.skipped is not None:
        return f"Batches of {part.batch_size:,} rows were left out as well."
    ratio = part.batch_size / smaller.batch_size
    if ratio > MAX_RATIO:
        return None
    expected = float(np.median(smaller.durations_ms)) * ratio / 1000.0
    if expected <= limit_seconds:
        return None
    return (
        f"Batches of {part.batch_size:,} rows were left out: one call would take up to "
        f"{expected:.1f} s, the limit is {limit_seconds:.1f} s."
    )


def _time_slot(
    model: Model, frame: pd.DataFrame, part: _Series, smaller: _Series | None
) -> TimedCalls:
    """Time one block's share of the calls of one batch size, at least one call."""
    single, n_calls = part.batch_size == 1, part.calls_of_slot()
    known = part if part.calls else smaller  # a larger batch takes no less time
    shortest_ms = float(known.durations_ms.min()) if known and known.calls else 0.0
    fitting = 1 + 1000.0 * part.slot_seconds / max(shortest_ms, 1e-3)
    n_batches = min(n_calls, MAX_BATCHES, math.ceil(fitting))
    return model.time_calls(
        _rows_to_send(frame, part.batch_size, n_batches, part.durations_ms.size),
        batch_size=part.batch_size,
        max_calls=n_calls,
        max_seconds=part.slot_seconds,
        warmup_calls=WARMUP_CALLS if single and not part.calls else 0,
    )


def _rows_to_send(
    frame: pd.DataFrame, batch_size: int, n_batches: int, calls_made: int
) -> pd.DataFrame:
    """Return rows for different batches, spread over the frame, at least one.

    Where there are fewer rows than a batch has, the model's process repeats them.

    They begin where the calls made so far ended, so that a slow model sees different rows too.
    """
    n = len(frame)
    if n < batch_size:
        return frame
    positions = np.linspace(0, n - 1, min(n, MAX_BATCHES * batch_size)).astype(np.int64)
    return frame.iloc[np.roll(positions, -calls_made * batch_size)[: n_batches * batch_size]]


def _is_narrow(sorted_ms: NDArray[np.float64], quantile: float, width: float) -> bool:
    """Whether the 95 % interval of a percentile is narrower than a share of the percentile."""
    found = percentile_estimate(sorted_ms, quantile)
    if found.value is None or found.low is None or found.high is None:
        return False
    return found.high - found.low <= width * found.value


# --- what was measured -----------------------------------------------------------------------


def _fill_timings(section: PerformanceSection, series: list[_Series], n_rows: int) -> None:
    """Describe the timed calls."""
    single, durations = series[0], np.sort(series[0].durations_ms)
    section.n_calls = durations.size
    section.warmup_calls = sum(call.warmup_calls for call in single.calls)
    section.percentiles_ms = _percentiles(durations)
    section.disturbed_share = float(single.disturbed.mean())
    section.undisturbed_p95_ms = _undisturbed_p95(single)
    section.single_row_histogram = _latency_histogram(durations)
    section.batches = [_batch_point(part) for part in series if part.calls]
    section.best_rows_per_second = max(point.rows_per_second for point in section.batches)
    section.protocol = _protocol(section, single, min(n_rows, MAX_BATCHES, section.n_calls))
    section.notes += _timing_notes(section, series, n_rows)


def _fill_threads(section: PerformanceSection, n_jobs: str) -> None:
    """State the threads: one, unless the model starts its own."""
    if n_jobs in ("None", "1"):
        section.threads = 1
        return
    section.notes.append(
        f"The model itself asks for n_jobs={n_jobs}: the threads it starts are not limited, and on "
        "single rows they usually cost more than they save."
    )


def _percentiles(sorted_ms: NDArray[np.float64]) -> dict[str, Estimate]:
    """Return nearest-rank percentiles with exact order-statistic intervals."""
    n = sorted_ms.size
    found = {name: percentile_estimate(sorted_ms, q) for name, q in QUANTILES.items()}
    found["max"] = Estimate(
        value=float(sorted_ms[-1]),
        n=n,
        interval_reason="The largest call seen grows with the number of calls.",
    )
    return found


def _undisturbed_p95(single: _Series) -> float | None:
    """Return p95 of the calls the host did not preempt, in ms; None below 20 such calls."""
    quiet = np.sort(single.durations_ms[~single.disturbed])
    return float(quiet[math.ceil(0.95 * quiet.size) - 1]) if quiet.size >= 20 else None


def _latency_histogram(sorted_ms: NDArray[np.float64], n_bins: int = 40) -> Histogram:
    """Count calls in bins of equal ratio: latencies spread over orders of magnitude."""
    low, high = float(sorted_ms[0]), float(sorted_ms[-1])
    if not 0 < low < high:
        return Histogram(edges=[low, high], counts=[int(sorted_ms.size)])
    edges = np.geomspace(low, high, n_bins + 1)
    edges[0], edges[-1] = low, high  # geomspace may round the ends inwards
    counts, _ = np.histogram(sorted_ms, bins=edges)
    return Histogram(edges=edges.tolist(), counts=counts.tolist())


def _batch_point(part: _Series) -> BatchPoint:
    """Describe one batch size by its median call."""
    durations = np.sort(part.durations_ms)
    p50 = float(durations[math.ceil(0.5 * durations.size) - 1])
    has_tail = durations.size >= calls_needed(0.95)
    return BatchPoint(
        batch_size=part.batch_size,
        n_calls=durations.size,
        p50_ms=p50,
        p95_ms=float(durations[math.ceil(0.95 * durations.size) - 1]) if has_tail else None,
        rows_per_second=1000.0 * part.batch_size / p50,
        us_per_row=1000.0 * p50 / part.batch_size,
    )


def _protocol(section: PerformanceSection, single: _Series, n_rows: int) -> str:
    """Say in one sentence how the numbers were made."""
    ended = (
        f"the 95 % intervals of p50 and p95 were within {STABLE_WIDTH:.0%} and {STABLE_TAIL:.0%}"
        if single.is_stable
        else "most of their time was spent"
    )
    return (
        f"{section.n_calls:,} single-row calls rotating over {n_rows:,} different rows in "
        f"{len(single.calls)} blocks interleaved with the other batch sizes until {ended}, after "
        f"{section.warmup_calls} warm-up calls, each timed inside the model's process by a "
        "nanosecond clock with numerical libraries held to one thread; percentiles are observed "
        "calls (nearest rank) with exact binomial intervals; a closed loop, so waiting in a queue "
        "is not included."
    )


def _timing_notes(section: PerformanceSection, series: list[_Series], n_rows: int) -> list[str]:
    """Say what limits the numbers."""
    notes = [part.skipped for part in series if part.skipped is not None]
    repeated = [part for part in series if part.calls and part.batch_size > n_rows]
    if repeated:
        sizes = every_name([f"{part.batch_size:,}" for part in repeated])
        notes.append(f"Batches of {sizes} rows repeat the {n_rows:,} rows there are.")
    if section.disturbed_share is not None and section.disturbed_share > DISTURBED_LIMIT:
        left_out = (
            "too few others are left for an undisturbed p95."
            if section.undisturbed_p95_ms is None
            else "the undisturbed p95 leaves these calls out."
        )
        notes.append(
            f"The host interrupted {section.disturbed_share:.0%} of the calls: p95 and above "
            f"measure the host as much as the model; {left_out}"
        )
    if section.other_cores is not None and section.other_cores > BUSY_LIMIT:
        notes.append(
            f"Other work kept {number(section.other_cores, digits=2)} cores of this machine busy "
            "meanwhile. Cores share caches and execution units, so on a quiet machine the model "
            "may be faster."
        )
    return notes
