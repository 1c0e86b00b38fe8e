"""Bring a database's schema up to date: ``upgrade(url)``, or ``python -m app.storage.migrate URL [REVISION]``."""

import sqlite3
import sys
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, exc, pool

from app.storage.errors import SchemaTooNew, StorageError, from_sqlite

_FOR_WRITING = "sightgate_for_writing"


def head() -> str:
    """Return the newest revision's id."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None, "the package holds no migrations"
    return found


def current(url: str) -> str | None:
    """Return the revision that the database is at, or None when it has none yet."""
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def upgrade(url: str, revision: str = "head") -> None:
    """Run what is missing up to ``revision``, in one transaction: all of it or nothing.

    A database that is there already is only read. Raises `SchemaTooNew` for a revision that this version does not
    know, and `StorageError` when the database cannot be read or written.
    """
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            present = MigrationContext.configure(connection).get_current_revision()
        if present == (head() if revision == "head" else revision):
            return
        # Locked before Alembic looks, so that of two processes one waits and then finds nothing to do.
        with engine.execution_options(**{_FOR_WRITING: True}).begin() as connection:
            command.upgrade(_config(connection), revision)
    except CommandError as failure:
        raise SchemaTooNew from failure
    except exc.DBAPIError as failure:
        if isinstance(failure.orig, sqlite3.Error):
            raise from_sqlite(failure.orig) from failure
        raise StorageError(f"the migration failed: {type(failure.orig).__name__}") from failure
    finally:
        engine.dispose()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _engine(url: str) -> Engine:
    engine = create_engine(url, poolclass=pool.NullPool)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", _begin)
    return engine


def _leave_transactions_to_us(connection: Any, _record: object) -> None:
    # Python's driver opens no transaction before DDL, so half a migration would stay behind.
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get(_FOR_WRITING)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python -m app.storage.migrate URL [REVISION]")
    upgrade(*sys.argv[1:])
