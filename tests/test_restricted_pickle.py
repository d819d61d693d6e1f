"""The allow-listed loader gives back library models and runs nothing else."""

from __future__ import annotations

import contextlib
import functools
import io
import pickle
import re
import unittest
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import scipy.special
import scipy.stats
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics, preprocessing
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators, check_array

import restricted_pickle
from pickle_stream import Budget, open_stream
from restricted_pickle import RefusedError
from tests.hostile_pickles import Calls, hostile_pickles, in_joblib, named, text

PROTOCOLS = range(6)
COMPRESSORS = (0, *((name, 3) for name in ("zlib", "gzip", "bz2", "xz", "lzma", "lz4")))
FUNCTIONS = (
    *(np.log1p, np.sqrt, np.clip, np.nan_to_num, np.diff, np.hstack, np.where, np.mod, np.cumsum),
    *(
        np.fft.rfft,
        np.linalg.norm,
        scipy.special.expit,
        scipy.special.logit,
        scipy.special.boxcox1p,
    ),
    *(scipy.special.softmax, scipy.special.xlogy, scipy.stats.zscore, scipy.stats.rankdata),
    *(
        preprocessing.scale,
        preprocessing.normalize,
        preprocessing.binarize,
        preprocessing.minmax_scale,
    ),
    *(check_array, metrics.pairwise.rbf_kernel, pd.to_numeric, pd.isna, pd.get_dummies),
)
HOSTILE = tuple(hostile_pickles(Path("unused")))
X, y = load_iris(return_X_y=True)


def load(data: bytes, policy: str = "standard", **limits: int) -> Any:
    return restricted_pickle.load(io.BytesIO(data), policy=policy, **limits)


def forms(model: object) -> dict[str, bytes]:
    """Return a model in every pickle protocol and joblib compressor."""
    pickles = {f"protocol {p}": pickle.dumps(model, p) for p in PROTOCOLS}
    return pickles | {f"joblib {c}": in_joblib(model, c) for c in COMPRESSORS}


@functools.cache
def sample_models() -> dict[str, Any]:
    """Return fitted models of the kinds that people upload, by name."""
    frame = pd.DataFrame({"n": X[:, 0], "c": np.where(X[:, 1] > 3, "u", "v")})
    mixed = make_column_transformer((StandardScaler(), ["n"]), (OneHotEncoder(), ["c"]))
    search = RandomizedSearchCV(
        LogisticRegression(), {"C": scipy.stats.loguniform(0.1, 1)}, n_iter=2, cv=2, random_state=0
    )
    plain = {
        "forest": RandomForestClassifier(5, random_state=0),
        "histogram boosting": HistGradientBoostingClassifier(max_iter=3),
        "selection": make_pipeline(SelectKBest(f_classif, k=2), SVC()),
        "ufunc": make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()),
        "search over a distribution": search,
        "xgboost": xgboost.XGBClassifier(n_estimators=3),
        "lightgbm": lightgbm.LGBMClassifier(n_estimators=3, verbose=-1),
    }
    fitted: dict[str, Any] = {name: (model.fit(X, y), X) for name, model in plain.items()}
    fitted["columns"] = (make_pipeline(mixed, LogisticRegression()).fit(frame, y), frame)
    words = ["a bad day", "a good day", "so good"]
    reader = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(words, [0, 1, 1])
    fitted["text"] = (reader, words)
    return fitted


@pytest.mark.parametrize("name", sorted(sample_models()))
def test_library_models_load_in_every_form_and_predict_the_same(name: str) -> None:
    """A model of scikit-learn, xgboost or lightgbm answers as before under `standard`."""
    model, rows = sample_models()[name]
    expected = model.predict(rows)
    for form, data in forms(model).items():
        loaded = load(data)
        np.testing.assert_array_equal(loaded.predict(rows), expected, err_msg=form)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_a_step_may_hold_a_function_of_a_library(function: Any) -> None:
    """Functions that only compute are kept by a FunctionTransformer, but never called by a file."""
    step = FunctionTransformer(function)
    for data in forms(step).values():
        assert load(data).func is function
    with pytest.raises(RefusedError):
        load(pickle.dumps(Calls(function, 1.0)))


def test_catboost_models_load() -> None:
    """A model of CatBoost answers as before, where it is installed."""
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoostClassifier(iterations=3, verbose=0, allow_writing_files=False)
    model.fit(X, y)
    for form, data in forms(model).items():
        np.testing.assert_array_equal(load(data).predict(X), model.predict(X), err_msg=form)


