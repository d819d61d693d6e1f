"""What a file may contain: the operator's policy, a caller's wish and an approval together."""

from __future__ import annotations

import hashlib
import pickle
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from access_types import Approval
from isolation import IsolationReport
from model_file import inspect_file
from model_policy import STRICTEST_FIRST, decide, refusal
from model_types import ModelFileInfo, Safety
from pipeline import run_tests
from report_types import RunConfig, RunRequest, Stage, TestReport, Verdict
from sandbox import WorkerParent
from settings import Settings

FIT = "__import__('sklearn.linear_model').linear_model.LinearRegression().fit([[0], [1]], [0, 1])"


class MadeByCode:
    """A pickle that becomes a good model by running code of its own."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (FIT,)


OWN_CODE = pickle.dumps(MadeByCode())
SHA256 = hashlib.sha256(OWN_CODE).hexdigest()


def file_of(safety: Safety, **values: Any) -> ModelFileInfo:
    return ModelFileInfo(
        name="m.pkl", size_bytes=1, sha256=SHA256, container="pickle", safety=safety, **values
    )


def approval_of(sha256: str) -> Approval:
    return Approval(
        sha256=sha256, name="m", approved_by="ana", approved_at=datetime.now(UTC), note="ours"
    )


@pytest.mark.parametrize(
    ("server", "asked"), list(product(STRICTEST_FIRST, ("strict", "standard")))
)
def test_a_caller_can_only_tighten(server: str, asked: str) -> None:
    """Whatever is asked for, the policy in force is never looser than the operator's."""
    policy = decide(server, asked, file_of(Safety.UNKNOWN), None).policy
    assert STRICTEST_FIRST.index(policy) <= STRICTEST_FIRST.index(server)
    assert STRICTEST_FIRST.index(policy) <= STRICTEST_FIRST.index(asked)


@pytest.mark.parametrize(
    ("server", "asked", "safety", "sha256", "policy"),
    [
        ("standard", None, Safety.UNKNOWN, SHA256, "custom"),
        ("standard", "standard", Safety.DANGEROUS, SHA256, "custom"),
        ("standard", None, Safety.UNKNOWN, "0" * 64, "standard"),
        ("standard", None, Safety.TRUSTED, SHA256, "standard"),
        ("standard", "strict", Safety.UNKNOWN, SHA256, "strict"),
        ("strict", None, Safety.UNKNOWN, SHA256, "strict"),
    ],
)
def test_an_approval_counts_under_standard_only(
    server: str, asked: str | None, safety: Safety, sha256: str, policy: str
) -> None:
    """It opens exactly the approved bytes, only where they need it, and never under strict."""
    grant = decide(server, asked, file_of(safety), approval_of(sha256))
    assert grant.policy == policy
    assert (grant.approval is not None) == (policy == "custom")


def test_refusal_lists_every_name_and_the_way_out() -> None:
    """A refused file is told with all its names at once and the operator's exact command."""
    names = [f"own.Class{number}" for number in range(50)]
    told = refusal(file_of(Safety.UNKNOWN, blocked=names), "standard", "")
    assert all(name in told for name in names)
    assert f"python -m approvals add {SHA256} --note" in told
    assert "strict takes only formats without code" in refusal(
        file_of(Safety.TRUSTED), "strict", ""
    )


def run(
    workers: WorkerParent, path: Path, approval: Approval | None, policy: Any = None
) -> TestReport:
    """Test the file with code of its own, loading it and no more."""
    path.write_bytes(OWN_CODE)
    stages = [Stage.INSPECT, Stage.LOAD]
    return run_tests(
        RunRequest(
            model_sha256=SHA256,
            model_name="own.pkl",
            config=RunConfig(stages=stages),
            policy=policy,
        ),
        run_id="test",
        model_path=path,
        sample_path=None,
        workers=workers,
        settings=Settings(model_policy="standard"),
        save_data=lambda data, _name: hashlib.sha256(data).hexdigest(),
        find_approval=lambda _sha256: approval,
    )


def test_approved_file_is_loaded_and_the_report_says_by_whom(
    workers: WorkerParent, tmp_path: Path
) -> None:
    """With an approval the file's own code runs in its worker; the report names who let it."""
    report = run(workers, tmp_path / "m", approval_of(SHA256))
    section = report.model
    assert section.info is not None, section.reason
    assert section.policy == "custom"
    assert section.approval is not None
    assert section.approval.startswith("approved by ana on 2")
    (safety,) = (check for check in report.verdict.checks if check.id == "model.safety")
    assert safety.verdict is Verdict.WARN
    assert section.approval in safety.reason


def test_without_approval_it_is_refused_by_name(workers: WorkerParent, tmp_path: Path) -> None:
    """Without one, and under strict with one, it is refused with names and what to do."""
    refused = run(workers, tmp_path / "m", None).model
    assert (refused.info, refused.policy, refused.approval) == (None, "standard", None)
    blocked = inspect_file(tmp_path / "m", "own.pkl").blocked
    assert blocked
    assert all(name in str(refused.reason) for name in blocked)
    assert f"approvals add {SHA256}" in str(refused.reason)
    strict = run(workers, tmp_path / "m", approval_of(SHA256), "strict").model
    assert "strict takes only formats" in str(strict.reason)


def test_approval_stands_in_for_full_isolation(
    workers: WorkerParent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where isolation is partial an approved file is loaded, unless the operator demands more."""
    partial = IsolationReport("partial", ("limits",), ("connect by TCP",))
    monkeypatch.setattr("isolation.self_test", lambda _workers: partial)
    assert run(workers, tmp_path / "m", approval_of(SHA256)).model.info is not None
