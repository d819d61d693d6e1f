"""What is told of a file before loading is what then happens, and names only what exists."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

import renamed_modules
import version_eras
from diagnosis_types import Diagnosis, Outlook
from installed import installed_here
from model_diagnosis import Installed, diagnose, matching_spec
from model_file import inspect_file
from model_types import ModelFileInfo, Safety
from model_utils import open_model
from module_packages import package_of
from sandbox import WorkerParent
from settings import Settings
from version_walls import known_walls

TABLE = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0) % 7})
CLASSES = (TABLE["b"] > 3).astype(int)
HERE = Installed({"scikit-learn": "1.9.1", "xgboost": "3.2.0", "numpy": "2.4.6"}, lambda _: True)
BUILDS = Installed(HERE.versions, HERE.has_module, may_build=True)


def file_of(imports: list[str], **more: object) -> ModelFileInfo:
    """Return what the inspection says of a pickle."""
    known = {"name": "m.pkl", "size_bytes": 1, "sha256": "0", "container": "pickle"}
    return ModelFileInfo.model_validate(
        {**known, "imports": imports, "safety": Safety.TRUSTED, "protocol": 4, **more}
    )


@pytest.fixture
def written(tmp_path: Path) -> Callable[[bytes], Path]:
    """Write bytes as a model file."""

    def write(data: bytes) -> Path:
        path = tmp_path / "m.pkl"
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize(
    ("imports", "made", "wall"),
    [
        (["sklearn.linear_model.logistic.LogisticRegression"], "0.20.3", "no longer has"),
        (["sklearn.ensemble.forest.RandomForestClassifier"], "0.21.3", "no longer has"),
        (["sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper"], "0.20.3", "no longer has"),
        (["sklearn.tree._tree.Tree"], "1.2.2", "decision trees"),
        (["sklearn.compose._column_transformer._RemainderColsList"], "1.6.1", "no longer has"),
        (["sklearn.linear_model._base.LinearRegression"], "0.22.1", "lacks what its prediction"),
        (["sklearn.naive_bayes.GaussianNB"], "0.23.2", "lacks what its prediction"),
        (["sklearn.impute._base.SimpleImputer"], "1.1.3", "lacks what its prediction"),
        (["sklearn.impute._base.SimpleImputer"], "1.3.2", "lacks what its prediction"),
        (["sklearn.feature_extraction.text.TfidfTransformer"], "0.24.1", "lacks what"),
        (["sklearn.svm._classes.SVC"], "0.22.1", "Few models"),
        (["sklearn.svm._classes.SVC"], "2.3.0", "newer"),
        (["sklearn.calibration.CalibratedClassifierCV"], "1.0.2", "lacks what its prediction"),
        (["sklearn.metrics._scorer._passthrough_scorer"], "1.0.2", "no longer has"),
        (["sklearn._loss._loss.__pyx_unpickle_CyHalfBinomialLoss"], "1.2.2", "no longer has"),
        (["sklearn.metrics._dist_metrics.EuclideanDistance"], "1.2.2", "no longer has"),
        (["sklearn.ensemble._gb_losses.BinomialDeviance"], "1.2.2", "no longer has"),
        (["xgboost.compat.XGBoostLabelEncoder"], "1.0", "no longer has"),
    ],
)
def test_what_public_files_fail_on_is_told_before_loading(
    imports: list[str], made: str, wall: str
) -> None:
    """Each failure met in public model files has its sentence, and a plan that fits it."""
    file = file_of(imports, written_with={"scikit-learn": made})
    found = diagnose(file, HERE)
    assert found.outlook is Outlook.BREAKS
    assert wall in " ".join(found.walls)
    assert "MONITOR_ENVIRONMENTS" in str(found.next_step)
    assert "environment of its own" in diagnose(file, BUILDS).plan


@pytest.mark.parametrize("version", ["1.9.0", "1.9.1", "1.9.7"])
def test_files_of_the_same_release_have_no_wall(version: str) -> None:
    """Whatever a file of the present release holds, nothing speaks against loading it."""
    file = file_of(["sklearn.tree._tree.Tree"], written_with={"scikit-learn": version})
    found = diagnose(file, HERE)
    assert (found.outlook, found.walls, found.next_step) == (Outlook.LOADS, [], None)


def test_a_diagnosis_of_a_real_file_is_what_happens(
    written: Callable[[bytes], Path], workers: WorkerParent
) -> None:
    """A file of the installed libraries is told to load, and loads."""
    path = written(pickle.dumps(RandomForestClassifier(3, random_state=0).fit(TABLE, CLASSES)))
    file = inspect_file(path, "m.pkl")
    found = diagnose(file, installed_here(Settings()))
    assert (found.outlook, found.missing, found.custom_classes) == (Outlook.LOADS, [], [])
    assert "RandomForestClassifier" in found.what
    with open_model(path, file, workers=workers) as model:
        assert model.predict(TABLE).y_pred.shape == (40,)


def test_missing_libraries_are_named_with_their_packages() -> None:
    """A library that is not here is named with the command that installs it."""
    lacking = Installed(HERE.versions, lambda name: name != "imblearn")
    found = diagnose(file_of(["imblearn.pipeline.Pipeline"]), lacking)
    assert found.outlook is Outlook.CANNOT
    expected = "The module imblearn is not installed: pip install imbalanced-learn."
    assert found.next_step == expected


def test_classes_of_the_author_are_named() -> None:
    """Code of a notebook or a project is told by name, and never as a package to install."""
    names = ["__main__.Cleaner", "src.features.Encoder"]
    file = file_of([*names, "numpy.ndarray"], blocked=names, safety=Safety.UNKNOWN)
    found = diagnose(file, HERE)
    assert (found.custom_classes, found.missing) == (names, [])
    assert "author" in found.plan
    assert package_of("src.features") is None


def test_versions_that_are_not_recorded_are_inferred() -> None:
    """Names of numpy and the protocol tell their time; renamed modules tell scikit-learn's."""
    old = file_of(["numpy.core.multiarray.scalar", "sklearn.tree.tree.X"], protocol=3)
    new = file_of(["numpy._core.multiarray.scalar"], protocol=5)
    assert [text.split(":")[0] for text in diagnose(old, HERE).hints] == [
        "numpy 1",
        "Python 3.7 or earlier, or saved with protocol 3",
        "scikit-learn 0.21 or earlier",
    ]
    assert diagnose(new, HERE).hints[0].startswith("numpy 2 or later")
    spec = matching_spec(old)
    assert spec is not None
    assert not spec.exact
    assert "scikit-learn==0.21.*" in spec.requirements


