"""What is told of a model file is what its bytes hold, and no file breaks the inspection."""

from __future__ import annotations

import functools
import gzip
import io
import os
import pickle
import time
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import sklearn
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pickle_walk
from errors import InputError, TooLargeError, UnsupportedFileError
from model_file import display_name, inspect_file
from model_types import ModelFileInfo, Safety
from pickle_stream import Budget, LimitError, open_stream
from tests.hostile_pickles import Calls, hostile_pickles, in_joblib

X, y = load_iris(return_X_y=True)


class Mine(LogisticRegression):  # type: ignore[misc]
    """A class of the author's own."""


@functools.cache
def pipeline() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)


def inspect(data: bytes, folder: Path, **limits: int) -> ModelFileInfo:
    path = folder / "upload"
    path.write_bytes(data)
    return inspect_file(path, "model.pkl", **limits)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pipeline_is_described_from_its_bytes(protocol: int, tmp_path: Path) -> None:
    """Protocol, class, steps and the scikit-learn version are read without loading."""
    info = inspect(pickle.dumps(pipeline(), protocol), tmp_path)
    assert (info.container, info.compression) == ("pickle", None)
    assert info.protocol == (protocol if protocol > 1 else 0)
    assert info.estimator == "sklearn.pipeline.Pipeline"
    assert info.notes == ["Steps: StandardScaler → LogisticRegression"]
    assert info.written_with == {"scikit-learn": sklearn.__version__}
    assert (info.safety, info.blocked) == (Safety.TRUSTED, [])


@pytest.mark.parametrize("compress", [0, "zlib", "gzip", "bz2", "xz", "lzma", "lz4"])
def test_joblib_files_are_read_past_their_arrays(compress: Any, tmp_path: Path) -> None:
    """Names after raw arrays are found in every compression."""
    info = inspect(in_joblib([X, pipeline()], compress and (compress, 3)), tmp_path)
    assert (info.container, info.compression) == ("joblib", compress or None)
    assert "sklearn.linear_model._logistic.LogisticRegression" in info.imports
    assert info.estimator == "sklearn.pipeline.Pipeline"


def test_imports_are_those_that_loading_asks_for(tmp_path: Path) -> None:
    """The walk finds exactly the names that joblib's own loader looks up."""
    found: set[str] = set()

    class Recorder(joblib.numpy_pickle.NumpyUnpickler):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            found.add(f"{module}.{name}")
            return super().find_class(module, name)

    model = RandomForestClassifier(3).fit(pd.DataFrame(X, columns=list("abcd")), y)
    data = in_joblib(model)
    (tmp_path / "m").write_bytes(data)
    with (tmp_path / "m").open("rb") as file:
        Recorder("m", file, ensure_native_byte_order=True).load()
    assert set(inspect(data, tmp_path).imports) == found


SEEN_BY_THE_LOADER = {"codec", "rebuilt on an odd base", "own append"}
"""Refused when loading; only the arguments of harmless names are wrong."""


@pytest.mark.parametrize("name", sorted(set(hostile_pickles(Path("unused"))) - SEEN_BY_THE_LOADER))
def test_hostile_files_are_never_trusted(name: str, tmp_path: Path) -> None:
    """Every hostile pickle is called dangerous or unknown with a reason, or no model at all."""
    marker = tmp_path / "ran"
    try:
        info = inspect(hostile_pickles(marker)[name], tmp_path)
    except UnsupportedFileError:
        return
    finally:
        assert not marker.exists()
    assert info.safety in (Safety.DANGEROUS, Safety.UNKNOWN)
    assert info.reasons


