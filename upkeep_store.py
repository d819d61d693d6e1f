"""The part of the store that looks after all of it: what it weighs, and rows to carry elsewhere.

Owns: ``UpkeepStore``, a floor of ``storage.Store``; used by ``retention`` and ``transfer``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from artifact_store import link
from report_types import RunStatus
from run_queue import RunQueue, record_of
from run_types import KeptRun
from storage_tables import UtcTime, artifact, metric, report, run, run_artifact

FINAL = [status.value for status in RunStatus if status.is_final]
_LISTED = sa.and_(run.c.purpose == "test", run.c.status.in_(FINAL))
_TIMES = {column.name for column in run.columns if isinstance(column.type, UtcTime)}
_LEFT_BEHIND = {"idempotency_key": None, "owner": None, "heartbeat_at": None}
"""What only means something in the store where a run was made."""


class UpkeepStore(RunQueue):
    """Looking at, taking out and putting in whole runs."""

    def kept_runs(self) -> list[KeptRun]:
        """Return every finished run with its size, the newest first."""
        uses = (
            sa.select(run_artifact.c.sha256, sa.func.count().label("n"))
            .group_by(run_artifact.c.sha256)
            .subquery()
        )
        shares = (
            sa.select(run_artifact.c.run_id, sa.func.sum(artifact.c.size_bytes / uses.c.n))
            .join(artifact, artifact.c.sha256 == run_artifact.c.sha256)
            .join(uses, uses.c.sha256 == run_artifact.c.sha256)
            .group_by(run_artifact.c.run_id)
        )
        reports = sa.select(report.c.run_id, sa.func.length(report.c.body))
        named = sa.select(run.c.request["baseline"].as_string()).distinct()
        newest = sa.select(run).where(_LISTED).order_by(run.c.created_at.desc(), run.c.id.desc())
        with self._database.read() as connection:
            files = {run_id: float(size) for run_id, size in connection.execute(shares)}
            bodies = {run_id: int(size) for run_id, size in connection.execute(reports)}
            baselines = set(connection.execute(named).scalars())
            records = [record_of(row) for row in connection.execute(newest)]
        return [
            KeptRun(
                record,
                int(files.get(record.id, 0)) + bodies.get(record.id, 0),
                record.id in baselines,
            )
            for record in records
        ]

    def export_runs(self) -> Iterator[tuple[dict[str, Any], bytes | None]]:
        """Yield each finished run as plain values with its stored report, the oldest first."""
        oldest = sa.select(run.c.id).where(_LISTED).order_by(run.c.created_at, run.c.id)
        with self._database.read() as connection:
            ids = list(connection.execute(oldest).scalars())
        for run_id in ids:
            with self._database.read() as connection:
                yield _export(connection, run_id)

    def import_run(self, values: dict[str, Any], body: bytes | None) -> bool:
        """Add a run that ``export_runs`` gave, its files being here; False where it is known.

        Raises
        ------
        StorageError
            The values are not those of a run.
        """
        row = dict(values["run"]) | _LEFT_BEHIND
        times = {name: datetime.fromisoformat(row[name]) for name in _TIMES if row.get(name)}
        with self._database.write() as connection:
            known = sa.select(run.c.id).where(run.c.id == row["id"])
            if connection.execute(known).first() is not None:
                return False
            connection.execute(sa.insert(run), row | times)
            for sha256 in values["files"]:
                link(connection, row["id"], sha256)
            if values["metrics"]:
                connection.execute(sa.insert(metric), values["metrics"])
            if body is not None:
                version = {"run_id": row["id"], "schema_version": values["schema_version"]}
                connection.execute(sa.insert(report), version | {"body": body})
        return True


def _export(connection: sa.Connection, run_id: str) -> tuple[dict[str, Any], bytes | None]:
    row = connection.execute(sa.select(run).where(run.c.id == run_id)).mappings().one()
    metrics = connection.execute(sa.select(metric).where(metric.c.run_id == run_id)).mappings()
    files = sa.select(run_artifact.c.sha256).where(run_artifact.c.run_id == run_id)
    stored = connection.execute(sa.select(report).where(report.c.run_id == run_id)).one_or_none()
    values = {
        "run": {name: _plain(value) for name, value in row.items()} | _LEFT_BEHIND,
        "metrics": [dict(item) for item in metrics],
        "files": list(connection.execute(files).scalars()),
        "schema_version": stored.schema_version if stored else None,
    }
    return values, stored.body if stored else None


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
