"""Bundles in the shapes people save answer as their authors' own steps do."""

from __future__ import annotations

import pickle
import types
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import LabelEncoder, StandardScaler

import model_describe
from composition_diagram import draw_composition
from composition_types import Composition, FoundBundle, Part
from errors import ModelLoadError, UnsupportedFileError
from model_describe import NotAModelError
from model_file import inspect_file
from model_types import ModelInfo
from model_utils import ModelHandle, open_model
from sandbox import WorkerParent
from tests.bundle_zoo import BUNDLES, OWN_CLASSES, BundleCase, iris
from tests.local_model import LocalModel


@cache
def case_of(name: str) -> BundleCase:
    """Return a bundle, built once."""
    return {**BUNDLES, **OWN_CLASSES}[name]()


def open_held(
    held: Any, folder: Path, workers: WorkerParent, composition: Composition | None = None
) -> ModelHandle:
    """Pickle something and open it as an upload is opened."""
    path = folder / "upload"
    path.write_bytes(pickle.dumps(held))
    info = inspect_file(path, "upload.pkl")
    return open_model(path, info, workers=workers, composition=composition)


def assert_same(found: Any, expected: Any) -> None:
    """Labels must be equal, numbers to the last digits."""
    if np.asarray(expected).dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    else:
        assert [str(one) for one in found] == [str(one) for one in expected]


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_answers_as_its_author_would(
    name: str, tmp_path: Path, workers: WorkerParent
) -> None:
    """Raw rows get the answers of the parts applied by hand, also when the guess is sent back."""
    case = case_of(name)
    with open_held(case.held, tmp_path, workers) as model:
        assert_same(model.predict(case.rows).y_pred, case.answers)
        assert model.bundle is not None
        composition, info = model.bundle.composition, model.info
        assert len(info.features) == case.rows.shape[1]
        assert not model.warnings
    again = model_describe.open_loaded(case.held, composition.model_dump(mode="json"))
    told = ModelInfo.model_validate(model_describe.describe(again.estimator))
    assert (told.features, told.classes) == (info.features, info.class_codes or info.classes)
    assert found_in(case.held, composition.model_dump(mode="json")).composition == composition


@pytest.mark.parametrize("name", OWN_CLASSES)
def test_objects_of_own_classes_are_bundles_too(name: str) -> None:
    """What the policy custom lets load is taken apart like a dict."""
    case = case_of(name)
    assert_same(LocalModel(case.held).predict(case.rows).y_pred, case.answers)


def test_a_plain_namespace_loads_without_code(tmp_path: Path, workers: WorkerParent) -> None:
    """A SimpleNamespace of library parts loads under the policy standard."""
    case = case_of("dict: scaler, model")
    held = types.SimpleNamespace(**case.held)
    with open_held(held, tmp_path, workers) as model:
        assert_same(model.predict(case.rows).y_pred, case.answers)


@pytest.mark.parametrize(
    "name", ["two label encoders, named columns", "scaler beside one-hot encoder", "records"]
)
def test_raw_columns_are_told_with_their_categories(name: str) -> None:
    """The columns of a bundle are those its parts take, words with the categories they know."""
    case = case_of(name)
    features = {feature.name: feature for feature in LocalModel(case.held).info.features}
    assert set(features) == set(case.rows.columns)
    for column in map(str, case.rows.select_dtypes(exclude="number")):
        assert set(features[column].categories or []) == set(case.rows[column])


@pytest.mark.parametrize("name", ["scaler, pca, model", "dict of label encoders and a scaler"])
def test_the_matrix_that_reaches_the_model_is_told(name: str) -> None:
    """What is lowered and transformed gives the model's own answers."""
    case = case_of(name)
    model = LocalModel(case.held)
    inner = model_describe.final_estimator(model.estimator)
    assert_same(inner.predict(model.transform(case.rows)), case.answers)
    assert model.lower() is not None


def test_class_names_are_shown_and_decide() -> None:
    """A threshold of 0.3 in the bundle decides, as P(second class) >= 0.3 does by hand."""
    case = case_of("threshold")
    model = LocalModel(case.held)
    proba = model.predict(case.rows).y_proba
    assert proba is not None
    assert_same(model.predict(case.rows).y_pred, (proba[:, 1] >= 0.3).astype(int))
    assert model.predict(case.rows).y_pred.mean() > (proba[:, 1] >= 0.5).mean()