def test_a_system_call_is_dangerous_and_an_own_class_unknown(tmp_path: Path) -> None:
    """The verdict tells attack from unknown code, and names what it found."""
    danger = inspect(pickle.dumps(Calls(os.system, "true")), tmp_path)
    assert (danger.safety, danger.blocked) == (Safety.DANGEROUS, [f"{os.name}.system"])
    own = inspect(pickle.dumps(Mine(max_iter=1000).fit(X, y)), tmp_path)
    assert own.safety is Safety.UNKNOWN
    assert own.blocked == [f"{__name__}.Mine"]
    assert own.blocked[0] in own.reasons[0]


def test_boosters_tell_their_version(tmp_path: Path) -> None:
    """XGBoost's own formats and its pickles carry the version that wrote them."""
    model = xgboost.XGBClassifier(n_estimators=2).fit(X, y)
    expected = {"xgboost": xgboost.__version__}
    for ending in ("json", "ubj"):
        path = tmp_path / f"m.{ending}"
        model.save_model(path)
        info = inspect_file(path, path.name)
        assert (info.container, info.written_with) == (f"xgboost-{ending}", expected)
        assert info.safety is Safety.TRUSTED
    assert inspect(pickle.dumps(model), tmp_path).written_with == expected


def test_lightgbm_text_is_recognised(tmp_path: Path) -> None:
    """A saved LightGBM booster is told with its objective."""
    booster = lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(X, y).booster_
    info = inspect(booster.model_to_string().encode(), tmp_path)
    assert (info.container, info.notes) == ("lightgbm-text", ["Objective: regression"])


def zip_of(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"archive/{name}", "content")
    return file.getvalue()


NOT_MODELS = {
    "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n",
    "0 bytes": b"",
    "Python script": b"import os\n\nprint('hello')\n",
    "CSV": b"a,b\n1,2\n3,4\n",
    "HTML page": b"<!DOCTYPE html><html><body>404</body></html>",
    "Jupyter notebook": b'{"cells": [{"cell_type": "code"}]}',
    "not an XGBoost model": b'{"a": 1}',
    "text file": b"Dear reader, the model is attached.",
    "PyTorch": zip_of("data.pkl"),
    "looks like a skops file": zip_of("schema.json"),
    "zip archive": zip_of("model.pkl"),
    "Keras": b"\x89HDF\r\n\x1a\n" + bytes(50),
    "ONNX file is damaged": b"\x08\x08\x12\x07skl2onnx\x1a\x04" + bytes(20),
    "holds no graph": b"\x08\x01\x12\x02ab",
    "Unpack the gzip file": gzip.compress(b"CBM1" + bytes(50)),
    "old binary": b"binf" + bytes(50),
    "Parquet": b"PAR1" + bytes(50),
    "gzip file": b"",
    "DataFrame": pickle.dumps(pd.DataFrame({"a": [1]})),
    "ndarray": in_joblib(np.arange(3.0)),
    "StandardScaler, which transforms": pickle.dumps(StandardScaler().fit(X)),
    "a dict with scaler": pickle.dumps({"scaler": StandardScaler().fit(X)}),
    "a list of 2 texts, such as names of columns": pickle.dumps(["age", "income"]),
    "class or function": pickle.dumps(LogisticRegression),
    "known here": bytes(range(150, 250)) * 3,
}
NOT_MODELS["gzip file"] = gzip.compress(b'{"learner": {}}')


@pytest.mark.parametrize("words", NOT_MODELS)
def test_what_is_no_model_gets_its_own_sentence(words: str, tmp_path: Path) -> None:
    """Each thing that people upload by mistake is told by name."""
    with pytest.raises(UnsupportedFileError, match=words):
        inspect(NOT_MODELS[words], tmp_path)


def test_a_bundle_tells_its_members(tmp_path: Path) -> None:
    """A dict of a model and an encoder names both and the estimator among them."""
    info = inspect(pickle.dumps({"model": pipeline(), "scaler": StandardScaler()}), tmp_path)
    assert info.estimator == "sklearn.pipeline.Pipeline"
    assert "scaler (StandardScaler)" in info.notes[0]