@pytest.mark.parametrize(
    ("made", "python", "allowed", "refused"),
    [  # release: its Python, and what its own metadata and release notes say works and does not
        ("0.24.2", "3.8", {"numpy": "1.19.5", "scipy": "1.6.3"}, {"numpy": "1.24.0"}),
        ("1.0.2", "3.9", {"numpy": "1.21.6", "pandas": "1.3.5"}, {"numpy": "1.24.0"}),
        ("1.2.2", "3.10", {"numpy": "1.24.3", "scipy": "1.10.1"}, {"numpy": "2.0.0"}),
        ("1.4.0", "3.11", {"numpy": "1.26.4", "pandas": "2.2.0"}, {"numpy": "2.1.0"}),
        ("1.6.1", "3.12", {"numpy": "2.2.0", "pandas": "2.2.3"}, {"pandas": "3.0.0"}),
    ],
)
def test_an_environment_is_of_its_time(
    made: str, python: str, allowed: dict[str, str], refused: dict[str, str]
) -> None:
    """The bounds let in what was used with a release and keep out what came to break it."""
    spec = matching_spec(file_of([], written_with={"scikit-learn": made}))
    assert spec is not None
    assert spec.pythons[0] == python
    bounds = dict(_split(text) for text in spec.requirements)
    assert Version(made) in bounds["scikit-learn"]
    assert all(Version(version) in bounds[name] for name, version in allowed.items())
    assert all(Version(version) not in bounds[name] for name, version in refused.items())


@pytest.mark.parametrize(
    ("made", "name", "library", "needed"),
    [
        ("0.20.4", "numpy.random._pickle.__randomstate_ctor", "numpy", "1.17.0"),
        ("1.0.2", "scipy.sparse._csr.csr_matrix", "scipy", "1.8.0"),
        ("1.6.1", "numpy._core.multiarray._reconstruct", "numpy", "2.0.0"),
    ],
)
def test_names_of_a_library_bound_its_version_from_below(
    made: str, name: str, library: str, needed: str
) -> None:
    """A module that came with a version is only looked for in versions that have it."""
    spec = matching_spec(file_of([name], written_with={"scikit-learn": made}))
    assert spec is not None
    bounds = dict(_split(text) for text in spec.requirements)
    assert Version(needed) in bounds[library]
    assert Version("1.1.0") not in bounds[library]


