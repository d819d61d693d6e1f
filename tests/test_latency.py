"""The timing protocol and the search for failing rows, on models with known behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from base_types import Status
from errors import ModelCrashedError, ModelRaisedError
from failing_rows import MAX_CALLS, SAMPLE_SIZE, describe_failures, find_failing_rows
from latency import measure_performance
from model_types import Lowered, ModelInfo, Predictions, Task, TimedCalls
from report_types import RunConfig

MS = 1_000_000
REFUSAL = "ValueError"
CRASH = "The model's process was killed."


@dataclass
class StubModel:
    """A model whose durations and failing rows are given; nothing is really timed."""

    bad_rows: frozenset[int] = frozenset()
    call_ns: int = MS
    row_ns: int = 0
    jitter: float = 0.0
    disturbed_every: int = 0
    info: ModelInfo = field(default_factory=lambda: ModelInfo(task=Task.BINARY, estimator="Stub"))
    n_predictions: int = 0
    n_timed: int = 0
    timed_rows: set[int] = field(default_factory=set)
    timed_sizes: list[int] = field(default_factory=list)

    def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
        """Answer zeros, or raise when a bad row is among them."""
        self.n_predictions += 1
        if self.bad_rows & set(frame["row"]):
            raise ModelRaisedError(REFUSAL, "bad row")
        return Predictions(np.zeros(len(frame)))

    def time_calls(
        self,
        frame: pd.DataFrame,
        *,
        batch_size: int,
        max_calls: int,
        max_seconds: float,
        warmup_calls: int = 0,
    ) -> TimedCalls:
        """Return the durations the stub was made with, for as many calls as fit."""
        if self.bad_rows & set(frame["row"]):
            raise ModelRaisedError(REFUSAL, "bad row")
        first = not self.timed_sizes
        self.timed_rows |= set(frame["row"])
        self.timed_sizes.append(batch_size)
        cost = self.call_ns + self.row_ns * batch_size
        n = max(1, min(max_calls, int(max_seconds * 1e9 / cost)))
        durations = cost * (1 + self.jitter * (np.arange(n) % 10) / 10)
        return TimedCalls(
            durations.astype(np.int64), self._disturbed(n), 7 * MS if first else None, warmup_calls
        )

    def _disturbed(self, n: int) -> NDArray[np.bool_]:
        if not self.disturbed_every:
            return np.zeros(n, dtype=np.bool_)
        disturbed: NDArray[np.bool_] = (self.n_timed + np.arange(n)) % self.disturbed_every == 0
        self.n_timed += n
        return disturbed

    def peak_memory_bytes(self) -> int:
        """Three MiB."""
        return 3 * 2**20

    def transform(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the input itself."""
        return frame.to_numpy(dtype=np.float64)

    def lower(self) -> Lowered | None:
        """No arrays."""
        return None


def rows(n: int) -> pd.DataFrame:
    return pd.DataFrame({"row": np.arange(n), "note": ["x"] * n})


def test_percentiles_are_those_of_the_calls() -> None:
    """Calls of 1.0, 1.1 ... 1.9 ms in turn have their p50 at 1.4 and p95 at 1.9 ms."""
    section = measure_performance(StubModel(jitter=1.0), rows(20), RunConfig(latency_seconds=1))
    found = {name: estimate.value for name, estimate in section.percentiles_ms.items()}
    assert found == pytest.approx({"p50": 1.4, "p90": 1.8, "p95": 1.9, "p99": 1.9, "max": 1.9})
    assert section.cold_call_ms == 7.0
    assert section.peak_memory_mb == 3.0
    assert sum(section.single_row_histogram.counts) == section.n_calls


def test_percentile_without_enough_calls_has_a_reason_for_no_interval() -> None:
    """With 55 calls the median has an interval, p95 and p99 say how many calls they need."""
    section = measure_performance(StubModel(call_ns=6 * MS), rows(20), RunConfig())
    assert section.n_calls == 55
    assert section.percentiles_ms["p50"].low == 6.0
    assert "59" in str(section.percentiles_ms["p95"].interval_reason)
    assert "299" in str(section.percentiles_ms["p99"].interval_reason)


def test_throughput_follows_from_the_median_of_each_batch_size() -> None:
    """1 ms per call and 1 us per row give 1.001 ms, 1.1 ms ... and the matching rows per second."""
    section = measure_performance(StubModel(row_ns=1000), rows(50), RunConfig())
    points = {point.batch_size: point for point in section.batches}
    assert {size: p.p50_ms for size, p in points.items()} == pytest.approx(
        {1: 1.001, 10: 1.01, 100: 1.1, 1000: 2.0, 10_000: 11.0}
    )
    assert points[1000].rows_per_second == pytest.approx(500_000)
    assert points[1000].us_per_row == pytest.approx(2.0)
    assert section.best_rows_per_second == pytest.approx(10_000 / 0.011)


