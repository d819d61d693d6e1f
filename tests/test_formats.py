"""Files without pickles answer as the models they were made from, through the whole pipeline."""

from __future__ import annotations

import hashlib
import pickle
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import worker_formats
from base_types import Status
from errors import ModelLoadError
from model_diagnosis import Installed, diagnose
from model_file import inspect_file
from model_types import ModelFileInfo, Safety, Task
from model_utils import ModelHandle, open_model
from pipeline import run_tests
from report_types import RunConfig, RunRequest, TestReport
from sandbox import WorkerParent
from settings import Settings
from tests.format_zoo import STORIES, WRAPPERS, Story, as_cbm, as_onnx, as_skops

TASKS = {
    "spam": Task.BINARY,
    "churn": Task.BINARY,
    "house": Task.REGRESSION,
    "digits": Task.MULTICLASS,
    "outliers": Task.OUTLIER,
    "clusters": Task.CLUSTERING,
    "two_values": Task.REGRESSION,
    "two_labels": Task.MULTILABEL,
    "margins": Task.BINARY,
    "kernel": Task.BINARY,
    "boosted": Task.BINARY,
}
EXACT = 1e-12
FLOAT32 = 5e-5
"""How far numbers of a graph in 32-bit floats may be from those of the original."""


def opened(data: bytes, folder: Path, workers: WorkerParent, **options: Any) -> ModelHandle:
    """Write a file under a name that says nothing, inspect it and load it."""
    path = folder / "upload"
    path.write_bytes(data)
    return open_model(path, inspect_file(path, "upload"), workers=workers, **options)


