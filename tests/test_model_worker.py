"""The worker's loop answers every request, also foolish ones, and runs on its own."""

from __future__ import annotations

import pickle
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier, ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import frame_codec
import model_worker
import worker_predict
import worker_protocol
from worker_predict import Predictor, TimingPlan
from worker_protocol import Request

ROOT = Path(__file__).resolve().parent.parent
FRAME = pd.DataFrame({"x0": [1.0, 2.0]})


@pytest.fixture
def model_file(tmp_path: Path) -> Iterator[Any]:
    """An open file with the model y = 3 x."""
    model = LinearRegression().fit(np.array([[0.0], [1.0]]), np.array([0.0, 3.0]))
    (tmp_path / "model").write_bytes(pickle.dumps(model))
    with (tmp_path / "model").open("rb") as file:
        yield file


def request(op: str, frame: pd.DataFrame | None = None, **options: Any) -> Request:
    """Return a request as the worker receives it."""
    header, data = {"op": op, **options}, b""
    if frame is not None:
        header["frame"], buffers = frame_codec.encode_frame(frame)
        data = b"".join(buffers)
    return Request(header, np.frombuffer(data, dtype=np.uint8))


@pytest.mark.parametrize(
    ("asked", "kind", "text"),
    [
        (request("predict", FRAME, proba=True), "WorkerError", "no model was loaded"),
        (request("unheard of"), "KeyError", "unheard of"),
        (request("load", policy="anything"), "ValueError", "unknown policy"),
        (request("load", policy="strict"), "RefusedError", "policy strict"),
    ],
)
def test_a_foolish_request_gets_an_error(
    model_file: Any, asked: Request, kind: str, text: str
) -> None:
    """Whatever is asked, the answer says what was wrong with it."""
    header, arrays = model_worker.Session(model_file.fileno()).answer(asked)
    assert header["error"]["type"] == kind
    assert text in header["error"]["message"]
    assert not arrays


def test_a_loaded_model_is_described_and_predicts(model_file: Any) -> None:
    """After loading, the session knows the model and answers with its numbers."""
    session = model_worker.Session(model_file.fileno())
    header, _ = session.answer(request("load", policy="standard"))
    assert header["info"]["estimator"] == "LinearRegression"
    _, arrays = session.answer(request("predict", FRAME, proba=True))
    assert arrays["y_pred"] == pytest.approx([3.0, 6.0])


def test_calls_that_are_not_timed_are_made_under_one_filter(model_file: Any) -> None:
    """Only timed calls, the first included, see the process's own filters of warnings."""
    session = model_worker.Session(model_file.fileno())
    session.answer(request("load", policy="standard"))
    seen: list[int] = []

    def predict(rows: Any) -> Any:
        seen.append(len(warnings.filters))
        return np.zeros(len(rows))

    usual = len(warnings.filters)
    plan = {"batch_size": 2, "max_calls": 1, "max_seconds": 9.0, "warmup_calls": 0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session.predictor.estimator, "predict", predict, raising=False)
        for _ in range(2):
            session.answer(request("predict", FRAME, proba=False))
        session.answer(request("time", FRAME, plan=plan))
    first, second, timed = seen
    assert second == 1 < usual == first == len(warnings.filters) <= timed


def test_the_worker_runs_on_its_own(model_file: Any) -> None:
    """Started as a program with two descriptors, the worker serves until its socket closes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        fds = (theirs.fileno(), model_file.fileno())
        command = [sys.executable, str(ROOT / "model_worker.py"), *map(str, fds)]
        with subprocess.Popen(command, pass_fds=fds) as process:
            worker_protocol.send_request(ours, {"op": "load", "policy": "standard"})
            assert "info" in worker_protocol.receive_reply(ours, 0).header
            worker_protocol.send_request(ours, {"op": "predict", "proba": False}, FRAME)
            reply = worker_protocol.receive_reply(ours, 16)
            ours.shutdown(socket.SHUT_WR)
            assert process.wait(60) == 0
    assert reply.arrays["y_pred"] == pytest.approx([3.0, 6.0])


def test_a_reply_that_cannot_be_sent_becomes_an_error() -> None:
    """An answer that is no plain number is told as an error instead of breaking the stream."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = model_worker.FileChannel(theirs.fileno())
        model_worker._send(channel, {}, {"y_pred": np.array(["a"])})
        reply = worker_protocol.receive_reply(ours, 100)
    assert reply.header["error"]["type"] == "ProtocolError"


def test_labels_become_places_in_the_list() -> None:
    """Codes are positions among the told classes; an unlisted label is -1, never a guess."""

    class Answers:
        def predict(self, rows: Any) -> Any:
            return np.array(["b", "a", "z"], dtype=rows.dtype)

    info = {"classes": ["a", "b"], "input_form": "matrix", "features": [], "task": "binary"}
    for dtype in ("U1", object):
        rows = pd.DataFrame(np.array([["1"], ["2"], ["3"]], dtype=dtype), dtype=object)
        answers = Predictor(Answers(), info).predict(rows, proba=False)
        assert answers["y_pred"].tolist() == [1, 0, -1]


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(5, random_state=0),
        ExtraTreesClassifier(5, random_state=0),
        BaggingClassifier(n_estimators=3, random_state=0),
        make_pipeline(StandardScaler(), RandomForestClassifier(4, random_state=0)),
    ],
)
def test_one_pass_of_a_forest_gives_the_classes_that_predict_gives(estimator: Any) -> None:
    """Where ``predict`` of scikit-learn is the likeliest class, also at ties, it is not asked."""
    rows, truth = load_iris(return_X_y=True)
    estimator.fit(rows + np.random.default_rng(0).normal(0, 1.5, rows.shape), truth)
    info = {"classes": [0, 1, 2], "input_form": "matrix", "features": [], "has_proba": True}
    predictor = Predictor(estimator, {**info, "task": "multiclass"})
    frame = pd.DataFrame(rows)
    first = predictor.predict(frame, proba=True)  # the first call of a process is timed as it is
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictor, "_first_timed", None)
        again = predictor.predict(frame, proba=True)
    assert again["y_pred"].tolist() == estimator.predict(rows).tolist() == first["y_pred"].tolist()
    assert np.array_equal(again["y_proba"], estimator.predict_proba(rows))


def test_other_models_are_asked_for_their_classes() -> None:
    """A support vector machine may answer another class than its likeliest one, so it is asked."""
    assert not worker_predict._is_likeliest(make_pipeline(StandardScaler(), SVC()))


@pytest.mark.parametrize(("n_rows", "batch_size"), [(10, 3), (3, 10), (1000, 1), (5, 5)])
def test_timed_batches_have_the_asked_size(n_rows: int, batch_size: int) -> None:
    """Every timed call gets a full batch, whatever the table's length."""
    sizes: list[int] = []

    class Counts:
        def predict(self, rows: Any) -> None:
            sizes.append(len(rows))

    predictor = Predictor(Counts(), {"input_form": "matrix", "features": []})
    plan = TimingPlan(batch_size=batch_size, max_calls=100, max_seconds=5, warmup_calls=2)
    timed = predictor.time_calls(pd.DataFrame({"a": np.arange(float(n_rows))}), plan)
    assert set(sizes) == {batch_size}
    assert len(sizes) == 102
    assert len(timed["durations_ns"]) == 100