def test_batch_sizes_take_turns() -> None:
    """The first block visits every batch size once, before any is visited again."""
    model = StubModel()
    measure_performance(model, rows(20), RunConfig())
    assert model.timed_sizes[1:6] == [1, 10, 100, 1000, 10_000]  # the first is the cold call


def test_repeating_rows_to_fill_a_batch_is_said() -> None:
    """A batch larger than the data is measured on repeated rows, with a note."""
    section = measure_performance(StubModel(), rows(50), RunConfig(batch_sizes=[1, 10, 100]))
    assert any("100 rows repeat the 50 rows" in note for note in section.notes)


def test_batch_that_would_take_too_long_is_left_out() -> None:
    """At 1 ms per row a batch of 10,000 would take 10 s: it is not tried, and the note says so."""
    section = measure_performance(StubModel(row_ns=MS), rows(50), RunConfig())
    assert [point.batch_size for point in section.batches] == [1, 10, 100, 1000]
    assert any("10,000 rows were left out" in note for note in section.notes)


def test_budget_bounds_the_time_spent() -> None:
    """A model of a forest's speed is measured within 0.6 s of its own time by default."""
    model = StubModel(call_ns=4 * MS, row_ns=5000)
    section = measure_performance(model, rows(1000), RunConfig())
    spent = sum(point.n_calls * point.p50_ms for point in section.batches)
    assert spent <= 600
    assert section.percentiles_ms["p95"].low is not None


@pytest.mark.parametrize(("call_ms", "n_calls"), [(4, 3), (30, 2), (100, 1)])
def test_a_batch_is_timed_in_each_round_while_that_is_cheap(call_ms: int, n_calls: int) -> None:
    """A call of 4 ms is made in all three rounds, one of 30 ms twice, one of 100 ms once."""
    section = measure_performance(StubModel(call_ns=call_ms * MS), rows(20), RunConfig())
    assert [point.n_calls for point in section.batches[1:]] == [n_calls] * 4


def test_a_slow_model_sees_different_rows_in_every_block() -> None:
    """Blocks go on where the last one ended: 20 calls per block start 20 rows later each time."""
    starts: list[int] = []

    class Watcher(StubModel):
        def time_calls(self, frame: pd.DataFrame, **plan: Any) -> TimedCalls:
            if plan["batch_size"] == 1:
                starts.append(int(frame["row"].iloc[0]))
            return super().time_calls(frame, **plan)

    measure_performance(Watcher(call_ns=5 * MS), rows(100), RunConfig())
    assert starts[1:] == [0, 20, 40]  # the first is the cold call


