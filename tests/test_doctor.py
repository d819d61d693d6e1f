"""What ``python -m doctor`` finds, and when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

import doctor
from doctor import Finding, isolation_findings, libraries, weakening
from isolation import BASE_LAYERS, IsolationReport
from isolation_probe import ATTEMPTS
from settings import Settings


def worst(findings: list[Finding]) -> str:
    """Return the worst level among findings."""
    return max((item.level for item in findings), key=("ok", "warn", "fail").index)


def test_a_sound_installation_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here everything is there; every probe and the store are reported, and the code is 0."""
    monkeypatch.setenv("MONITOR_DATA_DIR", str(tmp_path / "data"))
    assert doctor.main() == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*ATTEMPTS, "Landlock", "seccomp", "model policy"))
    assert "can be written" in printed


def test_missing_optional_libraries_are_told_with_their_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A format whose library is not there is no fault; what would add it is said."""
    monkeypatch.setattr(doctor, "OPTIONAL", {"no-such-package": "Files of nobody"})
    (finding,) = doctor.optional_libraries()
    assert finding.level == "ok"
    assert finding.found == "Files of nobody: not read here; pip install no-such-package"


def test_wrong_settings_are_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Settings that refuse a start are told, with exit code 1."""
    monkeypatch.setenv("MONITOR_SLOTS", "0")
    assert doctor.main() == 1
    assert "MONITOR_SLOTS" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("level", "required", "policy", "expected"),
    [
        ("full", "full", "custom", "ok"),
        ("partial", "none", "standard", "warn"),
        ("partial", "full", "standard", "fail"),
        ("partial", "none", "custom", "fail"),
        ("none", "partial", "standard", "fail"),
    ],
)
def test_weak_isolation_fails_where_more_is_demanded(
    tmp_path: Path, level: str, required: str, policy: str, expected: str
) -> None:
    """Partial isolation is a warning, but a failure if settings need more."""
    settings = Settings.model_validate(
        {"data_dir": tmp_path, "require_isolation": required, "model_policy": policy}
    )
    report = IsolationReport(level, BASE_LAYERS, () if level == "full" else ("connect by TCP",))
    assert worst(list(isolation_findings(report, settings))) == expected


def test_what_got_through_is_marked(tmp_path: Path) -> None:
    """Each attempt that succeeded stands out among those that were held."""
    report = IsolationReport("partial", BASE_LAYERS, ("connect by TCP",))
    found = list(isolation_findings(report, Settings(data_dir=tmp_path)))
    assert [item.what.strip() for item in found if "THROUGH" in item.found] == ["connect by TCP"]


def test_missing_and_other_libraries_are_named() -> None:
    """A missing package is a failure, another version a warning."""
    found = {item.level: item.found for item in libraries("nosuch-package==1\nnumpy==0.1\n")}
    assert "nosuch-package" in found["fail"]
    assert "tested with 0.1" in found["warn"]


def test_weakening_settings_are_named(tmp_path: Path) -> None:
    """Whatever makes the product less safe than its defaults is listed."""
    settings = Settings(data_dir=tmp_path, model_policy="custom", environments=True)
    names = {item.what for item in weakening(settings) if item.level == "warn"}
    assert {"MONITOR_MODEL_POLICY", "MONITOR_REQUIRE_ISOLATION", "MONITOR_ENVIRONMENTS"} <= names


def test_store_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    """A data directory that is a file under a file fails instead of raising."""
    (tmp_path / "file").write_text("")
    settings = Settings(data_dir=tmp_path / "file" / "data")
    assert worst(list(doctor._store(settings))) == "fail"
