"""Tables of thousands of columns stay within memory and time."""

from __future__ import annotations

import hashlib
import pickle
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from base_types import Status
from drift_halves import Halves
from drift_ranking import MAX_RANKING_CELLS, MIN_FEATURE_ROWS, ranked_names
from drift_simulation import simulate_drift
from frame_codec import decode_frame, encode_frame
from latency import measure_performance
from model_types import ModelInfo, Predictions, Task
from pipeline import run_tests
from report_types import RunConfig, RunRequest
from sandbox import WorkerParent
from schema_inference import schema_from_sample
from schema_utils import Kind, Schema
from settings import Settings
from table_summary import summarise_table
from tests.local_model import LocalModel


def test_a_wide_table_of_numbers_crosses() -> None:
    """Columns of floats arrive as they were, missing and infinite cells too."""
    cells = np.random.default_rng(0).normal(size=(7, 3000))
    cells[2, 5], cells[3, 8] = np.nan, np.inf
    frame = pd.DataFrame(cells, columns=[f"x{i}" for i in range(3000)])
    header, buffers = encode_frame(frame)
    payload = np.frombuffer(b"".join(buffers), dtype=np.uint8)
    pd.testing.assert_frame_equal(decode_frame(header, payload), frame)


@pytest.mark.parametrize("width", [30, 3_000, 30_000])
def test_drifted_tables_have_a_bounded_size(width: int) -> None:
    """However wide the table, all drifted tables together stay under the limit."""
    names = ranked_names([f"x{i}" for i in range(width)])
    assert names
    assert len(names) * width * MIN_FEATURE_ROWS <= MAX_RANKING_CELLS


def test_batches_that_fill_the_memory_are_left_out() -> None:
    """Of a table of 6,000 columns no batch of 10,000 rows is made, and a note says so."""
    frame = pd.DataFrame(np.zeros((5, 6000)))
    model = LocalModel(LinearRegression().fit(frame, np.zeros(5)))
    config = RunConfig(latency_seconds=0.02, batch_sizes=[1, 10, 10_000])
    section = measure_performance(model, frame, config)
    assert [batch.batch_size for batch in section.batches] == [1, 10]
    assert any("6,000 columns" in note for note in section.notes)


@pytest.mark.slow
def test_drift_of_a_wide_table_costs_by_its_width() -> None:
    """Eight times the columns cost the simulated drift at most sixteen times the processor time.

    The ranking copies rows × columns of each column that it drifts, which is bounded; all else is
    done once per column. Of 1,600 columns as of 200 the notes say what was left out.
    """
    costs, notes = [], []
    for width in (200, 1600):
        cells = np.random.default_rng(0).normal(size=(300, width))
        frame = pd.DataFrame(cells, columns=[f"x{i}" for i in range(width)])
        model = LocalModel(
            make_pipeline(SimpleImputer(), LinearRegression()).fit(frame, cells[:, 0])
        )
        schema = schema_from_sample(frame)
        config = RunConfig(drift_severities=[0.5, 1.0], drift_repetitions=0)
        answers = model.predict(frame)
        started = time.process_time()
        section = simulate_drift(model, frame, schema, answers, config=config)
        costs.append(time.process_time() - started)
        notes.append(" ".join(section.notes))
    assert costs[1] < 16 * costs[0], costs
    assert "asked about" not in notes[0]
    assert "625 evenly spaced columns of 1,600" in notes[1]


def test_the_rows_asked_about_shrink_with_the_width() -> None:
    """A drifted table holds at most a quarter of a million cells; a wide one keeps 40 rows."""
    for width, expected in ((100, 250), (2_500, 100), (10_000, 40)):
        kinds = dict.fromkeys((f"x{i}" for i in range(width)), Kind.FLOAT)
        rows, table = np.arange(600), pd.DataFrame(index=range(1200))
        info = ModelInfo(task=Task.REGRESSION, estimator="m")
        zeros = Predictions(np.zeros(1200))
        halves = Halves(table, kinds, zeros, None, info, rows, rows + 600, seed=0)
        assert len(halves.model_rows) == expected


def test_a_wide_table_is_summarised_in_part() -> None:
    """Of 800 columns 500 are summarised, the last one among them."""
    frame = pd.DataFrame(np.zeros((2, 800)), columns=[f"x{i}" for i in range(800)])
    names = [column.name for column in summarise_table(frame, Schema())]
    assert (len(names), names[0], names[-1]) == (500, "x0", "x799")


@pytest.mark.slow
def test_a_run_on_a_wide_table_is_whole(tmp_path: Path) -> None:
    """Every stage of a run on 1,200 columns is done, within 400 MB of memory.

    The accuracy is scikit-learn's, the columns that matter most are among the informative ones,
    and it is told what was left out.
    """
    cells, target = make_classification(
        400, 1200, n_informative=10, n_redundant=0, shuffle=False, class_sep=3.0, random_state=0
    )
    frame = pd.DataFrame(cells, columns=[f"x{i}" for i in range(1200)])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01)).fit(frame, target)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    frame.assign(target=target).to_csv(tmp_path / "sample.csv", index=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with WorkerParent() as workers:
        report = run_tests(
            RunRequest(
                model_sha256="0" * 64,
                model_name="model.pkl",
                sample_name="sample.csv",
                config=RunConfig(latency_seconds=0.02, explain_seconds=1.0),
            ),
            run_id="wide",
            model_path=tmp_path / "model.pkl",
            sample_path=tmp_path / "sample.csv",
            workers=workers,
            settings=Settings(),
            save_data=lambda data, _name: hashlib.sha256(data).hexdigest(),
        )
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert [item.reason for item in report.stages if item.status is not Status.OK] == []
    accuracy = next(each for each in report.quality.metrics if each.name == "accuracy")
    assert accuracy.estimate.value == accuracy_score(target, model.predict(frame))
    top = report.explanations.outputs[0].importance[:5]
    assert {each.feature for each in top} <= {f"x{i}" for i in range(10)}
    assert "500 of 1,201 columns are summarised." in report.data.warnings
    assert any("1,200 columns" in note for note in report.drift.notes)
    assert taken < 400 * 2**20
