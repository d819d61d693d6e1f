"""The store: everything the product remembers. The one door to the database.

Owns: ``Store`` with its reports, lists and trends; ``upkeep_store``, ``run_queue`` and
``artifact_store`` are its floors. Each public method is one short transaction; values are always
bound.
"""

from __future__ import annotations

import gzip

import sqlalchemy as sa
from pydantic import ValidationError

from access_store import write_audit
from access_types import LOCAL, Action
from artifact_store import utc_now
from errors import ConflictError, NotFoundError, StorageError
from report_types import RunStatus, Stage, TestReport, Verdict
from run_queue import end_run, record_of
from run_summary import summarise, trend_metrics
from run_types import MetricPoint, RunFilter, RunRecord, RunSort
from storage_tables import artifact, metric, report, run, run_artifact
from upkeep_store import UpkeepStore

_INTERVAL = {"value", "low", "high"}
_LISTED = run.c.purpose == "test"
"""Previews are made for a page and forgotten; lists, names and trends leave them out."""


class Store(UpkeepStore):
    """Everything the product remembers; safe for threads, several processes share one.

    Use ``Store.open(settings)``, from any process, at any time.
    """

    def finish_run(self, result: TestReport) -> bool:
        """Store the report of a running run; False when the run was ended by somebody else."""
        status = result.status if result.status.is_final else RunStatus.DONE
        result = result.model_copy(
            update={"status": status, "finished_at": result.finished_at or utc_now()}
        )
        values = summarise(result).model_dump(mode="json")
        metrics = [
            {"run_id": result.run_id, "name": name} | number.model_dump(include=_INTERVAL)
            for name, number in trend_metrics(result).items()
        ]
        body = gzip.compress(result.model_dump_json(by_alias=True).encode(), 6)
        with self._database.write() as connection:
            values |= {"stage": Stage.SAVE.value, "fraction": 1.0, "message": ""}
            if not end_run(connection, result.run_id, status, values):
                return False
            connection.execute(
                sa.insert(report),
                {"run_id": result.run_id, "schema_version": result.schema_version, "body": body},
            )
            if metrics:
                connection.execute(sa.insert(metric), metrics)
        return True

    def get_report(self, run_id: str) -> TestReport:
        """Return the report of a finished run.

        Raises
        ------
        NotFoundError
            There is no such run, or it has no report; the message says why.
        StorageError
            The report was written in a form that this program cannot read.
        """
        try:
            return TestReport.model_validate_json(self.get_report_json(run_id))
        except ValidationError as error:
            msg = (
                f"The report of run {run_id} was written by another version of this program and "
                f"cannot be read: {error.error_count()} fields differ; run the test again"
            )
            raise StorageError(msg) from error

    def get_report_json(self, run_id: str) -> bytes:
        """Return the report of a finished run as JSON, byte for byte as it was stored.

        Raises
        ------
        NotFoundError
            There is no such run, or it has no report; the message says why.
        """
        statement = sa.select(report.c.body).where(report.c.run_id == run_id)
        with self._database.read() as connection:
            body = connection.scalar(statement)
        if body is None:
            raise NotFoundError(_why_no_report(self.get_run(run_id)))
        return gzip.decompress(body)

    def list_runs(
        self,
        where: RunFilter | None = None,
        *,
        sort: RunSort = RunSort.CREATED,
        descending: bool = True,
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[list[RunRecord], int]:
        """Return one page of runs and how many there are on all pages; empty values go last."""
        conditions = _conditions(where or RunFilter())
        column = run.c[sort.value]
        order = (column.desc() if descending else column.asc()).nulls_last()
        tie = run.c.id.desc() if descending else run.c.id.asc()  # as an index is read
        ids = sa.select(run.c.id).where(*conditions).order_by(order, tie)  # reads an index only
        on_page = run.c.id.in_(ids.limit(limit).offset(offset))
        page = sa.select(run).where(on_page).order_by(order, tie)
        count = sa.select(sa.func.count()).select_from(run).where(*conditions)
        with self._database.read() as connection:
            rows = connection.execute(page).all()
            total = connection.scalar(count) or 0
        return [record_of(row) for row in rows], total

    def last_passing_run(
        self, model_name: str, labels: dict[str, str], *, created_by: str | None = None
    ) -> str | None:
        """Return the id of a model's newest run with these labels that did not fail, if any.

        Where a run was made under a policy, the policy's verdict decides; where ``created_by`` is
        given, only runs that this caller began are looked at.
        """
        own = () if created_by is None else (run.c.created_by == created_by,)
        decided = sa.func.coalesce(run.c.gate_verdict, run.c.verdict)
        statement = (
            sa.select(run.c.id)
            .where(*_conditions(RunFilter(model_name=model_name, labels=labels)), *own)
            .where(run.c.status == RunStatus.DONE.value, decided != Verdict.FAIL.value)
            .order_by(run.c.created_at.desc(), run.c.id.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            found: str | None = connection.scalar(statement)
        return found

    def model_names(self) -> list[str]:
        """Return the names of all models ever tested, sorted."""
        names = sa.select(_next_name()).cte("names", recursive=True)
        names = names.union_all(
            sa.select(_next_name(names.c.name)).where(names.c.name.is_not(None))
        )
        with self._database.read() as connection:
            found = connection.execute(sa.select(names.c.name)).scalars()
            return [name for name in found if name is not None]

    def metric_history(
        self,
        *,
        metric_name: str | None = None,
        model_name: str | None = None,
        model_sha256: str | None = None,
        limit: int = 1000,
    ) -> list[MetricPoint]:
        """Return numbers of finished runs, oldest first; the newest ``limit`` where there are more.

        ``metric_name`` is a quality metric by scikit-learn's name, or ``p50_ms``, ``p95_ms``,
        ``best_rows_per_second``, ``peak_memory_mb``, ``error_rate``, ``drift_harm``.
        """
        wanted = {
            metric.c.name: metric_name,
            run.c.model_name: model_name,
            run.c.model_sha256: model_sha256,
        }
        statement = (
            sa.select(
                metric.c.run_id,
                run.c.created_at,
                run.c.model_name,
                run.c.model_sha256,
                run.c.verdict,
                metric.c.name.label("metric"),
                metric.c.value,
                metric.c.low,
                metric.c.high,
            )
            .join(run, run.c.id == metric.c.run_id)
            .where(_LISTED)
            .where(*(column == value for column, value in wanted.items() if value is not None))
            .order_by(run.c.created_at.desc(), run.c.id.desc(), metric.c.name)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).mappings().all()
        return [MetricPoint.model_validate(dict(row)) for row in reversed(rows)]

    def delete_run(self, run_id: str, *, actor: str = LOCAL) -> None:
        """Delete a run that has ended, its report, and the files that no other run uses.

        Raises
        ------
        NotFoundError
            There is no such run.
        ConflictError
            It is still waiting or running.
        """
        record = self.get_run(run_id)
        if not record.status.is_final:
            msg = f"Run {run_id} has not ended yet; cancel it first"
            raise ConflictError(msg)
        with self._database.write() as connection:
            used = sa.select(run_artifact.c.sha256).where(run_artifact.c.run_id == run_id)
            candidates = list(connection.execute(used).scalars())
            connection.execute(sa.delete(run).where(run.c.id == run_id))
            write_audit(connection, actor, Action.RUN_DELETED, run_id, record.model_name)
            self.drop_unused(connection, artifact.c.sha256.in_(candidates))


def _next_name(after: sa.ColumnElement[str] | None = None) -> sa.Label[str | None]:
    """Return the first model's name after another: one step in the index, whatever lies between."""
    later = () if after is None else (run.c.model_name > after,)
    first = sa.select(sa.func.min(run.c.model_name)).where(_LISTED, *later)
    return first.scalar_subquery().label("name")


def _why_no_report(record: RunRecord) -> str:
    if not record.status.is_final:
        return f"Run {record.id} is {record.status.value}; its report is not written yet"
    return f"Run {record.id} has no report: {record.error or record.status.value}"


def _conditions(where: RunFilter) -> list[sa.ColumnElement[bool]]:
    beside = {"text", "labels", "since", "until"}
    exact = where.model_dump(mode="json", exclude=beside, exclude_none=True)
    conditions = [_LISTED] + [run.c[name] == value for name, value in exact.items()]
    conditions += [run.c.labels[name].as_string() == text for name, text in where.labels.items()]
    conditions += [run.c.created_at >= where.since] if where.since else []
    conditions += [run.c.created_at < where.until] if where.until else []
    words = (where.text or "").casefold().split()
    return conditions + [run.c.search.contains(word, autoescape=True) for word in words]
