"""Bundles through the whole pipeline, and several files of one model over real HTTP."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

import container_file
import jobs
from base_types import Status
from composition_types import Composition, Part
from pipeline import run_tests
from report_types import RunConfig, RunRequest, Stage, TestReport
from sandbox import WorkerParent
from settings import Settings
from storage import Store
from tests.bundle_zoo import BUNDLES, BundleCase
from tests.serving import answer_at_end
from tests.test_api_handler import serving

WHOLE = (
    "dict: scaler, model",
    "scaler, pca, model",
    "two label encoders, named columns",
    "scaler beside one-hot encoder",
    "vectorizer, model",
    "everything at once",
)


def whole_run(case: BundleCase, folder: Path, workers: WorkerParent) -> TestReport:
    """Test a bundle on its own rows, whose answers are those of its author's steps."""
    (folder / "bundle.pkl").write_bytes(pickle.dumps(case.held))
    case.rows.assign(label=case.answers).to_csv(folder / "sample.csv", index=False)
    return run_tests(
        RunRequest(
            model_sha256="0" * 64,
            model_name="bundle.pkl",
            sample_sha256="1" * 64,
            sample_name="sample.csv",
            config=RunConfig(
                target="label", latency_seconds=0.05, explain_seconds=1.0, n_resamples=100
            ),
        ),
        run_id="test",
        model_path=folder / "bundle.pkl",
        sample_path=folder / "sample.csv",
        workers=workers,
        settings=Settings(data_dir=folder),
        save_data=lambda data, _name: hashlib.sha256(data).hexdigest(),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_no_stage_fails(name: str, tmp_path: Path, workers: WorkerParent) -> None:
    """Every stage works on raw rows, and quality is perfect where the answers are the author's."""
    case = BUNDLES[name]()
    report = whole_run(case, tmp_path, workers)
    failed = {one.stage: one.reason for one in report.stages if one.status is Status.FAILED}
    assert failed == {}
    metrics = {metric.name: metric.estimate.value for metric in report.quality.metrics}
    best = metrics.get("accuracy", metrics.get("r2"))
    assert best == pytest.approx(1.0)
    explained = {one.feature for one in report.explanations.outputs[0].importance}
    assert explained == set(map(str, case.rows.columns))
    assert report.performance.error_rate.value == 0


# ---------------------------------------------------------------- the container


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.binary(max_size=99), max_size=6))
def test_what_is_packed_comes_out(files: dict[str, bytes]) -> None:
    """Names and bytes survive, whatever the order in which they were given."""
    out, again = io.BytesIO(), io.BytesIO()
    container_file.pack([(name, io.BytesIO(data)) for name, data in files.items()], out.write)
    backwards = reversed(list(files.items()))
    container_file.pack([(name, io.BytesIO(data)) for name, data in backwards], again.write)
    assert out.getvalue() == again.getvalue()
    assert {name: part.read() for name, part in container_file.unpack(out)} == files


@given(st.binary(max_size=80), st.integers(0, 200))
def test_a_damaged_container_is_told(noise: bytes, end: int) -> None:
    """Whatever the bytes are, the answer is the files or one kind of error."""
    out = io.BytesIO()
    container_file.pack([("a", io.BytesIO(b"1234"))], out.write)
    for data in (container_file.MAGIC + noise, out.getvalue()[:end]):
        try:
            container_file.unpack(io.BytesIO(data))
        except container_file.ContainerError as error:
            assert "upload them again" in str(error)  # noqa: PT017


# ---------------------------------------------------------------- remembered


def test_a_composition_is_remembered_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run of the file uses what was said of it; a run sent again keeps what it had."""
    monkeypatch.setattr(jobs, "ensure_runner", lambda _settings: None)
    store = Store.open(Settings(data_dir=tmp_path))
    sha256 = store.save_bytes(b"model", kind="model", name="m.pkl")
    request = RunRequest(model_sha256=sha256, model_name="m.pkl")
    first = jobs.submit(store, request, idempotency_key="k")
    said = Composition(model="m", parts=[Part(path="s", columns=["a"])])
    store.compositions.remember(sha256, said, actor="local")
    assert store.get_run(jobs.submit(store, request)).request.composition == said
    assert jobs.submit(store, request, idempotency_key="k") == first
    store.compositions.forget(sha256)
    assert store.get_run(jobs.submit(store, request)).request.composition is None
    store.close()


# ---------------------------------------------------------------- over HTTP


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An API with a real runner behind it."""
    with serving(Settings(data_dir=tmp_path_factory.mktemp("bundles"))) as address:
        yield address