# ---------------------------------------------------------------- what was found, and by hand


def found_in(held: Any, composition: dict[str, Any] | None = None) -> FoundBundle:
    """Return what the worker would tell of a bundle."""
    return FoundBundle.model_validate(model_describe.open_loaded(held, composition).found)


def test_other_readings_are_told() -> None:
    """Where two orders or two models fit, the likelier is taken and the other is told."""
    found = found_in(case_of("imputer, scaler, model").held)
    assert [part.path for part in found.composition.parts] == ["imputer", "scaler"]
    assert [part.path for part in found.alternatives[0].parts] == ["scaler", "imputer"]
    two = found_in(case_of("two models").held)
    assert (two.composition.model, two.alternatives[0].model) == ("model", "baseline")


def test_a_part_that_fits_nowhere_is_left_aside_and_told() -> None:
    """A scaler of three columns beside a model of four takes no part."""
    rows, target, _ = iris()
    model = LogisticRegression(max_iter=500).fit(rows.to_numpy(), target)
    scaler = StandardScaler().fit(rows.to_numpy()[:, :3])
    found = found_in({"model": model, "scaler": scaler, "names": list(rows.columns)})
    assert not found.composition.parts
    assert [part.path for part in found.unused] == ["scaler"]


def test_tables_beside_a_model_are_no_parts() -> None:
    """Training rows and an Index of columns, as the policy custom loads them, are not applied."""
    rows, target, _ = iris()
    model = LogisticRegression(max_iter=500).fit(rows.to_numpy(), target)
    found = found_in({"model": model, "train": rows, "y": rows.iloc[:, 0], "cols": rows.columns})
    assert not found.composition.parts
    assert not found.unused
    assert found.composition.columns == "cols"


def test_what_nothing_says_for_certain_is_told() -> None:
    """An encoder whose key names no column is told with the column it was given."""
    doubts = found_in(case_of("two label encoders, named columns").held).doubts
    assert doubts == ["le_education is applied to EdLevel: no name of a column fits it better."]


