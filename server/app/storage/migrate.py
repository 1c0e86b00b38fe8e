"""Bring a database's schema up to date: ``upgrade(url)``, or ``python -m app.storage.migrate URL [REVISION]``."""

import asyncio
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, exc, func, inspect, pool, select

from app.storage.errors import SchemaTooNew, StorageError, from_sqlite

T = TypeVar("T")

_MIGRATIONS = Path(__file__).parent / "migrations"
_FOR_WRITING = "sightgate_for_writing"
# The key of the advisory lock that migrations hold on PostgreSQL: "sightgate" as a number.
_LOCK = int.from_bytes(b"sightgat") & (1 << 62) - 1


def is_postgres(url: str) -> bool:
    """Return whether the URL names a PostgreSQL database."""
    return url.startswith(("postgresql://", "postgres://"))


def head() -> str:
    """Return the newest revision's id."""
    return max(file.name for file in (_MIGRATIONS / "versions").glob("[0-9]*_*.py")).partition("_")[0]


def current(url: str) -> str | None:
    """Return the revision that the database is at, or None when it has none yet. Not on a running event loop."""
    if is_postgres(url):
        return asyncio.run(_on_postgres(url, _present))
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            return _present(connection)
    finally:
        engine.dispose()


def upgrade(url: str, revision: str = "head") -> None:
    """Run what is missing up to ``revision``, in one transaction: all of it or nothing. Not on a running event loop.

    A database that is there already is only read. Raises `SchemaTooNew` for a revision that this version does not
    know, and `StorageError` when the database cannot be read or written.
    """
    try:
        if is_postgres(url):
            asyncio.run(_on_postgres(url, lambda connection: _upgrade(connection, revision)))
        else:
            _upgrade_sqlite(url, revision)
    except exc.DBAPIError as failure:
        if isinstance(failure.orig, sqlite3.Error):
            raise from_sqlite(failure.orig) from failure
        raise StorageError(f"the migration failed: {type(failure.orig).__name__}") from failure


def _upgrade_sqlite(url: str, revision: str) -> None:
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            present = _present(connection)
        if present == (head() if revision == "head" else revision):
            return
        # Locked before Alembic looks, so that of two processes one waits and then finds nothing to do.
        with engine.execution_options(**{_FOR_WRITING: True}).begin() as connection:
            _upgrade(connection, revision)
    finally:
        engine.dispose()


async def _on_postgres(url: str, function: Callable[[Connection], T]) -> T:
    """Return what ``function`` returns, called in a transaction that no other server's migration runs beside."""
    # Imported here: whoever uses SQLite does without the driver, and without SQLAlchemy's ORM, which comes with it.
    from sqlalchemy.ext.asyncio import create_async_engine

    from app.storage.postgres import connect

    engine = create_async_engine("postgresql+asyncpg://", poolclass=pool.NullPool, async_creator=lambda: connect(url))
    try:
        async with engine.begin() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            return await connection.run_sync(function)
    finally:
        await engine.dispose()


def _present(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _upgrade(connection: Connection, revision: str) -> None:
    # Imported here: a database that is up to date, as at nearly every start, needs no Alembic.
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as failure:
        raise SchemaTooNew from failure


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
