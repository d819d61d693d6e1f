"""Models are held as firmly when the service runs as an ordinary user as when it runs as root.

Run by root, these tests let the warm parent of models' processes become the user nobody once its
libraries are imported, so that the interpreter need not be readable by everybody. Run by anybody
else, the whole suite is that test.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from xgboost import XGBClassifier

import isolation
import landlock_rules
import sandbox
import syscall_rules
from base_types import Status
from sandbox import WorkerParent
from tests.hostile_corpus import Traps, traps
from tests.test_hostile_corpus import problems_with, report_on

NOBODY = 65534
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="every other test is that of an ordinary user"),
    pytest.mark.skipif(
        not landlock_rules.version() or syscall_rules.compile_program() is None,
        reason="this machine has no Landlock or no libseccomp",
    ),
]


@pytest.fixture(scope="module")
def nobodys() -> Iterator[WorkerParent]:
    """A warm parent that runs as the user nobody."""
    plain = sandbox._bootstrap

    def bootstrap(control_fd: int, life_fd: int) -> str:
        paths, serve = plain(control_fd, life_fd).rsplit("; import worker_parent;", 1)
        return (
            f"{paths}; import os, confinement, worker_parent; worker_parent._preload(); "
            f"confinement.prepare(); os.setgroups([]); os.setresgid(*[{NOBODY}] * 3); "
            f"os.setresuid(*[{NOBODY}] * 3);{serve}"
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "_bootstrap", bootstrap)
        with WorkerParent() as parent:
            yield parent


@pytest.fixture
def set_traps() -> Iterator[Traps]:
    """Traps in a place where nobody may write, were it not for the confinement."""
    with tempfile.TemporaryDirectory() as folder, traps(Path(folder) / "traps") as laid:
        for place in (Path(folder), laid.folder):
            place.chmod(0o777)
        yield laid


def test_the_parent_is_nobody(nobodys: WorkerParent) -> None:
    """The self-test is passed by a parent without any privilege."""
    assert isolation.self_test(nobodys).level == "full"
    status = Path(f"/proc/{nobodys.pid}/status").read_text()
    assert f"Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}" in status


@pytest.mark.parametrize("model", [RandomForestClassifier(20, n_jobs=-1), XGBClassifier()])
def test_good_models_complete(nobodys: WorkerParent, tmp_path: Path, model: object) -> None:
    """Every stage works for models that use threads."""
    bunch = load_iris(as_frame=True)
    path, sample = tmp_path / "model.pkl", tmp_path / "iris.csv"
    path.write_bytes(pickle.dumps(model.fit(bunch.data, bunch.target)))  # type: ignore[attr-defined]
    bunch.frame.to_csv(sample, index=False)
    report = report_on(nobodys, path, sample=sample)
    assert [stage for stage in report.stages if stage.status is Status.FAILED] == []
    assert report.model.isolation.startswith("full")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("group", ["pickles", "code", "gadgets", "damaged"])
def test_hostile_files_have_no_effect(nobodys: WorkerParent, set_traps: Traps, group: str) -> None:
    """Confinement alone holds against files that run code or crash libraries."""
    assert problems_with(nobodys, set_traps, group, "custom") == {}
