"""What cannot be run is answered in one sentence that names the cause and the next step."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import re
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle
import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from errors import InputError, ModelError
from model_file import inspect_file
from model_utils import open_model
from sandbox import WorkerParent
from tests.format_zoo import STORIES, as_onnx
from tests.hostile_pickles import text


class Cause(NamedTuple):
    """A file, words of the sentence that name the cause, and words of the next step."""

    make: Callable[[], bytes]
    cause: str
    step: str


class OfTheNotebook(LogisticRegression):  # type: ignore[misc]
    """A class that no other process can import."""


def numbers() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=(60, 3))


def fitted() -> LogisticRegression:
    return LogisticRegression().fit(numbers(), numbers()[:, 0] > 0)


def of_a_notebook() -> bytes:
    model = OfTheNotebook().fit(numbers(), numbers()[:, 0] > 0)
    return pickle.dumps(model, 0).replace(b"tests.test_causes", b"__main__")


def with_a_lambda() -> bytes:
    data: bytes = cloudpickle.dumps(make_pipeline(FunctionTransformer(lambda x: x * 2), fitted()))
    return data


def of_a_missing_library() -> bytes:
    return b"\x80\x04" + text("imblearn.pipeline") + text("Pipeline") + b"\x93)\x81}b."


def not_refitted() -> bytes:
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2, refit=False)
    return pickle.dumps(search.fit(numbers(), numbers()[:, 0] > 0))


def zip_of(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), data)
    return file.getvalue()


def graph(
    shape: list[Any], kind: int = TensorProto.FLOAT, *, opset: int = 18, ir: int = 8, op: str = ""
) -> bytes:
    """Return a model that adds a number to an input of some shape."""
    one = numpy_helper.from_array(np.ones(1, np.float32), "one")
    node = helper.make_node(op or "Add", ["x", "one"], ["y"])
    made = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, None)],
        [one],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)
    data: bytes = model.SerializeToString()
    return data


def without_class_names() -> bytes:
    """Return a classifier of texts whose classes stand nowhere in its graph."""
    model = onnx.load_from_string(as_onnx(STORIES["margins"]()))
    for node in model.graph.node:
        for attribute in list(node.attribute):
            if attribute.name.startswith("classlabels"):
                node.attribute.remove(attribute)
    kept = [node for node in model.graph.node if node.op_type == "LinearClassifier"]
    assert kept
    data: bytes = model.SerializeToString()
    return data


def external_weights() -> bytes:
    model = onnx.load_from_string(as_onnx(STORIES["clusters"]()))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="model.onnx.data")
    data: bytes = model.SerializeToString()
    return data


def state_dict() -> bytes:
    return zip_of(model__data_dot_pkl=b"\x80\x02}.", model__version=b"3")


CAUSES = {
    "nothing": Cause(lambda: b"", "empty", "try again"),
    "a pointer": Cause(lambda: b"version https://git-lfs.github.com/spec/v1\n", "LFS", "git lfs"),
    "a page": Cause(lambda: b"<!DOCTYPE html><html>404</html>", "HTML page", "raw file"),
    "a script": Cause(lambda: b"import os\nprint(1)\n", "Python script", "joblib.dump"),
    "a notebook": Cause(
        lambda: json.dumps({"cells": [{"cell_type": "code"}]}).encode(), "notebook", "Run it"
    ),
    "a table": Cause(lambda: b"a,b\n1,2\n3,4\n", "table", "data set"),
    "an archive": Cause(lambda: zip_of(model_dot_pkl=b"1"), "zip archive", "Unpack"),
    "keras": Cause(lambda: b"\x89HDF\r\n\x1a\n" + bytes(9), "Keras", "ONNX"),
    "weights of torch": Cause(state_dict, "PyTorch file of weights", "torch.jit.script"),
    "old xgboost": Cause(lambda: b"binf" + bytes(9), "old binary", "save_model"),
    "compressed onnx": Cause(
        lambda: gzip.compress(as_onnx(STORIES["margins"]())), "gzip file", "Unpack"
    ),
    "a data frame": Cause(
        lambda: pickle.dumps(pd.DataFrame({"a": [1]})), "DataFrame", "Upload the fitted model"
    ),
    "a scaler": Cause(
        lambda: pickle.dumps(StandardScaler().fit(numbers())), "StandardScaler", "Pipeline"
    ),
    "a class": Cause(
        lambda: pickle.dumps(LogisticRegression), "a class or function", "fitted model object"
    ),
    "unfitted": Cause(lambda: pickle.dumps(LogisticRegression()), "never fitted", "Call fit"),
    "no refit": Cause(not_refitted, "refit=False", "best model"),
    "no novelty": Cause(
        lambda: pickle.dumps(LocalOutlierFactor().fit(numbers())), "cannot predict", "novelty=True"
    ),
    "a class of a notebook": Cause(of_a_notebook, "__main__.OfTheNotebook", "library classes"),
    "a lambda": Cause(with_a_lambda, "_make_function", "library classes"),
    "a missing library": Cause(of_a_missing_library, "imblearn", "pip install"),
    "a partial": Cause(lambda: pickle.dumps(partial(print, 1)), "functools.partial", "library"),
    "an attack": Cause(lambda: b"cposix\nsystem\n(Vtrue\ntR.", "posix.system", "library classes"),
    "too deep": Cause(
        lambda: b"\x80\x04" + b"(" * 10_002, "open inside one another", "another format"
    ),
    "a cut pickle": Cause(lambda: pickle.dumps(fitted())[:-30], "cannot be read", "Save it again"),
    "a picture model": Cause(lambda: graph(["n", 3, 8, 8]), "\\(any, 3, 8, 8\\)", "one row"),
    "no width": Cause(lambda: graph(["n", "k"]), "number of columns", "FloatTensorType"),
    "complex numbers": Cause(
        lambda: graph(["n", 2], TensorProto.COMPLEX64), "complex64", "Export it again"
    ),
    "a newer opset": Cause(lambda: graph(["n", 2], opset=999), "newer ONNX opset", "target_opset"),
    "a newer ir": Cause(lambda: graph(["n", 2], ir=29), "IR version", "newer onnxruntime"),
    "an unknown operator": Cause(lambda: graph(["n", 2], op="Frobnicate"), "Frobnicate", "Export"),
    "weights elsewhere": Cause(external_weights, "another file", "save_as_external_data=False"),
    "a cut graph": Cause(lambda: as_onnx(STORIES["margins"]())[:-9], "cut off", "Export the model"),
    "no graph": Cause(lambda: b"\x08\x01\x12\x02ab", "no graph", "Export"),
    "a cut skops file": Cause(
        lambda: zip_of(schema_dot_json=b"{"), "skops file but cannot be read", "skops.io.dump"
    ),
    "a cut cbm": Cause(lambda: b"CBM1" + bytes(60), "damaged", "Save it again"),
    "a cut lightgbm": Cause(lambda: b"tree\nversion=v4\nnum_class=1\n", "damaged", "Save it again"),
}


@pytest.mark.parametrize("name", CAUSES)
def test_the_answer_names_cause_and_next_step(
    name: str, workers: WorkerParent, tmp_path: Path
) -> None:
    """One line of text, no traceback; it says what was found and what to do."""
    path = tmp_path / "upload"
    path.write_bytes(CAUSES[name].make())
    with (
        pytest.raises((InputError, ModelError)) as told,
        open_model(path, inspect_file(path, "upload"), workers=workers),
    ):
        pass
    answer = str(told.value)
    assert "\n" not in answer
    assert "Traceback" not in answer
    assert len(answer) < 700
    assert re.search(CAUSES[name].cause, answer), answer
    assert re.search(CAUSES[name].step, answer), answer


def test_there_are_enough() -> None:
    """At least twenty causes are told apart."""
    assert len(CAUSES) >= 20
