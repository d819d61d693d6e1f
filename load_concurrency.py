"""Several processes of one model called at once: what each further one brings, and what it costs.

Owns: ``measure_concurrency``, a closed loop in which every process is called again as soon as it
has answered; how long a fresh process takes to its first answer is measured on the way.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from errors import ModelError
from intervals import percentile_estimate
from load_types import ConcurrencyPoint, LoadTest
from model_types import TimedCalls

MAX_CALLS = 100_000
"""Of one process at one level."""
WARMUP_CALLS = 3


@runtime_checkable
class CopyableModel(Protocol):
    """A model that can be loaded once more, in a process of its own."""

    def time_calls(
        self,
        frame: pd.DataFrame,
        *,
        batch_size: int,
        max_calls: int,
        max_seconds: float,
        warmup_calls: int = 0,
    ) -> TimedCalls:
        """Time calls; see ``model_types.Model``."""
        ...

    def twin(self) -> CopyableModel:
        """Load the same file in another process."""
        ...

    def close(self) -> None:
        """End the process."""
        ...


def levels(most: int) -> list[int]:
    """Return the numbers of processes that are tried: 1, 2, 4 … and the most.

    Examples
    --------
    >>> levels(6), levels(1)
    ([1, 2, 4, 6], [1])
    """
    return sorted({min(2**power, most) for power in range(most.bit_length() + 1)})


def measure_concurrency(
    found: LoadTest, model: CopyableModel, rows: pd.DataFrame, seconds: float, most: int
) -> None:
    """Fill ``concurrency`` and ``cold_start_ms``.

    Parameters
    ----------
    found : LoadTest
        Filled in place; a process that cannot be started ends the series with a note.
    model : CopyableModel
        The first process; it is neither replaced nor closed.
    rows : DataFrame, shape (n, k)
        Different rows to rotate through, one per call.
    seconds : float
        Of calling, all levels together; loading comes on top.
    most : int
        Processes at most.
    """
    counts = levels(most)
    with ExitStack() as stack:
        team: list[CopyableModel] = [model]
        starts: list[float] = []
        for wanted in counts:
            try:
                for _ in range(wanted - len(team)):
                    twin, ready_ms = stack.enter_context(_fresh(model, rows))
                    team.append(twin)
                    starts.append(ready_ms)
                calls = _call_at_once(team, rows, seconds / len(counts))
            except ModelError as error:
                found.notes.append(f"{wanted} processes at once could not be measured: {error}")
                break
            found.concurrency.append(_describe(calls, found.concurrency))
    if starts:
        found.cold_start_ms = float(np.median(starts))
    if found.concurrency:
        found.notes.append(
            f"Up to {found.concurrency[-1].processes} processes at once on {os.cpu_count() or 1} "
            "processors; numerical libraries are held to one thread in each."
        )


@contextmanager
def _fresh(model: CopyableModel, rows: pd.DataFrame) -> Iterator[tuple[CopyableModel, float]]:
    """Start one more process; yield it and the milliseconds to its first answer."""
    started = time.perf_counter()
    twin = model.twin()
    try:
        twin.time_calls(rows.head(1), batch_size=1, max_calls=1, max_seconds=1.0)
        yield twin, 1000.0 * (time.perf_counter() - started)
    finally:
        twin.close()


def _call_at_once(
    team: Sequence[CopyableModel], rows: pd.DataFrame, seconds: float
) -> list[TimedCalls]:
    """Let every process of the team answer single rows for some seconds, all at the same time."""

    def work(model: CopyableModel) -> TimedCalls:
        return model.time_calls(
            rows,
            batch_size=1,
            max_calls=MAX_CALLS,
            max_seconds=seconds,
            warmup_calls=WARMUP_CALLS,
        )

    with ThreadPoolExecutor(len(team)) as pool:  # they only wait for their processes
        return list(pool.map(work, team))


def _describe(calls: Sequence[TimedCalls], before: Sequence[ConcurrencyPoint]) -> ConcurrencyPoint:
    durations = np.sort(np.concatenate([each.durations_ns for each in calls])) / 1e6
    rate = sum(1e9 * each.durations_ns.size / each.durations_ns.sum() for each in calls)
    alone = before[0].calls_per_second if before else rate
    return ConcurrencyPoint(
        processes=len(calls),
        n_calls=durations.size,
        calls_per_second=float(rate),
        efficiency=float(rate / (alone * len(calls))),
        p50=percentile_estimate(durations, 0.5),
        p95=percentile_estimate(durations, 0.95),
        p99=percentile_estimate(durations, 0.99),
    )
