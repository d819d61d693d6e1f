"""Search: the words a run is found by in one column, so that a search reads only an index.

Owns: the step from revision 0004 to 0005.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXTS = ("id", "model_name", "estimator", "verdict_summary", "error")


def upgrade() -> None:
    """Apply this step."""
    op.add_column("run", sa.Column("search", sa.Text, nullable=False, server_default=""))
    connection = op.get_bind()
    columns: list[sa.ColumnClause[str]] = [sa.column(name) for name in TEXTS]
    known = sa.select(sa.column("labels", sa.JSON), *columns).select_from(sa.table("run"))
    filled = [
        {"row": row.id, "words": _words(row[0], row[1:])} for row in connection.execute(known)
    ]
    if filled:
        connection.execute(sa.text("UPDATE run SET search = :words WHERE id = :row"), filled)
    if connection.dialect.name == "sqlite":  # others limit how long a key may be
        op.create_index("ix_run_search", "run", ["purpose", "created_at", "id", "search"])


def _words(labels: dict[str, str], texts: Sequence[str | None]) -> str:
    named = (f"{name}={value}" for name, value in labels.items())
    return " ".join(filter(None, (*texts, *named))).casefold()
