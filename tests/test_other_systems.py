"""Models on a system that is not Linux, tried here by leaving out all that only Linux has."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

import isolation
import launcher
import sandbox
from base_types import Status
from errors import ModelCrashedError, ModelLoadError, ModelTimeoutError
from model_file import inspect_file
from model_utils import open_model
from sandbox import Limits, WorkerParent
from tests.hostile_models import file_that_calls, segfault, spin
from tests.test_hostile_corpus import report_on
from tests.test_sandbox import is_gone

LOAD = {"op": "load", "policy": "custom"}


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[WorkerParent]:
    """A warm parent without pidfds, Landlock, seccomp and prctl."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "IS_LINUX", False)
        with WorkerParent() as parent:
            yield parent


@pytest.fixture
def forest(tmp_path: Path) -> Path:
    """A forest on iris."""
    bunch = load_iris(as_frame=True)
    path = tmp_path / "forest.pkl"
    path.write_bytes(pickle.dumps(RandomForestClassifier(10).fit(bunch.data, bunch.target)))
    return path


def test_isolation_is_partial_and_says_what_a_model_could_do(elsewhere: WorkerParent) -> None:
    """The self-test finds the gaps by trying, and names them in words."""
    found = isolation.self_test(elsewhere)
    assert found.level == "partial"
    gaps = {"connect by TCP", "take more memory than its limit", "read a file of the service"}
    assert gaps < set(found.findings)
    assert not any("Landlock" in layer or "seccomp" in layer for layer in found.layers)


def test_a_whole_run_completes(elsewhere: WorkerParent, forest: Path) -> None:
    """Every stage works, and the report says that isolation is partial."""
    report = report_on(elsewhere, forest)
    assert [stage for stage in report.stages if stage.status is Status.FAILED] == []
    assert report.model.isolation.startswith("partial: a model could ")


def test_the_wall_clock_and_crashes_are_told(elsewhere: WorkerParent, tmp_path: Path) -> None:
    """A model that hangs is killed, one that crashes is told, and neither is left behind."""
    for harm, kind, seconds in ((spin, ModelTimeoutError, 1), (segfault, ModelCrashedError, 60)):
        path = file_that_calls(tmp_path / "model.pkl", harm)
        worker = elsewhere.spawn(path, Limits())
        with pytest.raises(kind):
            worker.request(LOAD, doing="loading", timeout=seconds)
        worker.close()
        assert is_gone(worker.pid)


def test_full_isolation_is_refused(elsewhere: WorkerParent, forest: Path) -> None:
    """Where full isolation is demanded, and under custom, no model is loaded."""
    info = inspect_file(forest, "forest.pkl")
    for policy, limits in (("standard", Limits(isolation="full")), ("custom", Limits())):
        with pytest.raises(ModelLoadError, match="full isolation"):
            open_model(forest, info, workers=elsewhere, limits=limits, policy=policy)


def test_nothing_is_left_when_the_parent_closes(forest: Path) -> None:
    """Workers end with their parent."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "IS_LINUX", False)
        with WorkerParent() as parent:
            worker = parent.spawn(forest, Limits())
            worker.request(LOAD, doing="loading", timeout=30)
        assert is_gone(worker.pid)
        worker.close()


def test_windows_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no process can be forked, the start ends with the way out in one sentence."""
    monkeypatch.setattr(launcher, "CAN_FORK", False)
    assert launcher.main() == 2
    assert "WSL 2" in capsys.readouterr().err