def fitted_by_any_data(model: Any) -> Any:
    """Return a model fitted on the first kind of data it takes, or None."""
    words = np.array(["a b", "b c", "c d"] * 50)
    several = make_multilabel_classification(150, 4, random_state=0)[1]
    candidates: list[tuple[Any, ...]] = [(X, y), (X, y > 1), (X, several), (X, X[:, :2])]
    candidates += [(X[:, 0], y), (np.abs(X).round(), y + 1), (words, y), (y,), (X @ X.T,)]
    candidates += [([{"a": 1.0, "b": "z"}] * 3, [0, 1, 0]), ([["a"], ["b"]],)]
    for data in candidates:
        try:
            return clone(model).fit(*data)
        except (ValueError, TypeError, AttributeError, IndexError):  # not this kind of data
            continue
    return None


def every_model() -> Iterator[Any]:
    """Yield an instance of every scikit-learn estimator, with small parameters."""
    from sklearn.utils._test_common.instance_generator import _construct_instances

    for _, cls in all_estimators():
        try:
            yield next(iter(_construct_instances(cls)))
        except (unittest.SkipTest, StopIteration):  # needs a fitted estimator
            continue


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_estimator_of_scikit_learn_loads() -> None:
    """Every estimator that can be fitted loads in every protocol and compressor."""
    fitted = [model for model in map(fitted_by_any_data, every_model()) if model is not None]
    assert len(fitted) > 190
    for model in fitted:
        for form, data in forms(model).items():
            assert type(load(data)) is type(model), form


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused_and_nothing_runs(name: str, tmp_path: Path) -> None:
    """Each way of running code from a pickle is refused before anything ran."""
    marker = tmp_path / "ran"
    data = hostile_pickles(marker)[name]
    with pytest.raises(RefusedError):
        load(data)
    assert not marker.exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_the_loader_alone_refuses_too(name: str, tmp_path: Path) -> None:
    """Without the walk before it, the loader still runs nothing of a hostile pickle."""
    marker = tmp_path / "ran"
    stream = open_stream(io.BytesIO(hostile_pickles(marker)[name]))
    loader = restricted_pickle.AllowListUnpickler(stream, Budget())
    with pytest.raises(Exception):  # noqa: B017, PT011 - damaged ones fail in their own ways
        loader.load_all()
    assert not marker.exists()


def test_the_marker_proves_something(tmp_path: Path) -> None:
    """The payloads work: the unrestricted policy runs them."""
    marker = tmp_path / "ran"
    load(hostile_pickles(marker)["joblib zlib"], policy="custom")
    assert marker.exists()


def test_methods_that_a_file_puts_into_an_object_are_not_called() -> None:
    """A state that brings its own __setstate__ does not get it called by the next state."""
    link = named("sklearn._loss.link", "LogitLink") + b")\x81"
    own = b"}" + text("__setstate__") + named("collections", "Counter") + b"sb"
    loaded = load(b"\x80\x02" + link + own + b"}" + text("a") + b"K\x01sb.")
    assert loaded.a == 1


def test_a_random_generator_is_not_made_by_a_callable_of_the_file() -> None:
    """The second argument of numpy's loader, a callable, is ignored."""
    arguments = b"(" + text("/etc/passwd") + named("builtins", "bytearray") + b"tR."
    with pytest.raises(ValueError, match="not a known BitGenerator"):
        load(named("numpy.random._pickle", "__generator_ctor") + arguments)


def test_random_generators_load() -> None:
    """Random states of estimators continue where they were."""
    for rng in (np.random.default_rng(3), np.random.RandomState(3)):
        assert load(pickle.dumps(rng)).normal() == rng.normal()


@pytest.mark.parametrize(
    ("field", "value"), [("left_child", 0), ("right_child", 999), ("left_child", -1)]
)
def test_malformed_trees_are_refused(field: str, value: int) -> None:
    """A tree with a cycle, a child out of range or half a leaf is not loaded."""
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    callee, arguments, state = tree.tree_.__reduce__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][field][0] = value

    class Forged:
        def __reduce__(self) -> Any:
            return callee, arguments, state

    with pytest.raises(RefusedError, match="malformed decision tree"):
        load(pickle.dumps(Forged()))


