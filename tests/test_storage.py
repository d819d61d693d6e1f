"""The store keeps runs, reports and files whole: across processes, crashes and searches."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from access_types import Action
from base_types import Estimate
from database import MIGRATIONS
from errors import (
    BusyError,
    ConflictError,
    InputError,
    NotFoundError,
    StorageError,
    TooLargeError,
)
from model_types import ModelInfo, Task
from report_types import (
    Check,
    Metric,
    ModelSection,
    PerformanceSection,
    QualitySection,
    RunRequest,
    RunStatus,
    Stage,
    TestReport,
    Verdict,
    VerdictSection,
)
from run_types import RunFilter, RunSort, new_run_id
from settings import Settings
from storage import Store
from storage_tables import SCHEMA_REVISION, metadata
from tests.fake_runner import PROCESSES, queue_and_claim

HELLO_SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # sha256sum


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, queue_limit=3)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = Store.open(settings)
    yield opened
    opened.close()


def request_for(store: Store, name: str = "model.pkl", **fields: Any) -> RunRequest:
    sha256 = store.save_bytes(name.encode(), kind="model", name=name)
    return RunRequest(model_sha256=sha256, model_name=name, **fields)


def report_of(run_id: str, accuracy: float = 0.9) -> TestReport:
    check = Check(
        id="x", section="quality", title="X", verdict=Verdict.WARN, reason="because it is low"
    )
    return TestReport(
        run_id=run_id,
        created_at=datetime.now(UTC),
        verdict=VerdictSection(verdict=Verdict.WARN, summary="Usable, but", checks=[check]),
        model=ModelSection(info=ModelInfo(task=Task.BINARY, estimator="Tree")),
        quality=QualitySection(
            metrics=[Metric(name="accuracy", estimate=Estimate(value=accuracy, low=0.8, high=1.0))]
        ),
        performance=PerformanceSection(percentiles_ms={"p50": Estimate(value=1.5)}),
    )


def finished(store: Store, name: str = "model.pkl", accuracy: float = 0.9, **fields: Any) -> str:
    run_id = store.create_run(request_for(store, name, **fields))
    store.claim_run("me")
    assert store.finish_run(report_of(run_id, accuracy))
    return run_id


# --- life of a run -------------------------------------------------------------------------------


def test_run_ids_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id made later sorts after an id made earlier."""
    ids = []
    for second in (1, 1_000_000, 1_700_000_000, 1_700_000_000.001):
        monkeypatch.setattr("run_types.time.time", lambda second=second: second)
        ids.append(new_run_id())
    assert ids == sorted(ids)
    assert {len(run_id) for run_id in ids} == {26}


def test_runs_are_claimed_in_order(store: Store) -> None:
    """The oldest queued run is claimed first, each once."""
    ids = [store.create_run(request_for(store)) for _ in range(3)]
    claimed = [record.id for record in iter(lambda: store.claim_run("me"), None)]
    assert claimed == ids


def test_full_queue_is_refused(store: Store) -> None:
    """With three waiting (the limit) the fourth is refused, with a time to come back."""
    for _ in range(3):
        store.create_run(request_for(store))
    with pytest.raises(BusyError, match="3 runs are waiting") as caught:
        store.create_run(request_for(store))
    assert caught.value.retry_after_seconds >= 1


def test_report_is_read_as_written(store: Store) -> None:
    """A stored report comes back equal, and the list shows its summary."""
    run_id = finished(store)
    record = store.get_run(run_id)
    assert store.get_report(run_id).quality == report_of(run_id).quality
    assert (record.status, record.verdict, record.n_warned_checks) == ("done", "warn", 1)
    assert (record.metric_name, record.metric_value, record.p50_ms) == ("accuracy", 0.9, 1.5)