def expect_same_answers(model: ModelHandle, story: Story, tolerance: float) -> None:
    """Compare labels, probabilities and scores with those of the original estimator."""
    told = model.predict(story.rows)
    wanted = np.asarray(story.model.predict(story.input))
    if wanted.dtype.kind == "f":
        np.testing.assert_allclose(told.y_pred, wanted, rtol=tolerance, atol=tolerance)
    else:
        np.testing.assert_array_equal(told.y_pred, wanted)
    if hasattr(story.model, "predict_proba") and told.y_proba is not None:
        chances = story.model.predict_proba(story.input)
        if isinstance(chances, list):
            chances = np.column_stack([table[:, 1] for table in chances])
        np.testing.assert_allclose(told.y_proba, chances, rtol=tolerance, atol=tolerance)
    elif hasattr(story.model, "decision_function"):
        assert told.y_score is not None
        scores = story.model.decision_function(story.input)
        np.testing.assert_allclose(told.y_score, scores, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", [name for name in STORIES if name != "boosted"])
def test_an_onnx_export_answers_like_its_model(
    name: str, workers: WorkerParent, tmp_path: Path
) -> None:
    """Labels are the same, numbers are as close as 32-bit floats allow."""
    story = STORIES[name]()
    with opened(as_onnx(story), tmp_path, workers, policy="strict") as model:
        assert model.info.task is TASKS[name]
        assert not model.warnings
        expect_same_answers(model, story, FLOAT32)


@pytest.mark.parametrize(
    "name",
    [
        *("churn", "boosted"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("spam", "digits", "outliers")),
    ],
)
def test_a_skops_file_answers_like_its_model(
    name: str, workers: WorkerParent, tmp_path: Path
) -> None:
    """To the last bits, which depend on the layout of rows in memory; also under strict."""
    story = STORIES[name]()
    with opened(as_skops(story.model), tmp_path, workers, policy="strict") as model:
        assert model.info.task is TASKS[name]
        assert model.file_info.safety is Safety.TRUSTED
        expect_same_answers(model, story, EXACT)


def test_tensors_instead_of_maps_are_probabilities_too(
    workers: WorkerParent, tmp_path: Path
) -> None:
    """Exports without ZipMap give one tensor of chances."""
    story = STORIES["digits"]()
    data = as_onnx(story, options={"zipmap": False})
    with opened(data, tmp_path, workers) as model:
        assert model.info.has_proba
        expect_same_answers(model, story, FLOAT32)


def test_a_graph_tells_names_kinds_categories_and_moments(
    workers: WorkerParent, tmp_path: Path
) -> None:
    """Of each input of a pipeline the graph tells what its encoder or scaler learnt."""
    story = STORIES["churn"]()
    with opened(as_onnx(story), tmp_path, workers) as model:
        features = {feature.name: feature for feature in model.info.features}
    assert list(features) == list(story.rows.columns)
    assert features["plan"].categories == ["basic", "plus", "pro"]
    assert features["age"].kind == "float"
    assert features["age"].mean == pytest.approx(story.rows["age"].mean(), rel=1e-4)
    assert features["age"].std == pytest.approx(story.rows["age"].std(ddof=0), rel=1e-4)


def test_a_graph_tells_words_and_split_points(workers: WorkerParent, tmp_path: Path) -> None:
    """A text model gives its vocabulary, trees give the range they split."""
    with opened(as_onnx(STORIES["spam"]()), tmp_path, workers) as model:
        assert model.info.input_form == "text"
        assert "cheap" in (model.info.features[0].categories or [])
    story = STORIES["house"]()
    with opened(as_onnx(story), tmp_path, workers) as model:
        low, high = model.info.features[0].minimum, model.info.features[0].maximum
    assert story.rows["x0"].min() - 1 < (low or 0) < 0
    assert 0 < (high or 0) < story.rows["x0"].max() + 1


def test_inspection_of_an_onnx_file_tells_what_made_it(tmp_path: Path) -> None:
    """Producer, opset, operators, inputs and outputs are read without onnxruntime."""
    path = tmp_path / "model"
    path.write_bytes(as_onnx(STORIES["churn"]()))
    file = inspect_file(path, "churn.onnx")
    assert (file.container, file.safety) == ("onnx", Safety.TRUSTED)
    assert list(file.written_with) == ["skl2onnx"]
    notes = " ".join(file.notes)
    assert "ai.onnx.ml 1" in notes
    assert "LinearClassifier" in notes
    assert "plan tensor(string) [any, 1]" in notes


def test_inspection_of_a_skops_file_tells_its_names(tmp_path: Path) -> None:
    """Names, versions and steps are read without skops; no import is left out."""
    path = tmp_path / "model"
    path.write_bytes(as_skops(STORIES["churn"]().model))
    file = inspect_file(path, "churn.skops")
    assert file.container == "skops"
    assert set(file.written_with) == {"scikit-learn", "skops"}
    assert file.estimator == "sklearn.pipeline.Pipeline"
    assert file.notes == ["Steps: ColumnTransformer → LogisticRegression"]
    assert "sklearn.preprocessing._encoders.OneHotEncoder" in file.imports


def test_a_graph_for_one_row_answers_for_many(workers: WorkerParent, tmp_path: Path) -> None:
    """A fixed number of rows, as some exporters leave it, does not matter."""
    import onnx

    story = STORIES["house"]()
    graph = onnx.load_from_string(as_onnx(story))
    graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    graph.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    with opened(graph.SerializeToString(), tmp_path, workers) as model:
        expect_same_answers(model, story, FLOAT32)


def test_a_network_that_ends_in_softmax_is_a_classifier(
    workers: WorkerParent, tmp_path: Path
) -> None:
    """A graph without labels, as PyTorch exports it, gives chances of numbered classes."""
    from onnx import TensorProto, helper, numpy_helper

    weights = np.array([[1, -1, 0], [0.5, 0, -2]], np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["z"]),
            helper.make_node("Softmax", ["z"], ["p"], axis=1),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    data = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    ).SerializeToString()
    rows = pd.DataFrame({"x0": [1.0, -1.0], "x1": [0.0, 2.0]})
    with opened(data, tmp_path, workers) as model:
        told = model.predict(rows)
        assert model.info.classes == [0, 1, 2]
        assert model.info.notes == [
            "The graph has no labels; its 3 chances are of classes numbered from 0."
        ]
    raw = np.exp(rows.to_numpy() @ weights)
    assert told.y_proba is not None
    np.testing.assert_allclose(told.y_proba, raw / raw.sum(axis=1, keepdims=True), rtol=1e-5)
    assert told.y_pred.tolist() == raw.argmax(axis=1).tolist()


