"""The part of the store that knows files: which exist, and which run uses them.

Owns: ``ArtifactStore``, the base of ``storage.Store``: opening, and everything about artifacts.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import sqlalchemy as sa

from access_store import AccessStore
from artifacts import ArtifactFiles, IncomingFile
from composition_store import CompositionStore
from database import Database
from errors import NotFoundError
from run_types import Artifact
from settings import Settings
from storage_tables import artifact, run, run_artifact

ORPHAN_AGE = timedelta(hours=24)
"""After this time a file that no run uses is deleted."""


class ArtifactStore:
    """The opened store with its files.

    Parameters
    ----------
    settings : Settings
        Where the store lies and how long the queue may be.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = Database(settings.url)
        self._files = ArtifactFiles(settings.data_dir)
        self.access = AccessStore(self._database)
        self.compositions = CompositionStore(self._database)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open the store, creating it or bringing it up to date.

        Raises
        ------
        StorageError
            It cannot be opened, or a newer program made it.
        """
        store = cls(settings)
        store._database.migrate()
        return store

    @property
    def settings(self) -> Settings:
        """The settings it was opened with."""
        return self._settings

    @property
    def is_local(self) -> bool:
        """Whether only processes of this machine can use it."""
        return self._database.is_sqlite

    def after_fork(self) -> None:
        """Use connections of one's own; the first thing a forked process must do."""
        self._database.after_fork()

    def close(self) -> None:
        """Close the connections of this process."""
        self._database.close()

    def check_writable(self) -> None:
        """Take and release the write lock.

        Raises
        ------
        StorageError
            Nothing can be written.
        """
        with self._database.write() as connection:
            connection.execute(sa.update(run).where(run.c.id == "").values(message=""))

    def artifact_writer(self, limit_bytes: int) -> IncomingFile:
        """Begin a file; write chunks into it, then hand it to ``keep_artifact``."""
        return self._files.create(limit_bytes)

    def keep_artifact(self, incoming: IncomingFile, *, kind: str, name: str) -> Artifact:
        """Store a file that was written; the same bytes are stored once, under their first name."""
        incoming.complete()
        kept = Artifact(
            sha256=incoming.sha256,
            size_bytes=incoming.size_bytes,
            kind=kind,
            name=name,
            created_at=utc_now(),
        )
        with self._database.write() as connection:
            known = _find_artifact(connection, kept.sha256)
            if known is None:
                connection.execute(sa.insert(artifact), kept.model_dump())
            if known is None or not self._files.path(kept.sha256).exists():
                self._files.keep(incoming)
        return known or kept

    def save_bytes(self, data: bytes, *, kind: str, name: str, run_id: str | None = None) -> str:
        """Store some bytes, for a run where given, and return their SHA-256."""
        with self.artifact_writer(len(data)) as incoming:
            incoming.write(data)
            sha256 = self.keep_artifact(incoming, kind=kind, name=name).sha256
        if run_id is not None:
            with self._database.write() as connection:
                link(connection, run_id, sha256)
        return sha256

    def get_artifact(self, sha256: str) -> Artifact:
        """Return what is known of a stored file.

        Raises
        ------
        NotFoundError
            There is no such file.
        """
        with self._database.read() as connection:
            found = _find_artifact(connection, sha256)
        if found is None:
            raise NotFoundError(_no_file(sha256))
        return found

    def artifact_path(self, sha256: str) -> Path:
        """Return the path of a stored file.

        Raises
        ------
        NotFoundError
            There is no such file.
        """
        path = self._files.path(sha256)
        if not path.is_file():
            raise NotFoundError(_no_file(sha256))
        return path

    def remove_orphans(self) -> None:
        """Delete day-old previews, files without a run, and leftovers of interrupted uploads."""
        self._files.remove_stale()
        self.access.drop_old_refusals()
        day_ago = utc_now() - ORPHAN_AGE
        old_preview = sa.and_(run.c.purpose == "preview", run.c.created_at < day_ago)
        with self._database.write() as connection:
            connection.execute(sa.delete(run).where(old_preview))
            self.drop_unused(connection, artifact.c.created_at < day_ago)

    def drop_unused(self, connection: sa.Connection, where: sa.ColumnElement[bool]) -> None:
        """Delete artifacts without a run; the files go while the write lock keeps uploads out."""
        linked = sa.select(run_artifact.c.sha256)
        statement = (
            sa.delete(artifact)
            .where(where, artifact.c.sha256.not_in(linked))
            .returning(artifact.c.sha256)
        )
        for sha256 in connection.execute(statement).scalars().all():
            self._files.remove(sha256)


def utc_now() -> datetime:
    """Return the time as the store writes it."""
    return datetime.now(UTC)


def link(connection: sa.Connection, run_id: str, sha256: str) -> None:
    """Say that a run uses a file; saying it twice is harmless."""
    known = sa.select(run_artifact).where(
        run_artifact.c.run_id == run_id, run_artifact.c.sha256 == sha256
    )
    if connection.execute(known).first() is None:
        connection.execute(sa.insert(run_artifact), {"run_id": run_id, "sha256": sha256})


def require_file(connection: sa.Connection, sha256: str) -> None:
    """Raise ``NotFoundError`` unless the file is in the store."""
    if _find_artifact(connection, sha256) is None:
        raise NotFoundError(_no_file(sha256))


def _find_artifact(connection: sa.Connection, sha256: str) -> Artifact | None:
    row = connection.execute(sa.select(artifact).where(artifact.c.sha256 == sha256)).mappings()
    found = row.one_or_none()
    return None if found is None else Artifact.model_validate(dict(found))


def _no_file(sha256: str) -> str:
    return f"There is no stored file with SHA-256 {sha256[:64]}; upload it again"
