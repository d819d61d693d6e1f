"""The connection to the database: engine, transactions, migrations.

Owns: ``Database``. SQLite runs in WAL mode with full durability; every write is one short
``BEGIN IMMEDIATE`` transaction, because a transaction that reads first and writes later fails
with "database is locked" whatever the timeout is. Connections live long (opening one costs more
than a transaction) and are not shared across a fork.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from errors import StorageError
from storage_tables import SCHEMA_REVISION

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 15_000
"""How long a writer waits for another; SQLite's lock is not fair, 5 s of waiting was seen."""

JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024


class Database:
    """One database, its pool of connections and its two kinds of transaction.

    Parameters
    ----------
    url : str
        SQLAlchemy URL.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine = _make_engine(url)
        self._inherited: list[sa.Engine] = []

    @property
    def is_sqlite(self) -> bool:
        """Whether this is a file of this machine."""
        return self._engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Yield a connection inside a read transaction.

        Raises
        ------
        StorageError
            The database refused.
        """
        with self._transaction() as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """Yield a connection that holds the write lock; commits unless an exception leaves.

        What is not ``durable`` does not wait for the disk: it outlives the death of any program,
        but a machine that loses its power may forget it.

        Raises
        ------
        StorageError
            The database refused, or another writer held it for 15 s.
        """
        with self._transaction(writes=True, durable=durable) as connection:
            yield connection

    @contextmanager
    def _transaction(
        self, *, writes: bool = False, durable: bool = True
    ) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                connection = connection.execution_options(writes=writes, durable=durable)
                with connection.begin():
                    yield connection
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            msg = f"The store could not be {'written' if writes else 'read'}: {cause}"
            raise StorageError(msg) from error

    def migrate(self) -> None:
        """Bring the schema up to date; does nothing when it is.

        Raises
        ------
        StorageError
            The database was made by a newer program.
        """
        if self._revision() == SCHEMA_REVISION:
            return
        with self.write() as connection:
            _upgrade(connection)

    def _revision(self) -> str | None:
        with self.read() as connection:
            return _revision_of(connection)

    def after_fork(self) -> None:
        """Leave the parent's connections alone; must be the first call in a forked process.

        The old pool is kept, never closed: SQLite must not even close what it inherited.
        """
        self._inherited.append(self._engine)
        self._engine = _make_engine(self._url)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _make_engine(url: str) -> sa.Engine:
    try:
        engine = sa.create_engine(
            url,
            pool_size=5,
            max_overflow=20,
            # as it reads, so that a search finds letters beyond ASCII
            json_serializer=lambda value: json.dumps(value, ensure_ascii=False),
        )
    except ImportError as error:
        msg = f"The database driver is not installed ({error}); install psycopg for PostgreSQL"
        raise StorageError(msg) from error
    if engine.dialect.name == "sqlite":
        Path(engine.url.database or "").parent.mkdir(parents=True, exist_ok=True)
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - DBAPI object
    connection.isolation_level = None  # transactions are ours, not the driver's
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "foreign_keys=ON",
        f"journal_size_limit={JOURNAL_LIMIT_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("writes", False):
        connection.exec_driver_sql("BEGIN")
        return
    durability = "FULL" if options.get("durable", True) else "NORMAL"
    connection.exec_driver_sql(f"PRAGMA synchronous={durability}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _revision_of(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def _upgrade(connection: sa.Connection) -> None:
    """Apply the missing migrations under the write lock; the second of two does nothing."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # nobody needs its every step
    from alembic import command  # 0.3 s of imports that only an outdated store needs
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    found = _revision_of(connection)
    if found is not None and found not in known:
        msg = (
            f"The store has schema revision {found}, this program knows {SCHEMA_REVISION}; "
            "install the newer version of the program or use another MONITOR_DATA_DIR"
        )
        raise StorageError(msg)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
