"""The tables of the store as SQLAlchemy sees them.

Owns: the metadata and ``SCHEMA_REVISION``. A change here needs a migration in ``migrations/`` and
a new revision; a test compares both. Times are UTC ISO 8601 text, so that they sort as they are
and read the same in every database.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

SCHEMA_REVISION = "0005"
"""Revision this program reads and writes: the newest file in ``migrations/versions``."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, kept as ``2026-01-31T12:00:00.000000Z``."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Write any aware datetime in UTC."""
        if value is None:
            return None
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Read it back as an aware datetime."""
        return None if value is None else datetime.fromisoformat(value)


run = Table(
    "run",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("seconds", Float),
    Column("request", JSON, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("model_sha256", String(64), nullable=False),
    Column("source", String(16), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("labels", JSON, nullable=False),
    Column("verdict", String(8)),
    Column("verdict_summary", Text),
    Column("n_failed_checks", Integer),
    Column("n_warned_checks", Integer),
    Column("task", String(32)),
    Column("estimator", Text),
    Column("metric_name", Text),
    Column("metric_value", Float),
    Column("metric_low", Float),
    Column("metric_high", Float),
    Column("p50_ms", Float),
    Column("p95_ms", Float),
    Column("drift_harm", Float),
    Column("stage", String(16)),
    Column("fraction", Float, nullable=False),
    Column("message", Text, nullable=False),
    Column("cancel_requested", Boolean(create_constraint=False), nullable=False),
    Column("owner", Text),
    Column("heartbeat_at", UtcTime),
    Column("error", Text),
    Column("idempotency_key", String(255), unique=True),
    Column("created_by", Text),
    Column("gate_verdict", String(8)),
    Column("search", Text, nullable=False, server_default=""),
    Index("ix_run_created_at", "created_at"),
    Index("ix_run_status", "status"),
    Index("ix_run_purpose", "purpose", "created_at", "id"),
    Index("ix_run_model_name", "purpose", "model_name", "created_at", "id"),
    Index("ix_run_verdict", "purpose", "verdict", "created_at", "id"),
    Index("ix_run_metric_value", "purpose", "metric_value", "id"),
    Index("ix_run_p50_ms", "purpose", "p50_ms", "id"),
    Index("ix_run_model_sha256", "model_sha256"),
    # others limit how long a key may be
    Index("ix_run_search", "purpose", "created_at", "id", "search").ddl_if(dialect="sqlite"),
)

report = Table(
    "report",
    metadata,
    Column("run_id", ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
    Column("schema_version", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),  # JSON, gzip
)

metric = Table(
    "metric",
    metadata,
    Column("run_id", ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("value", Float, nullable=False),
    Column("low", Float),
    Column("high", Float),
    Index("ix_metric_name", "name"),
)

artifact = Table(
    "artifact",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("size_bytes", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

run_artifact = Table(
    "run_artifact",
    metadata,
    Column("run_id", ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
    Column("sha256", ForeignKey("artifact.sha256"), primary_key=True),
    Index("ix_run_artifact_sha256", "sha256"),
)

api_token = Table(
    "api_token",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("hash", LargeBinary(32), nullable=False, unique=True),  # SHA-256 of the token
    Column("scopes", JSON, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("last_used_at", UtcTime),
)

approval = Table(
    "approval",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("approved_at", UtcTime, nullable=False),
    Column("note", Text, nullable=False),
    Column("revoked_at", UtcTime),
    Index("ix_approval_sha256", "sha256"),
)

composition = Table(
    "composition",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("body", JSON, nullable=False),
    Column("saved_at", UtcTime, nullable=False),
    Column("saved_by", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(32), nullable=False),
    Column("target", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_audit_at", "at"),
)