@pytest.mark.parametrize("kind", ["CatBoostClassifier", "CatBoostRegressor"])
def test_a_catboost_file_answers_like_its_model(
    kind: str, workers: WorkerParent, tmp_path: Path
) -> None:
    """A .cbm file gives back classes, names and numbers."""
    pytest.importorskip("catboost")
    data, original, rows = as_cbm(kind, tmp_path)
    with opened(data, tmp_path, workers, policy="strict") as model:
        told = model.predict(rows)
        assert [feature.name for feature in model.info.features] == list(rows.columns)
    np.testing.assert_array_equal(told.y_pred, original.predict(rows))


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("policy", ["standard", "custom"])
def test_a_compressed_pickle_loads(
    wrapper: str, policy: str, workers: WorkerParent, tmp_path: Path
) -> None:
    """A pickle in any of the usual compressors is read as it is, under both policies."""
    story = STORIES["margins"]()
    data = WRAPPERS[wrapper](pickle.dumps(story.model))
    with opened(data, tmp_path, workers, policy=policy) as model:
        assert model.file_info.compression == wrapper
        expect_same_answers(model, story, EXACT)


@pytest.mark.parametrize("writer", ["cloudpickle", "dill"])
def test_other_picklers_of_library_classes_load(
    writer: str, workers: WorkerParent, tmp_path: Path
) -> None:
    """What cloudpickle and dill write of library classes needs no exception."""
    library = pytest.importorskip(writer)
    story = STORIES["churn"]()
    with opened(library.dumps(story.model), tmp_path, workers) as model:
        assert model.file_info.safety is Safety.TRUSTED
        expect_same_answers(model, story, EXACT)


@pytest.mark.parametrize("writer", ["cloudpickle", "dill"])
def test_functions_as_code_load_under_custom_only(
    writer: str, workers: WorkerParent, tmp_path: Path
) -> None:
    """A lambda in a pipeline is refused by name, and runs confined where the operator allows."""
    library = pytest.importorskip(writer)
    code = (lambda rows: rows / 2).__code__
    half = FunctionTransformer(FunctionType(code, {"__name__": "__main__"}))  # as of a notebook
    rows = STORIES["margins"]().rows
    model = make_pipeline(half, LinearRegression()).fit(rows.to_numpy(), rows["x0"])
    data = library.dumps(model)
    with pytest.raises(ModelLoadError, match=f"{writer}.*library classes only"):
        opened(data, tmp_path, workers)
    with opened(data, tmp_path, workers, policy="custom") as loaded:
        expect_same_answers(loaded, Story(model, rows), EXACT)


@pytest.mark.parametrize("container", worker_formats.LIBRARIES)
def test_a_missing_library_is_named_with_its_command(
    container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a format's library the answer is the command that installs it, everywhere."""
    module, package = worker_formats.LIBRARIES[container]
    monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(worker_formats.MissingLibraryError, match=f"pip install {package}$"):
        worker_formats.read_model(b"", container, [])
    file = ModelFileInfo(name="m", size_bytes=1, sha256="0", container=container)
    found = diagnose(file, Installed(versions={}, has_module=lambda _name: False))
    assert [one.module for one in found.missing] == [module.partition(".")[0]]
    assert "pip install" in (found.next_step or "")


def whole_run(
    data: bytes, story: Story, workers: WorkerParent, folder: Path, policy: Any = "strict"
) -> TestReport:
    """Run the whole pipeline over a file and a sample of its data."""
    path, sample = folder / "upload", folder / "sample.csv"
    path.write_bytes(data)
    story.sample.to_csv(sample, index=False)
    request = RunRequest(
        model_sha256=hashlib.sha256(data).hexdigest(),
        model_name="upload",
        sample_name="sample.csv",
        config=RunConfig(
            latency_seconds=0.05,
            explain_seconds=1.0,
            target="target" if story.target is not None else None,
        ),
    )
    return run_tests(
        request,
        run_id="test",
        model_path=path,
        sample_path=sample,
        workers=workers,
        settings=Settings(model_policy=policy),
        save_data=lambda data, _name: hashlib.sha256(data).hexdigest(),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "name"),
    [
        *(("onnx", name) for name in ("spam", "churn", "house", "digits", "outliers")),
        ("skops", "churn"),
    ],
)
def test_the_whole_pipeline_runs(
    form: str, name: str, workers: WorkerParent, tmp_path: Path
) -> None:
    """No stage fails for any of the usual models, and explanations name the user's columns."""
    story = STORIES[name]()
    data = as_onnx(story) if form == "onnx" else as_skops(story.model)
    report = whole_run(data, story, workers, tmp_path)
    failed = {stage.stage: stage.reason for stage in report.stages if stage.status is Status.FAILED}
    assert failed == {}
    assert report.explanations.status is Status.OK
    if story.target is not None:
        assert report.quality.status is Status.OK