@pytest.mark.parametrize("status", [RunStatus.ERROR, RunStatus.TIMEOUT, RunStatus.CANCELLED])
def test_end_is_final(store: Store, status: RunStatus) -> None:
    """A run that has ended is not ended a second time."""
    run_id = store.create_run(request_for(store))
    store.claim_run("me")
    assert store.fail_run(run_id, status, "Because")
    assert not store.finish_run(report_of(run_id))
    assert not store.fail_run(run_id, RunStatus.ERROR, "Another")
    assert store.get_run(run_id).error == "Because"
    with pytest.raises(NotFoundError, match="Because"):
        store.get_report(run_id)


def test_cancel_while_queued_and_running(store: Store) -> None:
    """A queued run is cancelled at once; a running one is marked for its runner."""
    first, second = (store.create_run(request_for(store)) for _ in range(2))
    store.claim_run("me")
    assert store.request_cancel(second) is RunStatus.CANCELLED
    assert store.request_cancel(first) is RunStatus.RUNNING
    assert store.cancel_requests("me") == {first}
    assert store.get_run(first).cancel_requested
    assert store.claim_run("me") is None
    assert store.request_cancel(second) is RunStatus.CANCELLED
    told = [(e.action, e.target) for e in store.access.list_audit() if e.target in (first, second)]
    assert told.count((Action.RUN_CANCELLED, second)) == 1  # not again, once it has ended


def test_progress_is_shown(store: Store) -> None:
    """Progress of a running run is in its record; of an ended run it changes nothing."""
    run_id = store.create_run(request_for(store))
    store.claim_run("me")
    store.set_progress(run_id, Stage.DRIFT, 0.5, "Half way")
    assert store.get_run(run_id).message == "Half way"
    store.fail_run(run_id, RunStatus.ERROR, "x")
    store.set_progress(run_id, Stage.SAVE, 0.9, "Too late")
    assert store.get_run(run_id).message == "Half way"


def test_recover_interrupts_runs_of_the_dead(store: Store) -> None:
    """Runs of another owner are interrupted with a reason; one's own and the queued stay."""
    ids = [store.create_run(request_for(store)) for _ in range(3)]
    store.claim_run("dead")
    store.claim_run("me")
    assert store.recover("me", lease_seconds=60) == []
    assert store.recover("me") == [ids[0]]
    statuses = [store.get_run(run_id).status.value for run_id in ids]
    assert statuses == ["interrupted", "running", "queued"]
    assert "start the run again" in (store.get_run(ids[0]).error or "")


def test_idempotency_key(store: Store) -> None:
    """The same key and request give the same run; another request is refused."""
    request = request_for(store)
    run_id = store.create_run(request, idempotency_key="k")
    assert store.create_run(request, idempotency_key="k") == run_id
    assert store.find_by_key("k") == run_id
    with pytest.raises(InputError, match="'k' was used for another request"):
        store.create_run(request_for(store, "other.pkl"), idempotency_key="k")


def test_unknown_file_is_refused(store: Store) -> None:
    """A run cannot be made from a file that is not stored."""
    with pytest.raises(NotFoundError, match="upload it again"):
        store.create_run(RunRequest(model_sha256="0" * 64, model_name="x"))


def test_unknown_run(store: Store) -> None:
    """Asking for a run that does not exist says so."""
    for ask in (store.get_run, store.get_report, store.delete_run, store.request_cancel):
        with pytest.raises(NotFoundError, match="There is no run 'nope'"):
            ask("nope")


# --- lists ---------------------------------------------------------------------------------------