def test_forged_array_types_are_refused() -> None:
    """A type whose fields lie outside its size is not used."""
    sound = np.dtype([("a", "f8"), ("b", "f8")])
    data = pickle.dumps(sound, 2)
    assert load(data) == sound
    with pytest.raises(RefusedError, match="malformed array type"):
        load(data.replace(b"K\x08\x86", b"K\x0b\x86"))


def test_every_blocked_name_is_told_at_once() -> None:
    """A refusal names all that is in the way, not only the first."""
    data = b"(cos\nsystem\nc__main__\nModel\ncmine.models\nNet\nt."
    with pytest.raises(RefusedError) as refused:
        load(data)
    assert refused.value.names == ["__main__.Model", "mine.models.Net", "os.system"]
    assert "mine.models.Net" in str(refused.value)


def test_tables_beside_a_model_are_left_out() -> None:
    """A bundle of a model and a table loads; the table is an inert stand-in."""
    model, _ = sample_models()["forest"]
    frame = pd.DataFrame({"a": ["x", "y"], "b": pd.date_range("2020", periods=2)})
    bundle = load(pickle.dumps({"model": model, "sample": frame, "columns": frame.columns}))
    assert bundle["model"].n_estimators == 5
    assert "DataFrame, left out" in repr(bundle["sample"])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", ">i4", "S3", "U2", "i2,f4", "M8[D]", "bool", "O"])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 5), (2, 0, 4)])
def test_arrays_are_read_as_joblib_reads_them(shape: Any, dtype: str, order: Any) -> None:
    """Inline arrays of any type, shape and order come back as joblib's own reader gives them."""
    array = np.asarray(np.zeros(shape, dtype=dtype), order=order)
    if array.size and dtype != "i2,f4":
        array.flat[0] = np.array([b"abc" if dtype == "S3" else 1]).astype(dtype)[0]
    data = in_joblib([array])
    ours, theirs = load(data)[0], joblib.load(io.BytesIO(data))[0]
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape


def test_a_bomb_is_refused_by_its_size() -> None:
    """A small file that decompresses beyond the limit is refused."""
    data = in_joblib(np.zeros(4_000_000), ("zlib", 9))
    assert len(data) < 100_000
    with pytest.raises(RefusedError, match="decompresses to more"):
        load(data, max_bytes=1 << 20)


@pytest.mark.parametrize("model", ["xgboost", "lightgbm"])
def test_booster_files_load(model: str, tmp_path: Path) -> None:
    """Boosters saved in their own formats load under `strict`."""
    fitted, rows = sample_models()[model]
    if model == "xgboost":
        path, booster = tmp_path / "m.ubj", fitted.get_booster()
        booster.save_model(path)
        loaded = load(path.read_bytes(), policy="strict")
        matrix = xgboost.DMatrix(rows)
        np.testing.assert_array_equal(loaded.predict(matrix), booster.predict(matrix))
    else:
        loaded = load(fitted.booster_.model_to_string().encode(), policy="strict")
        np.testing.assert_allclose(loaded.predict(rows), fitted.booster_.predict(rows))


def test_policies() -> None:
    """`strict` takes no pickle at all, and an unknown policy is an error."""
    data = pickle.dumps(1)
    with pytest.raises(RefusedError, match="strict"):
        load(data, policy="strict")
    with pytest.raises(ValueError, match="unknown policy"):
        load(data, policy="trust me")


def test_nothing_else_unpickles() -> None:
    """No other module of the product calls an unrestricted loader."""
    loaders = re.compile(r"\b(pickle|joblib)\.loads?\(|read_pickle\(|allow_pickle=True")
    modules = Path(restricted_pickle.__file__).parent.glob("*.py")
    callers = {path.name for path in modules if loaders.search(path.read_text("utf-8"))}
    assert callers == {"restricted_pickle.py"}


@functools.cache
def seeds() -> list[bytes]:
    """Return small files to mutate."""
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    return [pickle.dumps(model, 2), pickle.dumps(model), in_joblib(model), in_joblib(model, 3)]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_mutated_files_never_run_code(data: st.DataObject) -> None:
    """A model file with any bytes changed loads, is refused or fails as an exception."""
    seed = bytearray(data.draw(st.sampled_from(seeds())))
    for _ in range(data.draw(st.integers(1, 4))):
        seed[data.draw(st.integers(0, len(seed) - 1))] = data.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(Exception):  # which one is the library's matter
            load(bytes(seed[: data.draw(st.integers(1, len(seed)))]))
