"""What is kept, what goes, what is carried elsewhere, and what a key means later."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import retention
import transfer
from errors import InputError
from policy import read_policy
from report_types import GateResult, RunRequest, RunStatus, TestReport, Verdict
from retention import Limits, expired
from run_types import KeptRun, RunFilter, RunItem
from settings import Settings
from storage import Store
from tests.report_factory import make_report

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def kept(number: int, verdict: str = "pass", *, days: float = 0.0, **labels: str) -> KeptRun:
    """Return a run of model m, ``days`` old, one MiB large."""
    item = RunItem(
        id=f"run{number}",
        status=RunStatus.DONE,
        created_at=NOW - timedelta(days=days),
        model_name="m",
        model_sha256="0" * 64,
        source="api",
        verdict=Verdict(verdict),
        labels=labels,
    )
    return KeptRun(item, size_bytes=1024 * 1024)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(Settings(data_dir=tmp_path / "data"))
    yield opened
    opened.close()


def add_run(
    store: Store, *, gate: str | None = None, baseline: str | None = None, **labels: str
) -> str:
    """Store a finished run of a tiny file; ``gate`` is what the policy said."""
    sha256 = store.save_bytes(b"model", kind="model", name="m.pkl")
    request = RunRequest(model_sha256=sha256, model_name="m.pkl", labels=labels, baseline=baseline)
    run_id = store.create_run(request)
    assert store.claim_run("test") is not None
    report = make_report("binary", hostile=False).model_copy(update={"run_id": run_id})
    if gate is not None:
        policy = read_policy("version: 1\nrules: [{check: model.load}]")
        report.gate = GateResult(verdict=Verdict(gate), summary="", checks=[], policy=policy)
    assert store.finish_run(report)
    return run_id


# --- retention -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "gone"),
    [
        (Limits(), []),
        (Limits(days=2.5), ["run4", "run3"]),
        (Limits(runs=2), ["run4", "run3", "run2"]),
        (Limits(mib=4), ["run4"]),
        (Limits(mib=1), ["run4", "run3", "run2", "run1"]),
    ],
)
def test_age_count_and_size_are_kept_to(limits: Limits, gone: list[str]) -> None:
    """The oldest go first; the newest passing run stays whatever the limit."""
    runs = [kept(number, days=number) for number in range(5)]
    assert expired(runs, limits, NOW) == gone


def test_baselines_never_go() -> None:
    """The last passing run of a branch, a run named as baseline, and a kept one stay."""
    runs = [
        kept(0, days=10),
        kept(1, "fail", days=20),
        kept(2, days=30, branch="main", commit="a"),
        kept(3, days=40, branch="main", commit="b"),
        kept(4, days=50)._replace(is_named=True),
        kept(5, "fail", days=60, keep="release 1"),
    ]
    assert expired(runs, Limits(days=1, runs=1, mib=1), NOW) == ["run3", "run1"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["pass", "warn", "fail"]), st.sampled_from("ab")), max_size=30
    ),
    st.integers(0, 5),
    st.integers(0, 10),
    st.integers(0, 10),
)
def test_something_to_compare_with_is_always_left(
    runs: list[tuple[str, str]], days: int, count: int, mib: int
) -> None:
    """Whatever the limits, each branch that had a passing run still has its newest one."""
    made = [kept(i, verdict, days=i, branch=name) for i, (verdict, name) in enumerate(runs)]
    gone = set(expired(made, Limits(days, count, mib), NOW))
    for name in "ab":
        passing = [f"run{i}" for i, run in enumerate(runs) if run[1] == name and run[0] != "fail"]
        assert not gone & set(passing[:1])


def test_the_command_deletes_and_the_baseline_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says what would go, then lets it go."""
    named = add_run(store, branch="old")
    runs = [add_run(store, gate="fail", baseline=named), add_run(store), add_run(store)]
    monkeypatch.setenv("MONITOR_DATA_DIR", str(store.settings.data_dir))
    assert retention.main(["--runs", "1", "--dry-run"]) == 0
    assert "2 of 4 runs would go" in capsys.readouterr().out
    assert retention.main(["--runs", "1"]) == 0
    left = {run.id for run in store.list_runs()[0]}
    assert left == {named, runs[-1]}


# --- baselines and keys --------------------------------------------------------------------------


