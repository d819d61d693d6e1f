"""First schema: runs, reports, metrics, artifacts.

Owns: the step from nothing to revision 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.String(27)


def upgrade() -> None:
    """Apply this step."""
    _create_run()
    _create_results()
    _create_artifacts()


def _create_run() -> None:
    op.create_table(
        "run",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("seconds", sa.Float),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("model_name", sa.Text, nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("verdict", sa.String(8)),
        sa.Column("verdict_summary", sa.Text),
        sa.Column("n_failed_checks", sa.Integer),
        sa.Column("n_warned_checks", sa.Integer),
        sa.Column("task", sa.String(32)),
        sa.Column("estimator", sa.Text),
        sa.Column("metric_name", sa.Text),
        sa.Column("metric_value", sa.Float),
        sa.Column("metric_low", sa.Float),
        sa.Column("metric_high", sa.Float),
        sa.Column("p50_ms", sa.Float),
        sa.Column("p95_ms", sa.Float),
        sa.Column("drift_harm", sa.Float),
        sa.Column("stage", sa.String(16)),
        sa.Column("fraction", sa.Float, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("heartbeat_at", TIME),
        sa.Column("error", sa.Text),
        sa.Column("idempotency_key", sa.String(255)),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sa.UniqueConstraint("idempotency_key", name="uq_run_idempotency_key"),
    )
    op.create_index("ix_run_created_at", "run", ["created_at"])
    op.create_index("ix_run_status", "run", ["status"])
    op.create_index("ix_run_model_sha256", "run", ["model_sha256"])


def _create_results() -> None:
    op.create_table(
        "report",
        sa.Column("run_id", sa.String(26), nullable=False),
        sa.Column("schema_version", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_report"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], "fk_report_run_id", ondelete="CASCADE"),
    )
    op.create_table(
        "metric",
        sa.Column("run_id", sa.String(26), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
        sa.PrimaryKeyConstraint("run_id", "name", name="pk_metric"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], "fk_metric_run_id", ondelete="CASCADE"),
    )
    op.create_index("ix_metric_name", "metric", ["name"])


def _create_artifacts() -> None:
    op.create_table(
        "artifact",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_artifact"),
    )
    op.create_table(
        "run_artifact",
        sa.Column("run_id", sa.String(26), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "sha256", name="pk_run_artifact"),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], "fk_run_artifact_run_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["sha256"], ["artifact.sha256"], "fk_run_artifact_sha256"),
    )
    op.create_index("ix_run_artifact_sha256", "run_artifact", ["sha256"])
