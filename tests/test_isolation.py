"""Confinement holds against what a model might try, and honest models do not notice it."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from xgboost import XGBClassifier

import confinement
import isolation
import isolation_probe
import landlock_rules
import syscall_rules
from errors import ModelCrashedError, ModelError, ModelLoadError, ModelRaisedError
from isolation import IsolationReport
from model_types import ModelFileInfo
from model_utils import open_model
from sandbox import Limits, WorkerParent
from tests.hostile_models import file_that_calls
from tests.hostile_pickles import hostile_pickles

IRIS, SPECIES = load_iris(return_X_y=True)
RULES = confinement.Rules(memory_mb=256, cpu_seconds=60)
LOAD = {"op": "load", "policy": "custom"}
INFO = ModelFileInfo(name="m.pkl", size_bytes=1, sha256="0" * 64, container="pickle")

complete = pytest.mark.skipif(
    not landlock_rules.version() or syscall_rules.compile_program() is None,
    reason="this machine has no Landlock or no libseccomp",
)


@contextlib.contextmanager
def targets() -> Any:
    """Lay out what attempts are made on."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        yield isolation._lay_out(stack, folder)


def load_in_a_child(path: Path) -> None:
    """Load a file as a careless program would, in a process of its own."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            joblib.load(path)
        os._exit(0)
    os.waitpid(pid, 0)


def told_by(workers: WorkerParent, path: Path) -> str:
    """Load a file that raises and return its message."""
    worker = workers.spawn(path, Limits())
    with contextlib.closing(worker), pytest.raises(ModelRaisedError) as told:
        worker.request(LOAD, doing="loading", timeout=30)
    return f"{told.value}"


@complete
def test_isolation_is_full_here(workers: WorkerParent) -> None:
    """No attempt gets through, and the answer is kept."""
    report = isolation.self_test(workers)
    assert (report.level, report.findings) == ("full", ())
    assert {"seccomp", "own process"} <= set(report.layers)
    assert isolation.self_test(workers) is report


def attempts_of_a_child(prepare: Callable[[], None]) -> set[str]:
    """Return what got through in a child process that prepared itself."""
    read_end, write_end = os.pipe()
    with targets() as laid_out:
        pid = os.fork()
        if pid == 0:
            prepare()
            os.write(write_end, json.dumps(isolation_probe.attempt_all(laid_out)).encode())
            os._exit(0)
        os.waitpid(pid, 0)
    os.close(write_end)
    with os.fdopen(read_end) as told:
        return set(json.load(told))


def test_every_attempt_succeeds_without_confinement() -> None:
    """The self-test can fail: an ordinary process gets through with each attempt."""
    got_through = attempts_of_a_child(lambda: None)
    assert set(isolation_probe.ATTEMPTS) - got_through <= {"open its parent's memory"}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ({"landlock": 0}, {"read /etc/passwd", "read a file of the service"}),
        ({"program": None}, {"change a file's mode", "send by UDP", "start another process"}),
    ],
)
@complete
def test_without_one_layer_the_report_says_what_is_open(
    layers: dict[str, Any], expected: set[str]
) -> None:
    """Each layer closes what the other leaves open."""
    offered, parent = replace(confinement.prepare(), **layers), os.getpid()
    got_through = attempts_of_a_child(lambda: confinement.confine(RULES, offered, parent))
    assert expected <= got_through
    assert "take more memory than its limit" not in got_through


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@complete
def test_an_ordinary_user_confines_as_well_as_root() -> None:
    """No layer needs privileges."""
    offered, parent = confinement.prepare(), os.getpid()

    def become_nobody() -> None:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        confinement.confine(RULES, offered, parent)

    assert attempts_of_a_child(become_nobody) == set()


@pytest.mark.parametrize(
    "code",
    [
        "open('/tmp/pwned', 'w')",
        "open('/etc/passwd').read()",
        "__import__('subprocess').run(['true'])",
        "__import__('socket').create_connection(('127.0.0.1', 80), 1)",
        "__import__('os').kill(__import__('os').getppid(), 9)",
        "__import__('os').fork()",
        "__import__('os').listdir('/root')",
        "__import__('os').listdir('/')",
        "__import__('os').truncate('/tmp', 0)",
        "__import__('os').rename('/tmp/a', '/tmp/b')",
        "__import__('os').setuid(65534)",
        "__import__('os').chmod('/tmp', 0o777)",
        "__import__('os').sched_setaffinity(__import__('os').getppid(), {0})",
        "__import__('os').sched_setscheduler(0, 0, __import__('os').sched_param(0))",
    ],
)
@complete
def test_code_in_a_file_reaches_nothing(workers: WorkerParent, tmp_path: Path, code: str) -> None:
    """Even a pickle that runs code can neither read, write, connect, start nor stop anything."""
    path = file_that_calls(tmp_path / "m.pkl", exec, f"raise ValueError({code!r}, {code})")
    told = told_by(workers, path)
    assert told.startswith(("PermissionError", "OSError", "BlockingIOError")) or "-1" in told
    assert not Path("/tmp/pwned").exists()  # noqa: S108 - the place an attack would choose


@complete
def test_no_hostile_file_fires_even_without_an_allow_list(
    workers: WorkerParent, tmp_path: Path
) -> None:
    """Files whose code leaves a marker in an ordinary process leave none from a worker."""
    marker = tmp_path / "marker"
    harmful = ("reduce", "exec", "joblib ", "after an array", "in an object array", "INST", "OBJ")
    for name, data in hostile_pickles(marker).items():
        path = tmp_path / "model"
        path.write_bytes(data)
        worker = workers.spawn(path, Limits(memory_mb=256))
        with contextlib.closing(worker), contextlib.suppress(ModelError):
            worker.request(LOAD, doing="loading", timeout=20)
        assert not marker.exists(), name
        if name.startswith(harmful):
            load_in_a_child(path)
            marker.unlink()


@complete
def test_the_products_own_folder_is_closed(workers: WorkerParent, tmp_path: Path) -> None:
    """The folder with the code, and in a checkout also the data, cannot be listed."""
    here = str(Path(confinement.__file__).parent)
    code = f"raise ValueError(__import__('os').listdir({here!r}))"
    assert told_by(workers, file_that_calls(tmp_path / "m", exec, code)).startswith("Permission")


@complete
def test_newer_system_calls_do_not_exist(workers: WorkerParent, tmp_path: Path) -> None:
    """A number that the filter does not know is answered as by an older kernel."""
    code = (
        "import ctypes; libc = ctypes.CDLL(None, use_errno=True); libc.syscall(600);"
        "raise ValueError(ctypes.get_errno())"
    )
    assert told_by(workers, file_that_calls(tmp_path / "m", exec, code)) == "ValueError: 38"


@complete
def test_abort_is_told_as_abort(workers: WorkerParent, tmp_path: Path) -> None:
    """A library that gives up may signal itself, so that the report names the right signal."""
    worker = workers.spawn(file_that_calls(tmp_path / "m", os.abort), Limits())
    with contextlib.closing(worker), pytest.raises(ModelCrashedError, match="signal 6, aborted"):
        worker.request(LOAD, doing="loading", timeout=30)


def _regression(model: BaseEstimator) -> Callable[[], BaseEstimator]:
    return lambda: model.fit(IRIS[:, :3], IRIS[:, 3])


def _classification(model: BaseEstimator) -> Callable[[], BaseEstimator]:
    return lambda: model.fit(IRIS, SPECIES)


ESTIMATORS: dict[str, Callable[[], BaseEstimator]] = {
    "forest on all cores": _classification(RandomForestClassifier(20, n_jobs=-1)),
    "forest regression": _regression(RandomForestRegressor(20, n_jobs=2)),
    "extra trees": _classification(ExtraTreesClassifier(20, n_jobs=-1)),
    "histogram boosting": _classification(HistGradientBoostingClassifier(max_iter=5)),
    "k-means": lambda: KMeans(3, n_init=1).fit(IRIS),
    "xgboost": _classification(XGBClassifier(n_estimators=5)),
    "lightgbm": _classification(LGBMClassifier(n_estimators=5, verbose=-1)),
    "neural network": _classification(MLPClassifier(max_iter=5)),
    "gaussian process": _regression(GaussianProcessRegressor()),
    "support vectors": _classification(SVC(kernel="rbf")),
    "neighbours": _classification(KNeighborsClassifier(n_jobs=-1)),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_honest_models_do_not_notice(workers: WorkerParent, tmp_path: Path, name: str) -> None:
    """Threads, OpenMP and BLAS work inside the confinement; answers are the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = ESTIMATORS[name]()
    rows = np.tile(IRIS[:, : estimator.n_features_in_], (20, 1))
    joblib.dump(estimator, tmp_path / "m.joblib")
    with open_model(tmp_path / "m.joblib", INFO, workers=workers) as model:
        answer = model.predict(pd.DataFrame(rows).add_prefix("x"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = estimator.predict(rows)
    np.testing.assert_allclose(answer.y_pred, expected, rtol=1e-6)


def test_custom_needs_full_isolation(
    workers: WorkerParent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a model could do harm, a file that may run code is refused with what to do."""
    weak = IsolationReport("partial", ("limits",), ("connect by TCP",))
    monkeypatch.setattr(workers, "isolation", weak)
    path = file_that_calls(tmp_path / "m.pkl", print)
    with pytest.raises(ModelLoadError, match=r"could connect by TCP.*policy standard"):
        open_model(path, INFO, workers=workers, policy="custom")
    with pytest.raises(ModelLoadError, match="full isolation is required"):
        open_model(path, INFO, workers=workers, limits=Limits(isolation="full"))


def test_standard_runs_no_code(workers: WorkerParent, tmp_path: Path) -> None:
    """Without the policy custom a file that calls a function is refused by name."""
    path = file_that_calls(tmp_path / "m.pkl", os.getcwd)
    with pytest.raises(ModelLoadError, match=r"posix\.getcwd"):
        open_model(path, INFO, workers=workers)


@pytest.mark.parametrize(
    ("level", "required", "enough"),
    [("full", "full", True), ("partial", "full", False), ("partial", "partial", True)],
)
def test_levels_are_ordered(level: str, required: str, enough: bool) -> None:
    """A required level is reached by itself and by stronger ones."""
    assert IsolationReport(level, ()).reaches(required) is enough


@pytest.mark.parametrize("home", ["/dev/null", None])
def test_a_home_that_is_none_hinders_nothing(
    workers: WorkerParent, monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    """Accounts of services have homes that are no folders, or are unknown to the system."""
    if home is None:
        monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # as for a number without an account
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(workers, "isolation", None)
    assert isolation.self_test(workers).level == "full"


def test_without_libseccomp_isolation_is_partial(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the library gets no filter rather than an error."""
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    assert syscall_rules.compile_program() is None