def test_the_last_passing_run_is_the_gates_to_say(store: Store) -> None:
    """A failed gate is no baseline although the product's own checks warned only."""
    good = add_run(store, gate="warn", branch="main")
    add_run(store, gate="fail", branch="main")
    add_run(store, gate="pass", branch="dev")
    assert store.last_passing_run("m.pkl", {"branch": "main"}) == good
    assert store.last_passing_run("m.pkl", {"branch": "none"}) is None
    assert store.last_passing_run("other.pkl", {"branch": "main"}) is None


def test_a_key_of_an_interrupted_run_makes_a_new_one_once(store: Store) -> None:
    """The interrupted run stays as it was; the second retry finds the first."""
    sha256 = store.save_bytes(b"model", kind="model", name="m.pkl")
    request = RunRequest(model_sha256=sha256, model_name="m.pkl")
    first = store.create_run(request, idempotency_key="k")
    assert store.fail_run(first, RunStatus.INTERRUPTED, "stopped")
    again = [store.create_run(request, idempotency_key="k") for _ in range(2)]
    assert again[0] == again[1] != first
    assert store.get_run(first).status is RunStatus.INTERRUPTED


def test_runs_are_found_by_label_and_time(store: Store) -> None:
    """All labels must match, and times are a half-open interval."""
    run_id = add_run(store, branch="main", commit="1a")
    add_run(store, branch="main")
    found, total = store.list_runs(RunFilter(labels={"branch": "main", "commit": "1a"}))
    assert ([run.id for run in found], total) == ([run_id], 1)
    created = store.get_run(run_id).created_at
    assert store.list_runs(RunFilter(until=created))[1] == 0
    assert store.list_runs(RunFilter(since=created))[1] == 2


# --- transfer ------------------------------------------------------------------------------------


def other_store(folder: Path) -> Store:
    return Store.open(Settings(data_dir=folder / "other"))


def test_a_store_is_carried_elsewhere_without_loss(store: Store, tmp_path: Path) -> None:
    """Runs, reports byte for byte, trends and files arrive; a second import changes nothing."""
    ids = [add_run(store, branch="main"), add_run(store, gate="fail")]
    archive = tmp_path / "runs.zip"
    assert transfer.export_store(store, archive) == 2
    other = other_store(tmp_path)
    assert transfer.import_store(other, archive) == (2, 0)
    assert transfer.import_store(other, archive) == (0, 2)
    for run_id in ids:
        assert other.get_run(run_id) == store.get_run(run_id).model_copy(
            update={"owner": None, "heartbeat_at": None}
        )
        assert other.get_report_json(run_id) == store.get_report_json(run_id)
    assert other.metric_history() == store.metric_history()
    sha256 = store.get_run(ids[0]).model_sha256
    assert other.artifact_path(sha256).read_bytes() == b"model"
    other.close()


@pytest.mark.parametrize("part", ["manifest.json", "files/", "reports/", "runs/"])
def test_a_damaged_archive_is_refused(store: Store, tmp_path: Path, part: str) -> None:
    """Whatever part is broken, the import says so and adds no run."""
    add_run(store)
    transfer.export_store(store, tmp_path / "good.zip")
    with (
        zipfile.ZipFile(tmp_path / "good.zip") as good,
        zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad,
    ):
        for name in good.namelist():
            bad.writestr(name, b"{}" if name.startswith(part) else good.read(name))
    other = other_store(tmp_path)
    with pytest.raises(InputError, match="damaged"):
        transfer.import_store(other, tmp_path / "bad.zip")
    assert other.list_runs()[1] == 0
    other.close()


def test_the_commands_carry_a_store(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Export refuses to overwrite; import into an empty directory adds the runs."""
    add_run(store)
    archive = str(tmp_path / "runs.zip")
    monkeypatch.setenv("MONITOR_DATA_DIR", str(store.settings.data_dir))
    assert [transfer.main(["export", archive]) for _ in range(2)] == [0, 2]
    monkeypatch.setenv("MONITOR_DATA_DIR", str(tmp_path / "new"))
    assert transfer.main(["import", archive]) == 0
    assert "1 runs added, 0 were there already" in capsys.readouterr().out


def test_report_with_a_gate_reads_back(store: Store) -> None:
    """What the policy said is stored with the report and in the list."""
    run_id = add_run(store, gate="fail")
    report = store.get_report(run_id)
    assert isinstance(report, TestReport)
    assert report.gate is not None
    assert store.get_run(run_id).gate_verdict is Verdict.FAIL