def test_the_size_after_decompression_is_told(tmp_path: Path) -> None:
    """It is what gzip itself unpacks; a file that is not compressed has none."""
    plain = pickle.dumps(pipeline())
    packed = inspect(gzip.compress(plain), tmp_path)
    assert packed.decompressed_bytes == len(plain)
    assert packed.size_bytes < len(plain)
    assert inspect(plain, tmp_path).decompressed_bytes is None


def test_a_bomb_is_too_large(tmp_path: Path) -> None:
    """A file that decompresses beyond the limit is refused as too large."""
    data = in_joblib([np.zeros(4_000_000), pipeline()], ("zlib", 9))
    with pytest.raises(TooLargeError, match="decompresses to more"):
        inspect(data, tmp_path, max_decompressed=1 << 20)


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04" + b"(" * 7_000_000,
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x80\x02K\x01" + b"\x86\x94h\x00h\x00" * 10 + b".",
        b"\x80\x04)" + b"".join(b"\x94h%c\x86" % i for i in range(100)) + b"}\x8c\x01ah\x63s.",
    ],
    ids=["marks", "bytearray", "bytes", "memo", "nested tuples"],
)
def test_hostile_sizes_cost_little(data: bytes, tmp_path: Path) -> None:
    """Claims of huge values, endless marks and nested values are bounded in time."""
    start = time.process_time()
    try:
        info = inspect(data, tmp_path)
    except UnsupportedFileError:
        pass
    else:
        assert info.safety is Safety.UNKNOWN
    assert time.process_time() - start < 10  # a tenth of that is usual


def test_a_walk_ends_with_its_budget() -> None:
    """A pickle with more instructions than the budget is given up."""
    stream = open_stream(io.BytesIO(b"\x80\x04" + b"]" * 2000))
    with pytest.raises(LimitError, match="more instructions"):
        pickle_walk._Walker(stream, Budget(1000), pickle_walk.Walk()).load()


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_mutated_files_raise_only_our_errors(data: st.DataObject, tmp_path_factory: Any) -> None:
    """Whatever the bytes, the inspection answers or raises an InputError."""
    seeds = [pickle.dumps(pipeline(), 2), pickle.dumps(pipeline()), in_joblib([X, pipeline()])]
    mutated = bytearray(data.draw(st.sampled_from([*seeds, in_joblib(pipeline(), 3), *TEXTS])))
    for _ in range(data.draw(st.integers(0, 4))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(1, len(mutated)))
    try:
        info = inspect(bytes(mutated[:end]), tmp_path_factory.getbasetemp())
    except InputError:
        return
    assert info.reasons


TEXTS = [value for value in NOT_MODELS.values() if value]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_raise_only_our_errors(tmp_path_factory: Any, data: bytes) -> None:
    """Random bytes are answered or refused as input, never with another exception."""
    try:
        inspect(data, tmp_path_factory.getbasetemp())
    except InputError as error:
        assert str(error).endswith(".")  # noqa: PT017 - both outcomes are right


@given(st.text())
def test_display_names_are_short_visible_and_without_folders(name: str) -> None:
    """Whatever a client calls its file, the shown name is one short visible line."""
    shown = display_name(name)
    assert 0 < len(shown) <= 120
    assert not set(shown) & set("/\\\n\u202e\x00")
    assert all(unicodedata.category(char)[0] != "C" for char in shown)
    assert display_name(shown) == shown


def test_a_large_forest_is_inspected_at_once(tmp_path: Path) -> None:
    """Of a file of 20 MB of arrays only what is around them is read instruction by instruction."""
    path = tmp_path / "forest.pkl"
    model = RandomForestClassifier(3).fit(X, y)
    path.write_bytes(pickle.dumps([model] + [np.random.rand(250_000) for _ in range(10)]))
    start = time.process_time()
    assert inspect_file(path, path.name).safety is Safety.TRUSTED
    assert time.process_time() - start < 3  # a tenth of that is usual, byte by byte it is a minute
