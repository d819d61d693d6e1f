"""How exactly stub models with a known sleep, leak and failure rate are measured.

Run ``python benchmarks/benchmark_load.py``. Each stub lives in a real worker; the table shows what
it does, what was measured, and the difference.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from latency import measure_performance
from load_test import describe_load, open_loop
from model_types import ModelFileInfo
from model_utils import open_model
from report_types import PerformanceSection, RunConfig
from sandbox import WorkerParent
from tests.hostile_models import regressor_that

Act = Callable[[Any], Any]


def sleeper(seconds: float) -> Act:
    """Return a prediction function that sleeps."""

    def act(rows: Any) -> Any:  # noqa: ANN401
        time.sleep(seconds)
        return np.zeros(len(rows))

    return act


def leaker(n_bytes: int) -> Act:
    """Return a prediction function that keeps memory."""
    kept: list[bytes] = []

    def act(rows: Any) -> Any:  # noqa: ANN401
        time.sleep(0.002)
        kept.append(b"x" * n_bytes)
        return np.zeros(len(rows))

    return act


def failing_below(limit: float) -> Act:
    """Return a prediction function that refuses small values."""

    def act(rows: Any) -> Any:  # noqa: ANN401
        if (np.asarray(rows, dtype=float) < limit).any():
            message = "too small"
            raise ValueError(message)
        return np.zeros(len(rows))

    return act


def measured(workers: WorkerParent, act: Act, **options: Any) -> PerformanceSection:  # noqa: ANN401
    """Measure a stub in a worker of its own."""
    info = ModelFileInfo(name="stub.pkl", size_bytes=1, sha256="0" * 64, container="pickle")
    frame = pd.DataFrame({"x": np.arange(1000) / 1000})
    config = RunConfig(batch_sizes=[1], **options)
    with tempfile.TemporaryDirectory() as folder:
        path = regressor_that(Path(folder, "stub.pkl"), act)
        with open_model(path, info, workers=workers, policy="custom") as model:
            return measure_performance(model, frame, config)


def line(what: str, known: float, found: float | None) -> None:
    """Print one line of the table."""
    value = float("nan") if found is None else found
    print(f"{what:44} {known:10.3f} {value:10.3f} {100 * (value / known - 1):+7.1f} %")


def main() -> None:
    """Print the table."""
    print(f"{'stub':44} {'known':>10} {'measured':>10} {'off by':>9}")
    with WorkerParent() as workers:
        for milliseconds in (2, 5, 20):
            section = measured(workers, sleeper(milliseconds / 1000), latency_seconds=1.0)
            found = section.percentiles_ms["p50"].value
            line(f"sleeps {milliseconds} ms: median, ms", milliseconds, found)
        for n_bytes in (20_000, 100_000):
            options = {"latency_seconds": 0.05, "load_seconds": 4.0}
            load = measured(workers, leaker(n_bytes), **options).load
            grown = load.growth_mb_per_1000_calls if load else None
            line(f"keeps {n_bytes:,} bytes: MB per 1,000 calls", 1000 * n_bytes / 2**20, grown)
        options = {"latency_seconds": 0.05, "load_seconds": 6.0, "load_workers": 4}
        load = measured(workers, sleeper(0.05), **options).load
        for point in load.concurrency if load else []:
            what = f"sleeps 50 ms, {point.processes} at once: calls per second"
            line(what, 20.0 * point.processes, point.calls_per_second)
        for share in (0.01, 0.1):
            section = measured(workers, failing_below(share), latency_seconds=0.05)
            line(f"fails on {share:.0%} of the rows", share, section.error_rate.value)
    exponential = np.random.default_rng(0).exponential(1.0, 20_000)
    response = np.mean([open_loop(exponential, 500.0, seed=s).p99_ms for s in range(20)])
    line("M/M/1 at 50 %: p99 response, ms", 2 * np.log(100), float(response))
    start = time.perf_counter()
    describe_load(exponential, section.batches, RunConfig())
    print(f"load test computed in {1000 * (time.perf_counter() - start):.0f} ms")


if __name__ == "__main__":
    main()