def test_list_pages_and_sorts(store: Store) -> None:
    """Pages are cut from the sorted whole, runs without a value come last, the total is whole."""
    for accuracy in (0.7, 0.9, 0.8):
        finished(store, accuracy=accuracy)
    store.create_run(request_for(store))
    rows, total = store.list_runs(sort=RunSort.METRIC, limit=3)
    assert [row.metric_value for row in rows] == [0.9, 0.8, 0.7]
    assert total == 4
    rows, _ = store.list_runs(sort=RunSort.METRIC, descending=False, limit=3, offset=1)
    assert [row.metric_value for row in rows] == [0.8, 0.9, None]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (RunFilter(text="forest"), {"forest.pkl"}),
        (RunFilter(text="FOREST pkl"), {"forest.pkl"}),
        (RunFilter(text="münchen"), {"100%_sure.pkl"}),
        (RunFilter(text="SITE=MÜNCHEN"), {"100%_sure.pkl"}),
        (RunFilter(text="tree but"), {"forest.pkl"}),
        (RunFilter(text="%"), {"100%_sure.pkl"}),
        (RunFilter(text="usable"), {"forest.pkl"}),
        (RunFilter(verdict=Verdict.WARN), {"forest.pkl"}),
        (RunFilter(status=RunStatus.QUEUED), {"100%_sure.pkl"}),
        (RunFilter(source="api"), {"100%_sure.pkl"}),
        (RunFilter(model_name="forest.pkl", source="api"), set()),
        (RunFilter(), {"forest.pkl", "100%_sure.pkl"}),
    ],
)
def test_filters(store: Store, where: RunFilter, expected: set[str]) -> None:
    """A filter lists exactly the runs for which every condition holds."""
    finished(store, "forest.pkl")
    store.create_run(request_for(store, "100%_sure.pkl", labels={"site": "münchen"}, source="api"))
    rows, total = store.list_runs(where)
    assert {row.model_name for row in rows} == expected
    assert total == len(expected)


@given(since=st.datetimes(), until=st.datetimes())
@example(since=datetime(999, 1, 1), until=datetime(9000, 1, 1))
@hypothesis_settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_time_is_compared_as_a_time(store: Store, since: datetime, until: datetime) -> None:
    """A run is listed exactly when it was made in the given span, in whatever year that begins."""
    if not store.list_runs()[1]:
        store.create_run(request_for(store))
    (made,) = (each.created_at for each in store.list_runs()[0])
    begin, end = since.replace(tzinfo=UTC), until.replace(tzinfo=UTC)
    assert store.list_runs(RunFilter(since=begin, until=end))[1] == (begin <= made < end)


@given(text=st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
@hypothesis_settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_search_text_is_safe(store: Store, text: str) -> None:
    """Whatever is searched for, the answer holds only runs, and never an SQL error."""
    rows, total = store.list_runs(RunFilter(text=text))
    assert (rows, total) == ([], 0)


def test_metric_history(store: Store) -> None:
    """A metric over time is oldest first and only of the model asked for."""
    for accuracy in (0.7, 0.9):
        finished(store, "a.pkl", accuracy)
    finished(store, "b.pkl")
    points = store.metric_history(metric_name="accuracy", model_name="a.pkl")
    assert [(point.value, point.low) for point in points] == [(0.7, 0.8), (0.9, 0.8)]
    assert {point.metric for point in store.metric_history()} == {"accuracy", "p50_ms"}
    assert store.model_names() == ["a.pkl", "b.pkl"]


def test_each_name_is_listed_once_in_order(store: Store) -> None:
    """The names are those of Python's set, sorted, however often each was used."""
    assert store.model_names() == []
    names = ["b.pkl", "a.pkl", "a", "é.pkl", "b.pkl", "a.pkl", "B.pkl"]
    for name in names:
        finished(store, name)
    assert store.model_names() == sorted(set(names))


def test_previews_go_first_and_unlisted(store: Store) -> None:
    """A preview overtakes waiting tests, and no list, name or trend shows it."""
    store.create_run(request_for(store))
    preview = store.create_run(request_for(store, "preview.pkl", purpose="preview"))
    record = store.claim_run("me")
    assert record is not None
    assert record.id == preview
    store.finish_run(report_of(preview))
    assert store.list_runs()[1] == 1
    assert store.model_names() == ["model.pkl"]
    assert store.metric_history() == []
    assert store.get_report(preview).run_id == preview


# --- files ---------------------------------------------------------------------------------------


def test_file_is_stored_once_by_hash(store: Store) -> None:
    """The same bytes lie once on disk, under the SHA-256 that sha256sum prints."""
    for name in ("a.bin", "b.bin"):
        assert store.save_bytes(b"hello", kind="data", name=name) == HELLO_SHA256
    path = store.artifact_path(HELLO_SHA256)
    assert path.read_bytes() == b"hello"
    assert path.parent.name == "2c"
    assert store.get_artifact(HELLO_SHA256).name == "a.bin"


def test_too_large_file_leaves_nothing(store: Store, tmp_path: Path) -> None:
    """A file over its limit is refused on the way and leaves nothing behind."""
    writer = store.artifact_writer(10)
    with writer:
        writer.write(b"12345")
        with pytest.raises(TooLargeError, match="MiB allowed"):
            writer.write(b"123456")
    assert [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()] == []


def test_a_full_disk_is_told_and_leaves_nothing(store: Store, tmp_path: Path) -> None:
    """Where the disk takes no more, that is the reason, and what was written is gone."""

    def fill_the_disk() -> None:
        with store.artifact_writer(1 << 30) as new:
            for _ in range(200):
                new.write(b"x" * 999)

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StorageError, match="File too large"):
            fill_the_disk()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()] == []


