"""Gates: what a policy said of each run, and lists that stay quick with many runs.

Owns: the step from revision 0002 to 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.add_column("run", sa.Column("gate_verdict", sa.String(8)))
    for name, columns in (
        ("purpose", ["created_at", "id"]),
        ("model_name", ["model_name", "created_at", "id"]),
        ("verdict", ["verdict", "created_at", "id"]),
        ("metric_value", ["metric_value", "id"]),
        ("p50_ms", ["p50_ms", "id"]),
    ):
        op.create_index(f"ix_run_{name}", "run", ["purpose", *columns])
