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
    op.create_index("ix_run_model_name", "run", ["model_name", "created_at"])
    op.create_index("ix_run_verdict", "run", ["verdict", "created_at"])
