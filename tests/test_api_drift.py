"""Claims about ``POST /drift`` over a real connection."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests
from sklearn.linear_model import LinearRegression

import drift
import drift_job
import drift_reference
from asked_model import AskedModel
from compare_files import compare_files
from drift_job import DriftTask
from drift_types import DriftReport, DriftVerdict
from errors import BusyError, DataError, InputError, MonitorError
from report_types import RunRequest
from settings import Settings
from tests.fake_runner import fake_runner
from tests.test_api_handler import problem_of, serving


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(data_dir=tmp_path_factory.mktemp("drift"), max_sample_mb=1, max_model_mb=1)


@pytest.fixture(scope="module")
def api(settings: Settings) -> Iterator[str]:
    with fake_runner(settings.data_dir, "finish"), serving(settings) as address:
        yield address


def rows(n: int = 400, seed: int = 0, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"size": rng.normal(size=n) + shift, "colour": rng.choice(["red", "green"], n)}
    )


def csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def post(api: str, *, options: Any = None, **files: bytes) -> requests.Response:
    form = {name: (f"{name}.csv", content) for name, content in files.items()}
    data = None if options is None else {"options": options}
    return requests.post(f"{api}/drift", files=form or {"x": b""}, data=data, timeout=60)


def test_two_tables_become_a_report(api: str) -> None:
    """The answer is the report that the two tables give in one process."""
    old, new = rows(), rows(300, 1, shift=1.0)
    answer = post(api, reference=csv(old), current=csv(new))
    assert answer.status_code == 200, answer.text
    report = DriftReport.model_validate(answer.json())
    assert [f.verdict.value for f in report.features] == ["drift", "no drift"]
    expected = drift.compare_frames(
        pd.read_csv(io.BytesIO(csv(old))), pd.read_csv(io.BytesIO(csv(new)))
    )
    assert report.features[0].tests == expected.features[0].tests


def test_thresholds_are_obeyed_and_stated(api: str) -> None:
    """With a floor of two standard deviations a shift of one is no drift, and the floor is told."""
    options = json.dumps({"thresholds": {"wasserstein": 2.5}, "jointly": True})
    answer = post(api, options=options, reference=csv(rows()), current=csv(rows(seed=1, shift=1.0)))
    report = DriftReport.model_validate(answer.json())
    assert report.features[0].verdict is DriftVerdict.NONE
    assert report.features[0].tests[0].threshold == 2.5
    assert {test.name for test in report.multivariate} == {"domain_classifier", "mmd"}


@pytest.mark.parametrize(
    ("files", "options", "status", "told"),
    [
        ({"reference": b"a\n1\n"}, None, 422, "field 'current'"),
        ({"current": b"a\n1\n"}, None, 422, "field 'reference'"),
        ({"reference": b"a\n1\n", "current": b""}, None, 422, "field 'current'"),
        ({"reference": b"PK\x03\x04", "current": b"a\n1\n"}, None, 422, "reference.csv"),
        ({"reference": b"a\n1\n", "current": b"a\n1\n"}, "[]", 422, "JSON object"),
        ({"reference": b"a\n1\n", "current": b"a\n1\n"}, "{", 422, "options"),
        ({"reference": b"a\n1\n", "current": b"a\n1\n"}, '{"alpha": 1}', 422, "alpha"),
        ({"reference": b"a\n1\n", "other": b"a\n1\n"}, None, 422, "other"),
        ({"reference": b"a\n" + b"1\n" * 600_000, "current": b"a\n1\n"}, None, 413, "reference"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    api: str, files: dict[str, bytes], options: str | None, status: int, told: str
) -> None:
    """Each refusal is Problem Details that names the field or the file."""
    assert told in problem_of(post(api, options=options, **files), status)["detail"]


def test_a_run_to_ask_must_be_there_and_alone(api: str) -> None:
    """A run that nobody knows is 404 by name; a model besides a run is one too many."""
    tables = {"reference": ("a.csv", csv(rows())), "current": ("b.csv", csv(rows()))}
    named = {"run_id": "01kf2m9x3c8d7e6f5g4h3j2k1m"}
    answer = requests.post(f"{api}/drift", files=tables, data=named, timeout=60)
    assert named["run_id"] in problem_of(answer, 404)["detail"]
    both = tables | {"model": ("m.pkl", b"model")}
    answer = requests.post(f"{api}/drift", files=both, data=named, timeout=60)
    assert "send one of them" in problem_of(answer, 422)["detail"]


def test_a_body_that_is_no_form_is_refused(api: str) -> None:
    """JSON in the body is 415 with what to send instead."""
    answer = requests.post(f"{api}/drift", json={"reference": []}, timeout=60)
    assert "form" in problem_of(answer, 415)["detail"]


def test_others_are_answered_while_tables_are_compared(api: str) -> None:
    """The event loop is free while the process works."""
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 30)).round(3))
    body = csv(wide.rename(columns=lambda i: f"x{i}"))
    done = threading.Event()

    def compare() -> None:
        post(api, reference=body, current=body)
        done.set()

    thread = threading.Thread(target=compare)
    thread.start()
    answered = 0
    while not done.is_set():
        answered += requests.get(f"{api}/healthz", timeout=60).ok
        time.sleep(0.02)
    thread.join()
    assert answered > 3  # a busy loop would answer the first one at the end


def test_the_description_shows_the_operation(api: str) -> None:
    """OpenAPI has an example, and the page a curl line."""
    described = requests.get(f"{api}/openapi.json", timeout=60).json()["paths"]["/drift"]["post"]
    form = described["requestBody"]["content"]["multipart/form-data"]
    assert json.loads(form["example"]["options"])["jointly"] is True
    assert "BASE" not in requests.get(f"{api}/docs", timeout=60).text
    assert "/drift" in requests.get(f"{api}/docs", timeout=60).text


# --- the process ---------------------------------------------------------------------------------


def file_of_no_run(path: Path) -> AskedModel:
    return AskedModel(path=path, request=RunRequest(model_sha256="0", model_name="model.pkl"))


@pytest.fixture
def task(tmp_path_factory: pytest.TempPathFactory) -> DriftTask:
    folder = tmp_path_factory.mktemp("task")
    for name in ("old", "new"):
        (folder / f"{name}.csv").write_bytes(csv(rows()))
    return DriftTask(
        reference=folder / "old.csv",
        reference_name="old.csv",
        current=folder / "new.csv",
        current_name="new.csv",
    )


def test_a_cancelled_comparison_leaves_no_process(task: DriftTask, settings: Settings) -> None:
    """Leaving the job's block ends the process at once."""
    with drift_job.start(task, settings) as job:
        process = job._process
        assert process.poll() is None
    assert process.poll() is not None


