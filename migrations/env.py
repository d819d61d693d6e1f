"""Run the migrations on the connection that ``database`` hands over.

Owns: how Alembic is configured. There is no offline mode: the store brings itself up to date
when it is opened, inside one transaction.
"""

from __future__ import annotations

from alembic import context

from storage_tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter most things in place
)
context.run_migrations()
