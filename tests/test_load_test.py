"""Claims about the load test: queueing theory, brute force, stub models in a real worker."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import ModelLoadError
from latency import measure_performance
from load_concurrency import measure_concurrency
from load_test import (
    describe_load,
    highest_rate,
    open_loop,
    waiting_times,
    with_intervals,
)
from load_types import LoadTest
from model_types import ModelFileInfo, TimedCalls
from model_utils import open_model
from report_types import BatchPoint, PerformanceSection, RunConfig
from sandbox import WorkerParent
from tests.hostile_models import regressor_that

BATCH = BatchPoint(batch_size=1, n_calls=5, p50_ms=1, rows_per_second=1000, us_per_row=1000)


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9)), min_size=1, max_size=60))
def test_waiting_is_the_recursion_of_lindley(calls: list[tuple[float, float]]) -> None:
    """The vectorised form equals max(0, W + S - A), call by call."""
    service, gaps = np.array([c[0] for c in calls]), np.array([c[1] for c in calls])[:-1]
    expected = [0.0]
    for s, a in zip(service, gaps, strict=False):
        expected.append(max(0.0, expected[-1] + s - a))
    np.testing.assert_allclose(waiting_times(service, gaps), expected, atol=1e-9)


def test_exponential_calls_wait_as_the_theory_says() -> None:
    """M/M/1 at 50 %: response times are exponential with mean 1 / (mu - lambda)."""
    service = np.random.default_rng(0).exponential(1.0, 20_000)
    points = [open_loop(service, 500.0, seed=seed) for seed in range(20)]
    assert np.mean([p.p50_ms for p in points]) == pytest.approx(2 * np.log(2), rel=0.05)
    assert np.mean([p.p99_ms for p in points]) == pytest.approx(2 * np.log(100), rel=0.1)


def test_the_highest_rate_is_where_theory_puts_it() -> None:
    """M/M/1: p99 = ln(100) / (mu - lambda) stays within 20 ms up to 770 calls per second."""
    service = np.random.default_rng(0).exponential(1.0, 20_000)
    found = highest_rate(service, 20.0)
    assert found.value == pytest.approx(1000 - 1000 * np.log(100) / 20, rel=0.08)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high


def test_a_limit_below_the_call_itself_has_no_rate() -> None:
    """No rate keeps p99 below the service time; the reason says so."""
    found = highest_rate(np.full(100, 5.0), 4.0)
    assert found.value is None
    assert "alone" in str(found.reason)


def test_too_high_a_rate_is_told_and_not_computed() -> None:
    """At more calls than one process can answer there is no steady state."""
    found = describe_load(np.full(500, 10.0), [BATCH], RunConfig(load_rate=150))
    assert found.chosen is None
    assert "without end" in found.notes[0]
    fine = describe_load(np.full(500, 10.0), [BATCH], RunConfig(load_rate=50)).chosen
    assert fine is not None
    assert fine.utilisation == pytest.approx(0.5)


def measured(
    workers: WorkerParent, folder: Path, act: Callable[[Any], Any], **options: Any
) -> PerformanceSection:
    """Measure a regressor whose ``predict`` is ``act``, in a worker of its own."""
    path = regressor_that(folder / "stub.pkl", act)
    info = ModelFileInfo(name="stub.pkl", size_bytes=1, sha256="0" * 64, container="pickle")
    frame = pd.DataFrame({"x": np.linspace(0, 1, 200)})
    config = RunConfig(batch_sizes=[1], **options)
    with open_model(path, info, workers=workers, policy="custom") as model:
        return measure_performance(model, frame, config)


@pytest.mark.slow  # alone on the machine, as a measurement of time must be
def test_a_known_sleep_is_measured(workers: WorkerParent, tmp_path: Path) -> None:
    """A model that sleeps 20 ms: its median within 5 %, and fewer than 50 calls per second."""

    def act(rows: Any) -> Any:
        time.sleep(0.02)
        return np.zeros(len(rows))

    section = measured(workers, tmp_path, act, latency_seconds=0.6, load_p99_ms=1000)
    assert section.percentiles_ms["p50"].value == pytest.approx(20, rel=0.05)
    assert section.load is not None
    assert section.load.highest_rate.value is not None
    assert 40 < section.load.highest_rate.value < 50


def test_a_known_leak_is_measured(workers: WorkerParent, tmp_path: Path) -> None:
    """A model that keeps 100 kB per call grows by 95.4 MB per 1,000 calls, within 5 %."""
    kept: list[bytes] = []

    def act(rows: Any) -> Any:
        time.sleep(0.002)
        kept.append(b"x" * 100_000)
        return np.zeros(len(rows))

    load = measured(workers, tmp_path, act, latency_seconds=0.05, load_seconds=2.0).load
    assert load is not None
    assert load.growth_calls > 100
    assert load.growth_mb_per_1000_calls == pytest.approx(1e8 / 2**20, rel=0.05)


def test_a_known_failure_rate_is_measured(workers: WorkerParent, tmp_path: Path) -> None:
    """A model that fails on a tenth of the rows is found to fail on exactly these."""

    def act(rows: Any) -> Any:
        values = np.asarray(rows, dtype=float)
        if (values < 0.1).any():
            message = "too small"
            raise ValueError(message)
        return np.zeros(len(values))

    section = measured(workers, tmp_path, act, latency_seconds=0.05)
    assert section.n_rows_failed == 20
    assert section.error_rate.value == pytest.approx(0.1)


def test_forms_of_input_and_collection_are_told_apart(
    workers: WorkerParent, tmp_path: Path
) -> None:
    """A model that sleeps 6 ms for a DataFrame and 2 ms for an array is seen to."""

    def act(rows: Any) -> Any:
        time.sleep(0.006 if hasattr(rows, "columns") else 0.002)
        return np.zeros(len(rows))

    load = measured(
        workers, tmp_path, act, latency_seconds=0.05, load_seconds=1.5, load_workers=1
    ).load
    assert load is not None
    figures = (load.frame_p50_ms, load.array_p50_ms, load.gc_on_p50_ms, load.gc_off_p50_ms)
    frame, array, *collections = (figure or 0.0 for figure in figures)
    assert frame > 5.9  # a sleep is never shorter than asked for; a busy machine makes it longer
    assert 1.9 < array < frame
    assert min(collections) > 1.9


def test_what_filters_of_warnings_cost_is_told(workers: WorkerParent, tmp_path: Path) -> None:
    """A model that sleeps 1 ms for each filter of warnings is seen to gain by having but one."""

    def act(rows: Any) -> Any:
        time.sleep(0.001 * len(warnings.filters))
        return np.zeros(len(rows))

    load = measured(
        workers, tmp_path, act, latency_seconds=0.05, load_seconds=1.5, load_workers=1
    ).load
    assert load is not None
    assert load.one_filter_p50_ms is not None
    assert load.gc_off_p50_ms is not None
    assert 0.9 < load.one_filter_p50_ms < load.gc_off_p50_ms / 2
    assert "resetwarnings" in " ".join(load.notes)


@pytest.mark.slow
def test_processes_at_once_multiply_what_a_sleeping_model_answers(
    workers: WorkerParent, tmp_path: Path
) -> None:
    """A model that sleeps 0.1 s: N processes answer N times 10 calls per second, within 5 %."""

    def act(rows: Any) -> Any:
        time.sleep(0.1)
        return np.zeros(len(rows))

    options = {"latency_seconds": 0.05, "load_seconds": 9.0, "load_workers": 3}
    load = measured(workers, tmp_path, act, **options).load
    assert load is not None
    assert [point.processes for point in load.concurrency] == [1, 2, 3]
    for point in load.concurrency:
        assert point.calls_per_second == pytest.approx(10 * point.processes, rel=0.05)
        assert point.p50.value == pytest.approx(100, rel=0.05)
    assert load.cold_start_ms is not None
    assert load.cold_start_ms > 100


def test_each_further_process_is_loaded_once_called_with_the_others_and_closed() -> None:
    """Rates add up over processes, efficiency compares with one, and no process is left over."""
    found, model = LoadTest(), SteadyModel()
    measure_concurrency(found, model, pd.DataFrame({"x": [1.0]}), 0.1, 3)
    assert [point.processes for point in found.concurrency] == [1, 2, 3]
    rates = [point.calls_per_second for point in found.concurrency]
    assert rates == pytest.approx([1000, 2000, 3000])
    assert [point.efficiency for point in found.concurrency] == pytest.approx([1, 1, 1])
    assert found.concurrency[-1].p50.value == 1.0
    assert found.concurrency[-1].n_calls == 300
    assert (len(model.twins), [twin.closed for twin in model.twins], model.closed) == (2, [1, 1], 0)
    assert found.cold_start_ms is not None
    assert "Up to 3 processes at once" in found.notes[0]
    assert "one thread in each" in found.notes[0]


class SteadyModel:
    """A model whose calls take a millisecond each, however many processes there are."""

    def __init__(self) -> None:
        self.closed = 0
        self.twins: list[SteadyModel] = []

    def time_calls(self, frame: pd.DataFrame, **options: Any) -> TimedCalls:
        """Tell of 100 calls of a millisecond."""
        return TimedCalls(np.full(100, 1_000_000), np.zeros(100, dtype=bool), None, 0)

    def twin(self) -> SteadyModel:
        """Return another one."""
        self.twins.append(SteadyModel())
        return self.twins[-1]

    def close(self) -> None:
        """Count how often it was asked to end."""
        self.closed += 1


class TiredModel(SteadyModel):
    """A model that cannot be loaded a second time."""

    def twin(self) -> SteadyModel:
        """Fail."""
        message = "no memory is left"
        raise ModelLoadError(message)


def test_a_process_that_cannot_be_started_ends_the_series_with_its_reason() -> None:
    """What was measured before stays; the note says how far it went and why no further."""
    found, model = LoadTest(), TiredModel()
    measure_concurrency(found, model, pd.DataFrame({"x": [1.0]}), 0.1, 4)
    assert [point.calls_per_second for point in found.concurrency] == [pytest.approx(1000)]
    assert "2 processes at once could not be measured: no memory is left" in found.notes[0]
    assert (found.cold_start_ms, model.closed) == (None, 0)


def test_few_uneven_calls_near_capacity_have_no_upper_end() -> None:
    """Where a resample could not keep up with the rate, p99 is told as that much or more."""
    service = np.r_[np.full(20, 1.0), 60.0]
    rate = 0.9 * 1000 / service.mean()
    point = with_intervals([open_loop(service, rate)], service)[0]
    assert point.p99_low_ms is not None
    assert point.p99_high_ms is None


@pytest.mark.slow
def test_the_interval_of_p99_holds_the_truth() -> None:
    """M/M/1 at 70 %, 2,000 calls: the 95 % interval holds the p99 of theory nearly always."""
    theory, held = np.log(100) / 0.3, 0
    for seed in range(100):
        service = np.random.default_rng(seed).exponential(1.0, 2000)
        point = with_intervals([open_loop(service, 700.0, seed=seed)], service, seed=seed)[0]
        assert point.p99_low_ms is not None
        assert point.p99_high_ms is not None
        held += point.p99_low_ms <= theory <= point.p99_high_ms
    assert held >= 90