def test_an_upload_that_ends_meanwhile_does_not_hinder_tidying(
    store: Store, tmp_path: Path
) -> None:
    """A name that is gone when it is looked at (here a link to nothing) is passed over."""
    incoming = tmp_path / "artifacts" / "incoming"
    for name in ("a", "z"):
        (incoming / name).touch()
        os.utime(incoming / name, (0, 0))
    (incoming / "gone").symlink_to(tmp_path / "nothing")
    store.remove_orphans()
    assert [path.name for path in incoming.iterdir()] == ["gone"]


@pytest.mark.parametrize("sha256", ["../../etc/passwd", "", "A" * 64, "0" * 64])
def test_no_foreign_path(store: Store, sha256: str) -> None:
    """Only hashes of stored files lead to a path."""
    with pytest.raises(NotFoundError):
        store.artifact_path(sha256)


def test_delete_takes_unshared_files(store: Store) -> None:
    """Deleting a run deletes its files but those that another run uses."""
    first, second = finished(store, "shared.pkl"), finished(store, "shared.pkl")
    data = store.save_bytes(b"rows", kind="data", name="rows.csv", run_id=first)
    shared = store.get_run(first).model_sha256
    store.delete_run(first)
    assert store.artifact_path(shared).exists()
    with pytest.raises(NotFoundError):
        store.artifact_path(data)
    store.delete_run(second)
    with pytest.raises(NotFoundError):
        store.artifact_path(shared)


def test_unfinished_run_is_not_deleted(store: Store) -> None:
    """A run that waits or goes on must be cancelled before it can be deleted."""
    run_id = store.create_run(request_for(store))
    with pytest.raises(ConflictError, match="cancel it first"):
        store.delete_run(run_id)


def test_orphans_are_removed_after_a_day(store: Store, settings: Settings) -> None:
    """A file without a run goes after a day, a fresh one stays."""
    old, new = (store.save_bytes(text, kind="model", name="x") for text in (b"old", b"new"))
    with sqlite3.connect(settings.data_dir / "monitor.db") as connection:
        connection.execute("UPDATE artifact SET created_at='2020-01-01' WHERE sha256=?", (old,))
    connection.close()
    store.remove_orphans()
    assert store.artifact_path(new).exists()
    with pytest.raises(NotFoundError):
        store.artifact_path(old)


# --- several processes ---------------------------------------------------------------------------


def test_processes_share_the_store(tmp_path: Path) -> None:
    """Two processes that queue and claim at once never lose a run or claim one twice."""
    settings = Settings(data_dir=tmp_path, queue_limit=100)
    store = Store.open(settings)
    sha256 = store.save_bytes(b"m", kind="model", name="m")
    claimed: Any = PROCESSES.Queue()
    workers = [
        PROCESSES.Process(target=queue_and_claim, args=(settings, sha256, name, claimed))
        for name in "ab"
    ]
    for worker in workers:
        worker.start()
    ids = [run_id for _ in workers for run_id in iter(claimed.get, None)]
    for worker in workers:
        worker.join(30)
    assert len(ids) == len(set(ids)) == 40
    assert store.list_runs()[1] == 40
    store.close()