def test_timing_ends_when_more_calls_would_tell_nothing_new() -> None:
    """A steady model of 0.1 ms is timed 299 times, just enough for p99: a tenth of its budget."""
    section = measure_performance(StubModel(call_ns=MS // 10), rows(20), RunConfig())
    assert section.n_calls == 299
    assert section.percentiles_ms["p99"].low is not None
    assert "were within 10% and 25%" in str(section.protocol)
    assert [point.n_calls for point in section.batches[1:]] == [6] * 4


def test_timing_goes_on_while_the_tail_is_uncertain() -> None:
    """Where a twentieth of the calls takes nine times as long, p95 keeps the calls going."""

    class Bursts(StubModel):
        def time_calls(self, frame: pd.DataFrame, **plan: Any) -> TimedCalls:
            timed = super().time_calls(frame, **plan)
            timed.durations_ns[::10] *= 1 + 8 * (np.arange(len(timed.durations_ns[::10])) % 2)
            return timed

    section = measure_performance(Bursts(), rows(20), RunConfig())
    assert "until most of their time was spent" in str(section.protocol)


@pytest.mark.parametrize(("n_jobs", "threads"), [("None", 1), ("1", 1), ("-1", None)])
def test_threads_of_the_model_itself_are_told(n_jobs: str, threads: int | None) -> None:
    """One thread is claimed only where the model starts none of its own."""
    model = StubModel()
    model.info.parameters["n_jobs"] = n_jobs
    section = measure_performance(model, rows(20), RunConfig())
    assert section.threads == threads
    assert any("n_jobs=-1" in note for note in section.notes) == (threads is None)


def test_preempted_calls_are_told_apart() -> None:
    """When every fourth call is preempted, the undisturbed p95 leaves it out and a note says so."""
    model = StubModel(disturbed_every=4)
    section = measure_performance(model, rows(20), RunConfig())
    assert section.disturbed_share == pytest.approx(0.25, abs=0.005)
    assert section.undisturbed_p95_ms == 1.0
    assert any("interrupted 25%" in note for note in section.notes)


def test_failing_rows_are_counted_named_and_left_out_of_the_timing() -> None:
    """Three bad rows of 1,000 are found with their message and values; timing never sees them."""
    model = StubModel(bad_rows=frozenset({3, 500, 999}))
    section = measure_performance(model, rows(1000), RunConfig())
    assert [failing.row for failing in section.failing_rows] == [3, 500, 999]
    assert section.failing_rows[0].error == "ValueError: bad row"
    assert section.failing_rows[0].values == {"row": 3, "note": "x"}
    assert (section.n_rows_failed, section.error_rate.value) == (3, 0.003)
    assert not model.timed_rows & {3, 500, 999}


def test_a_model_that_fails_on_every_row_fails_the_section() -> None:
    """The reason quotes the model; no timing is invented and no 2n calls are spent."""
    model = StubModel(bad_rows=frozenset(range(5000)))
    section = measure_performance(model, rows(5000), RunConfig())
    assert section.status is Status.FAILED
    assert "ValueError: bad row" in str(section.reason)
    assert section.error_rate.value == 1.0
    assert section.percentiles_ms == {}
    assert model.n_predictions <= MAX_CALLS + SAMPLE_SIZE + 1


def test_an_empty_table_fails_the_section() -> None:
    """Without rows there is nothing to time, and the reason says so."""
    section = measure_performance(StubModel(), rows(0), RunConfig())
    assert section.status is Status.FAILED
    assert "no rows" in str(section.reason)


def test_many_failing_rows_are_estimated_from_a_random_sample() -> None:
    """Half of 4,000 rows failing: the interval from the sample holds one half."""
    model = StubModel(bad_rows=frozenset(range(0, 4000, 2)))
    failures = find_failing_rows(model, rows(4000))
    rate = failures.error_rate
    assert rate.low is not None
    assert rate.high is not None
    assert rate.low < 0.5 < rate.high
    assert failures.n_tried == SAMPLE_SIZE
    assert model.n_predictions <= MAX_CALLS + SAMPLE_SIZE + 1


def test_rows_that_fail_for_missing_values_are_all_found() -> None:
    """80 rows with a missing cell among 1,000: each is found, and no good row is given up."""
    bad = frozenset(range(5, 1000, 12)[:80])
    frame = rows(1000).assign(tenure=[np.nan if at in bad else 1.0 for at in range(1000)])
    model = StubModel(bad_rows=bad)
    failures = find_failing_rows(model, frame)
    assert failures.failing.keys() == bad
    assert failures.good.tolist() == sorted(set(range(1000)) - bad)
    assert model.n_predictions <= MAX_CALLS + 1


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 60), data=st.data())
def test_bisection_finds_exactly_the_bad_rows(n: int, data: st.DataObject) -> None:
    """Whatever few rows fail, they and only they are found."""
    bad = data.draw(st.sets(st.integers(0, n - 1)))
    failures = find_failing_rows(StubModel(bad_rows=frozenset(bad)), rows(n))
    assert set(failures.failing) == bad
    assert set(failures.good.tolist()) == set(range(n)) - bad


def test_rows_that_fail_only_together_are_told() -> None:
    """A model that refuses big batches has no failing row, but a note."""

    class BigBatchRefuser(StubModel):
        def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
            if len(frame) > 8:
                raise ModelRaisedError(REFUSAL, "too many rows")
            return super().predict(frame)

    failures = find_failing_rows(BigBatchRefuser(), rows(20))
    assert failures.failing == {}
    assert "together" in failures.notes[0]


def test_a_crash_is_not_a_failing_row() -> None:
    """A worker that dies ends the measurement; only exceptions are counted per row."""

    class Crasher(StubModel):
        def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
            raise ModelCrashedError(CRASH)

    with pytest.raises(ModelCrashedError):
        measure_performance(Crasher(), rows(20), RunConfig())


@pytest.mark.parametrize(
    ("value", "shown"), [(np.nan, None), (np.inf, "inf"), (pd.NaT, None), ("x" * 500, "x" * 200)]
)
def test_values_of_failing_rows_fit_json(value: object, shown: object) -> None:
    """Missing becomes null, infinity a text, long text is cut."""
    frame = pd.DataFrame({"row": [0], "value": [value]})
    failures = find_failing_rows(StubModel(bad_rows=frozenset({0})), frame)
    assert describe_failures(failures, frame)[0].values["value"] == shown


def _collect(said: list[float]) -> Callable[[float, str], None]:
    return lambda fraction, message: said.append(fraction)


def test_progress_rises_from_zero_to_one() -> None:
    """The callback sees fractions in order, from 0 to 1."""
    said: list[float] = []
    measure_performance(StubModel(), rows(20), RunConfig(), progress=_collect(said))
    assert said == sorted(said)
    assert (said[0], said[-1]) == (0.0, 1.0)