QUICK = {"n_rows": 100, "stages": [Stage.INSPECT, Stage.LOAD, Stage.SCHEMA, Stage.DATA, "quality"]}


def post(api: str, files: list[Any], **fields: str) -> dict[str, Any]:
    """Send files, wait for the end and return the report; a refused request is its problem."""
    data = {"options": json.dumps(QUICK), **fields}
    answer = requests.post(f"{api}/run_tests", files=files, data=data, timeout=60)
    if answer.status_code >= 400:
        return dict(answer.json())
    run_id = answer_at_end(answer).json()["run_id"]
    return dict(requests.get(f"{api}/runs/{run_id}/report", timeout=60).json())


@pytest.mark.slow
def test_two_files_over_http(api: str) -> None:
    """A vectorizer sent beside its model is applied before it; both decide the run's identity."""
    case = BUNDLES["vectorizer, model"]()
    vectorizer, model = (pickle.dumps(part) for part in case.held)
    rows = case.rows.assign(spam=case.answers)
    model_file = ("model", ("model.pkl", model))
    extra = ("extra", ("tfidf.pkl", vectorizer))
    sample = ("sample", ("rows.csv", rows.to_csv(index=False)))
    report = post(api, [model_file, extra, sample], target="spam")
    bundle = report["model"]["bundle"]
    assert [part["path"] for part in bundle["composition"]["parts"]] == ["tfidf"]
    metrics = {one["name"]: one["estimate"]["value"] for one in report["quality"]["metrics"]}
    assert metrics["accuracy"] == 1.0
    swapped = [("model", ("tfidf.pkl", vectorizer)), ("extra", ("model.pkl", model))]
    again = post(api, swapped)
    assert again["model"]["file"]["sha256"] == report["model"]["file"]["sha256"]
    other = post(api, [model_file, ("extra", ("other.pkl", vectorizer))])
    assert other["model"]["file"]["sha256"] != report["model"]["file"]["sha256"]


@pytest.mark.slow
def test_a_composition_and_class_names_over_http(api: str) -> None:
    """What the form says of parts and classes is used; what cannot work is told in a sentence."""
    case = BUNDLES["scaler, pca, model"]()
    held = [("model", ("iris.pkl", pickle.dumps(case.held)))]
    right = {"model": "model", "parts": [{"path": "scaler"}, {"path": "pca"}]}
    names = {"0": "setosa", "1": "versicolor", "2": "virginica"}
    report = post(api, held, composition=json.dumps(right), class_names=json.dumps(names))
    assert report["model"]["bundle"]["is_corrected"] is True
    assert report["model"]["info"]["classes"] == list(names.values())
    assert post(api, held)["model"]["bundle"]["is_corrected"] is True, "it was not remembered"
    wrong = {"model": "model", "parts": [{"path": "scaler"}]}
    refused = post(api, held, composition=json.dumps(wrong))
    assert "takes 2 columns, but 4 reach it through the parts" in refused["model"]["reason"]
    assert refused["model"]["status"] == "failed"
    unreadable = post(api, held, composition='{"parts": []}')
    assert "In the field 'composition', model" in unreadable["detail"]


@pytest.mark.slow
def test_a_hostile_file_beside_a_model_is_refused(api: str) -> None:
    """A second file that would run a program is named, and the model is not loaded."""

    class Evil:
        def __reduce__(self) -> Any:
            return print, ("loaded",)

    case = BUNDLES["dict: scaler, model"]()
    files = [
        ("model", ("model.pkl", pickle.dumps(case.held["model"]))),
        ("extra", ("scaler.pkl", pickle.dumps(Evil()))),
    ]
    report = post(api, files)
    assert report["model"]["status"] == "failed"
    assert "builtins.print" in report["model"]["reason"]