@pytest.mark.parametrize(
    "told",
    [
        "1.0\nevil",
        "1.0 evil",
        "1.0 @ https://example.org/x.whl",
        "1.0;evil",
        "",
        "1",
        "-r x",
        "1.0\n",
    ],
)
def test_a_file_never_names_a_package(told: str) -> None:
    """What a file calls its version is a number or nothing; it cannot add a requirement."""
    file = file_of(["xgboost.sklearn.XGBClassifier"], written_with={"scikit-learn": told})
    assert matching_spec(file) is None
    file = file_of([], written_with={"scikit-learn": "1.2.2", "xgboost": told})
    spec = matching_spec(file.model_copy(update={"imports": ["xgboost.sklearn.XGBClassifier"]}))
    assert spec is not None
    assert "xgboost<1.8" in spec.requirements


@given(st.text(max_size=20), st.text(max_size=20))
def test_requirements_are_of_known_packages_only(sklearn: str, xgboost: str) -> None:
    """Whatever versions a file records, each requirement is one line of a package known here."""
    versions = {"scikit-learn": sklearn, "xgboost": xgboost}
    spec = matching_spec(file_of(["xgboost.sklearn.X", "lightgbm.X"], written_with=versions))
    for requirement in [] if spec is None else spec.requirements:
        name, specifiers = _split(requirement)
        assert name in {
            *("scikit-learn", "numpy", "scipy", "pandas", "joblib", "threadpoolctl"),
            *("xgboost", "xgboost-cpu", "lightgbm"),
        }
        assert len(specifiers) <= 2


def _split(requirement: str) -> tuple[str, SpecifierSet]:
    at = next((i for i, c in enumerate(requirement) if c in "<=>!"), len(requirement))
    return requirement[:at], SpecifierSet(requirement[at:])


def test_eras_move_forward_only() -> None:
    """No later release wants an older neighbour, and none an interpreter below 3.7."""
    for before, after in zip(version_eras.ERAS, version_eras.ERAS[1:], strict=False):
        assert before.sklearn < after.sklearn
        for old, new in zip(before[2:], after[2:], strict=True):
            assert Version(str(old)) <= Version(str(new))
    pythons = {text for era in version_eras.ERAS for text in era.pythons.split()}
    assert min(map(Version, pythons)) >= Version("3.7")


@given(st.text(st.characters(codec="ascii"), max_size=12))
def test_no_version_text_breaks_the_reading(text: str) -> None:
    """Whatever a file records as its version, an era and walls are found without an error."""
    assert version_eras.era_of(text) in version_eras.ERAS
    known_walls(["sklearn.tree._tree.Tree"], {"scikit-learn": text}, {"scikit-learn": "1.9.1"})
    diagnose(file_of([], written_with={"scikit-learn": text, "xgboost": text}), HERE)


@pytest.mark.parametrize("present", sorted(set(renamed_modules.RENAMED.values())))
def test_present_names_exist(present: str) -> None:
    """What an old module is replaced by can be imported from the installed scikit-learn."""
    importlib.import_module(present)


@pytest.mark.parametrize(
    ("model", "answers", "present", "old"),
    [
        (LogisticRegression(), CLASSES, "sklearn.linear_model._logistic", "linear_model.logistic"),
        (LinearRegression(), TABLE["b"], "sklearn.linear_model._base", "linear_model.base"),
    ],
)
def test_an_old_module_name_is_read_with_the_present_class(
    model: LogisticRegression,
    answers: pd.Series,
    present: str,
    old: str,
    written: Callable[[bytes], Path],
    workers: WorkerParent,
) -> None:
    """A file that names a renamed module loads behind a warning and predicts the same."""
    data = pickle.dumps(model.fit(TABLE, answers), protocol=3)
    path = written(data.replace(f"{present}\n".encode(), f"sklearn.{old}\n".encode()))
    with open_model(path, inspect_file(path, "m.pkl"), workers=workers) as opened:
        assert any(f"is now in {present}" in text for text in opened.warnings)
        assert np.array_equal(opened.predict(TABLE).y_pred, model.predict(TABLE))


def test_a_diagnosis_survives_json() -> None:
    """What the report keeps is read back as it was."""
    found = diagnose(file_of(["sklearn.tree._tree.Tree"], written_with={"xgboost": "1.7.6"}), HERE)
    assert Diagnosis.model_validate_json(found.model_dump_json()) == found
    assert found.environment is not None
    assert "xgboost" not in " ".join(found.environment.requirements)  # no class of it is named
