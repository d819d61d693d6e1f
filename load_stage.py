"""The further calls of a load test, made only when the run has a budget for them.

Owns: ``measure_load``, which joins ``load_test`` with a model that can be timed in several ways.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from errors import ModelRaisedError
from load_concurrency import CopyableModel, measure_concurrency
from load_test import FloatArray, compare_variants, watch_memory
from load_types import LoadTest
from model_types import How, TimedCalls
from report_types import RunConfig

MAX_CALLS = 10_000
WARMUP_CALLS = 3
MAX_ROWS = 256


@runtime_checkable
class LoadModel(Protocol):
    """A model whose calls can be timed in several ways, and whose memory can be asked for."""

    def time_calls(
        self,
        frame: pd.DataFrame,
        *,
        batch_size: int,
        max_calls: int,
        max_seconds: float,
        warmup_calls: int = 0,
        how: How = "plain",
    ) -> TimedCalls:
        """Time calls; see ``model_types.Model``."""
        ...

    def resident_bytes(self) -> int:
        """Memory of the model's process now; 0 where unknown."""
        ...


def measure_load(found: LoadTest, model: LoadModel, frame: pd.DataFrame, config: RunConfig) -> None:
    """Fill memory growth, cost of garbage collection and of the input's form, concurrency.

    Parameters
    ----------
    found : LoadTest
        Filled in place.
    model : LoadModel
        In a process of its own.
    frame : DataFrame, shape (n, k)
        Rows the model answers.
    config : RunConfig
        ``load_seconds`` is shared by memory, the four variants and several processes at once, of
        which there are at most ``load_workers``.
    """
    rows, seconds = frame.head(MAX_ROWS), config.load_seconds

    def timer(how: How, budget: float) -> FloatArray:
        if how in ("frame", "array") and not _is_numeric(frame):
            if how == "frame":
                found.notes.append(
                    "A DataFrame was not timed against a bare array: not all columns are numbers."
                )
            return np.empty(0)
        try:
            calls = model.time_calls(
                rows,
                batch_size=1,
                max_calls=MAX_CALLS,
                max_seconds=budget,
                warmup_calls=WARMUP_CALLS,
                how=how,
            )
        except ModelRaisedError as error:
            found.notes.append(f"One row as {how} was refused: {error}")
            return np.empty(0)
        return calls.durations_ns / 1e6

    watch_memory(found, lambda s: timer("plain", s).size, model.resident_bytes, seconds / 3)
    compare_variants(found, timer, seconds / 3)
    if isinstance(model, CopyableModel):
        measure_concurrency(found, model, rows, seconds / 3, config.load_workers)


def _is_numeric(frame: pd.DataFrame) -> bool:
    return all(dtype.kind in "iufb" for dtype in frame.dtypes)