def test_first_opening_at_once(tmp_path: Path) -> None:
    """Eight threads that open a new store at once all succeed; one of them migrates."""
    settings = Settings(data_dir=tmp_path)
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: Store.open(settings), range(8)))
    assert [store.list_runs() for store in stores] == [([], 0)] * 8
    for store in stores:
        store.close()


def test_forked_process_uses_its_own_connections(store: Store) -> None:
    """A forked child writes through connections of its own; the parent's go on working."""
    run_id = store.create_run(request_for(store))
    store.claim_run("me")
    child = os.fork()
    if child == 0:  # pragma: no cover - measured in the parent
        store.after_fork()
        store.set_progress(run_id, Stage.LOAD, 0.1, "from the child")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert store.get_run(run_id).message == "from the child"
    store.set_progress(run_id, Stage.LOAD, 0.2, "from the parent")
    assert store.get_run(run_id).message == "from the parent"


def test_killed_writer_loses_nothing_acknowledged(store: Store) -> None:
    """What a method returned for is there after the process was killed at once."""
    run_id = store.create_run(request_for(store))
    store.claim_run("me")
    child = os.fork()
    if child == 0:  # pragma: no cover - dies here
        store.after_fork()
        store.finish_run(report_of(run_id))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert store.get_report(run_id).verdict.verdict is Verdict.WARN


# --- schema --------------------------------------------------------------------------------------


def test_migrations_make_the_declared_tables(store: Store, settings: Settings) -> None:
    """What the migrations build is what ``storage_tables`` declares, and at its revision."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = sa.create_engine(settings.url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == SCHEMA_REVISION
    engine.dispose()
    assert sorted(MIGRATIONS.glob("versions/*.py"))[-1].name.startswith(SCHEMA_REVISION)


def test_runs_of_an_older_store_are_found(store: Store, settings: Settings) -> None:
    """Opened by this program, a store of revision 0004 is searched like one made today."""
    run_id = finished(store, "Forest.pkl", labels={"site": "Köln"})
    store.close()
    with sqlite3.connect(settings.data_dir / "monitor.db") as connection:
        connection.execute("DROP INDEX ix_run_search")
        connection.execute("ALTER TABLE run DROP COLUMN search")
        connection.execute("UPDATE alembic_version SET version_num='0004'")
    connection.close()
    upgraded = Store.open(settings)
    for text in (run_id, "forest", "site=köln", "TREE", "usable,"):
        assert [run.id for run in upgraded.list_runs(RunFilter(text=text))[0]] == [run_id]
    upgraded.close()


def test_a_search_reads_an_index_alone(store: Store) -> None:
    """SQLite's own plan: neither counting nor choosing a page touches the rows of the table."""
    plans: list[str] = []

    def note_plan(
        connection: sa.Connection, _cursor: object, statement: str, given: Any, *_rest: object
    ) -> None:
        if "search LIKE" in statement and not statement.startswith("EXPLAIN"):
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given).all()
            plans.extend(row.detail for row in plan if "purpose" in row.detail)

    sa.event.listen(store._database._engine, "after_cursor_execute", note_plan)
    store.list_runs(RunFilter(text="forest"))
    assert len(plans) == 2
    assert all("COVERING INDEX ix_run_search" in plan for plan in plans)


def test_newer_store_is_refused(store: Store, settings: Settings) -> None:
    """A store of a newer program is refused with what to do, and left as it is."""
    store.close()
    with sqlite3.connect(settings.data_dir / "monitor.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num='9999'")
    connection.close()
    with pytest.raises(StorageError, match=r"revision 9999.*newer version"):
        Store.open(settings)


def test_durability_settings(store: Store) -> None:
    """Connections are durable and wait for each other, as measured to be right."""
    with store._database.read() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        }
    assert values == {
        "journal_mode": "wal",
        "synchronous": 2,
        "busy_timeout": 15_000,
        "foreign_keys": 1,
    }
