"""The part of the store that remembers how the parts of a bundle belong together.

Owns: ``CompositionStore``: one corrected composition per file, by the file's SHA-256.
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from composition_types import Composition
from database import Database
from storage_tables import composition


class CompositionStore:
    """Corrected compositions over one database.

    Parameters
    ----------
    database : Database
        Shared with the rest of the store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, sha256: str) -> Composition | None:
        """Return what was said of the file with this SHA-256, if anything."""
        statement = sa.select(composition.c.body).where(composition.c.sha256 == sha256)
        with self._database.read() as connection:
            body = connection.scalar(statement)
        return None if body is None else Composition.model_validate(body)

    def remember(self, sha256: str, corrected: Composition, *, actor: str) -> None:
        """Use a composition for this file from now on."""
        values = {
            "sha256": sha256,
            "body": corrected.model_dump(mode="json"),
            "saved_at": datetime.now(UTC),
            "saved_by": actor,
        }
        with self._database.write() as connection:
            connection.execute(sa.delete(composition).where(composition.c.sha256 == sha256))
            connection.execute(sa.insert(composition), values)

    def forget(self, sha256: str) -> None:
        """Use the guess for this file again."""
        with self._database.write() as connection:
            connection.execute(sa.delete(composition).where(composition.c.sha256 == sha256))