def parts(*paths: str, **columns: list[str]) -> dict[str, Any]:
    """Return a composition by hand."""
    listed = [{"path": path, "columns": columns.get(path)} for path in paths]
    return {"model": "model", "parts": listed}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "order": (parts("pca", "scaler"), r"scaler \(StandardScaler\) takes 4 columns, but 2 reach it"),
    "missing": (parts("scaler"), r"takes 2 columns, but 4 reach it through the parts"),
    "unknown": (parts("scalr", "pca"), r"names 'scalr' as a part; the file holds pca"),
    "columns": (parts("scaler", "pca", scaler=["a"]), r"is told to take 'a'; what reaches it"),
    "model": ({"model": "pca", "parts": []}, "is a PCA, which cannot predict"),
    "labels": ({**parts("scaler", "pca"), "labels": "pca"}, "does not name the 3 classes of model"),
    "part": (parts("model"), "model .* has no transform method"),
    "threshold": ({**parts(), "threshold": "pca"}, r"pca \(PCA\) is not a number; choose"),
    "names": ({**parts(), "columns": "pca"}, r"pca \(PCA\) is not a list of different names"),
    "twice": ({**parts(), "inputs": ["a", "b", "b", "c"]}, "names a raw column twice"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_composition_is_refused_in_one_sentence(mistake: str) -> None:
    """Each mistake is told with what was found and what was expected."""
    composition, words = WRONG[mistake]
    with pytest.raises(NotAModelError, match=words) as caught:
        found_in(case_of("scaler, pca, model").held, composition)
    assert "\n" not in str(caught.value)


def test_a_bundle_takes_its_columns_by_name() -> None:
    """Another order and a column too many change nothing; a missing column is named."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": rng.normal(40, 9, 60), "plan": ["a", "b"] * 30})
    encoder = LabelEncoder().fit(table["plan"])
    coded = table.assign(plan=encoder.transform(table["plan"])).to_numpy()
    scaler = StandardScaler().fit(coded)
    model = LogisticRegression().fit(scaler.transform(coded), np.arange(60) // 2 % 2)
    held = {"model": model, "scaler": scaler, "plan": encoder, "columns": ["age", "plan"]}
    composed = LocalModel(held).estimator
    told = composed.predict_proba(table)
    np.testing.assert_array_equal(composed.predict_proba(table[["plan", "age"]]), told)
    np.testing.assert_array_equal(composed.predict_proba(table.assign(more=1)), told)
    with pytest.raises(ValueError, match="columns 'plan' are missing; expected 'age', 'plan'"):
        composed.predict_proba(table[["age"]])


def test_columns_can_be_given_by_hand(tmp_path: Path, workers: WorkerParent) -> None:
    """Encoders on swapped columns refuse each other's words, and answer once they are put right."""
    case = case_of("two label encoders, named columns")
    held = {"model": case.held["model"], "a": case.held["le_education"], "b": case.held["le_city"]}
    right = Composition(
        model="model",
        parts=[Part(path="a", columns=["EdLevel"]), Part(path="b", columns=["city"])],
    )
    with open_held(held, tmp_path, workers) as model, pytest.raises(Exception, match="unseen"):
        model.predict(case.rows)
    with open_held(held, tmp_path, workers, right) as model:
        assert_same(model.predict(case.rows).y_pred, case.answers)
        assert model.bundle is not None
        assert model.bundle.is_corrected


def test_names_of_a_file_are_no_markup_in_the_diagram() -> None:
    """Keys, classes and columns are shown as they are, whatever they look like."""
    evil = '"><img src=x onerror=alert(1)>'
    part = Part(path=evil, class_name=evil, columns=[evil])
    said = Composition(model=evil, parts=[part], labels=evil)
    drawn = draw_composition(FoundBundle(kind=evil, members=[part], composition=said), None)
    assert "<img" not in drawn
    assert drawn.count("&lt;img") >= 4


# ---------------------------------------------------------------- from the bytes alone


@pytest.mark.parametrize("name", [name for name in BUNDLES if name != "bunch"])
def test_the_bytes_tell_the_members(name: str, tmp_path: Path) -> None:
    """Before loading, members have the paths and roles that the worker finds after it.

    But for those of a Bunch, which only its own code tells.
    """
    case = case_of(name)
    path = tmp_path / "upload"
    path.write_bytes(pickle.dumps(case.held))
    members = inspect_file(path, "upload.pkl").members
    loaded = found_in(case.held).members
    roles = {"columns", "labels", "other"}
    by_path = {part.path: part for part in members}
    fitted = [part for part in loaded if part.role not in roles]
    assert fitted
    for part in fitted:
        assert by_path[part.path].class_name == part.class_name
        assert by_path[part.path].role == part.role


NO_MODEL: dict[str, Callable[[], Any]] = {
    "parts that prepare data": lambda: {"sex": LabelEncoder().fit(["f", "m"])},
    "texts, such as names of columns": lambda: ["age", "city"],
    "names, and none of it can predict": lambda: {"columns": ["age", "city"]},
    "together with this one": lambda: StandardScaler().fit(iris()[0]),
    "holds data \\(ndarray": lambda: np.zeros((2, 3)),
    "holds data \\(DataFrame": lambda: pd.DataFrame({"a": [1.0]}),
    "holds a str": lambda: "model.pkl",
    "a class or function": lambda: LogisticRegression,
    "dict with nothing in it": dict,
}


@pytest.mark.parametrize("words", NO_MODEL)
def test_what_lacks_a_model_is_told_what_to_upload(words: str, tmp_path: Path) -> None:
    """Each thing without a model is named, with what to upload instead."""
    path = tmp_path / "upload"
    path.write_bytes(pickle.dumps(NO_MODEL[words]()))
    with pytest.raises(UnsupportedFileError, match=words) as caught:
        inspect_file(path, "upload.pkl")
    assert "pload " in str(caught.value)


def test_a_hostile_member_is_refused(tmp_path: Path, workers: WorkerParent) -> None:
    """A member that would run a program is named, and nothing of the bundle is loaded."""

    class Evil:
        def __reduce__(self) -> Any:
            return print, ("loaded",)

    held = {**case_of("dict: scaler, model").held, "notes": Evil()}
    with pytest.raises(ModelLoadError, match=r"builtins\.print"):
        open_held(held, tmp_path, workers)