def test_too_many_comparisons_are_refused(task: DriftTask, settings: Settings) -> None:
    """The door takes twice as many as it has slots; then it is busy until one has ended."""
    one = settings.model_copy(update={"slots": 1})
    with (
        drift_job.start(task, one),
        drift_job.start(task, one),
        pytest.raises(BusyError, match="try again later"),
    ):
        drift_job.start(task, one)
    drift_job.start(task, one).cancel()


def test_a_slow_comparison_is_stopped(task: DriftTask, settings: Settings) -> None:
    """Beyond the time limit the message names it."""
    hurried = settings.model_copy(update={"run_seconds": 0.01})
    with pytest.raises(MonitorError, match=r"longer than 0\.01 s"):
        drift_job.start(task, hurried).wait()


def test_a_process_that_dies_is_told(task: DriftTask, settings: Settings) -> None:
    """Killed from outside, it is an error with the signal, not a wait without end."""
    job = drift_job.start(task, settings)
    job._process.kill()
    with pytest.raises(MonitorError, match="signal 9"):
        job.wait()


def test_a_process_that_reads_nothing_leaves_its_place(
    task: DriftTask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that ends before it has read a long task is told like any other, and takes no place."""
    monkeypatch.setattr("sys.executable", shutil.which("false"))
    long = task.model_copy(update={"options": {"note": "x" * 1_000_000}})
    for _ in range(2 * settings.slots + 1):
        with pytest.raises(MonitorError, match="exit code 1"):
            drift_job.start(long, settings).wait()


def test_an_unreadable_file_keeps_its_kind_of_error(task: DriftTask, settings: Settings) -> None:
    """The error of the other process arrives as the same class."""
    task.current.write_bytes(b"\x80\x04pickle")
    with pytest.raises(DataError, match=r"new\.csv looks like a pickle"):
        drift_job.start(task, settings).wait()


def test_the_reference_may_be_a_kept_profile(
    task: DriftTask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile saved from the command line takes the place of its table."""
    profile = task.reference.with_name("profile.npz")
    command = ["drift_reference", str(task.reference), str(profile)]
    monkeypatch.setattr("sys.argv", command)
    drift_reference.main()
    asked = task.model_copy(update={"reference": profile, "options": {"jointly": True}})
    report = drift_job.start(asked, settings).wait()
    old, new = (pd.read_csv(path) for path in (task.reference, task.current))
    assert report.features == drift.compare_frames(old, new).features
    assert "without rows" in report.notes[-1]


def test_answers_that_current_rows_lack_are_not_missed(task: DriftTask, settings: Settings) -> None:
    """The label column of a reference is no drift where nobody knows the answers yet."""
    task.reference.write_bytes(csv(rows().assign(bought="yes")))
    report = drift_job.start(task.model_copy(update={"labels": "bought"}), settings).wait()
    assert [f.feature for f in report.features] == ["size", "colour"]
    assert "bought" in report.notes[0]


def test_a_model_that_cannot_answer_is_a_note(task: DriftTask, settings: Settings) -> None:
    """The columns are compared all the same."""
    model = task.reference.with_name("model.pkl")
    fitted = LinearRegression().fit(pd.DataFrame({"height": [0.0, 1.0]}), [0.0, 1.0])
    model.write_bytes(pickle.dumps(fitted))
    asked = task.model_copy(update={"model": file_of_no_run(model)})
    report = drift_job.start(asked, settings).wait()
    assert [feature.feature for feature in report.features] == ["size", "colour"]
    assert report.prediction is None
    assert "Predictions were not compared" in report.notes[-1]
    assert "height" in report.notes[-1]


def test_a_file_that_is_no_model_ends_the_comparison(task: DriftTask) -> None:
    """Whoever sent the wrong file learns it instead of getting half an answer."""
    model = task.reference.with_name("model.pkl")
    model.write_bytes(b"no model")
    asked = task.model_copy(update={"model": file_of_no_run(model)})
    with pytest.raises(InputError, match="not a model"):
        compare_files(asked, lambda _fraction, _message: None)


@pytest.mark.slow
def test_a_model_answers_for_both_tables(task: DriftTask, settings: Settings) -> None:
    """The prediction gets a verdict like a column."""
    from sklearn.tree import DecisionTreeRegressor

    old, new = rows(), rows(seed=1, shift=2.0)
    model = task.reference.with_name("model.pkl")
    model.write_bytes(pickle.dumps(DecisionTreeRegressor().fit(old[["size"]], old["size"])))
    task.current.write_bytes(csv(new))
    asked = task.model_copy(update={"model": file_of_no_run(model)})
    report = drift_job.start(asked, settings).wait()
    assert report.prediction is not None
    assert report.prediction.verdict is DriftVerdict.DRIFT
