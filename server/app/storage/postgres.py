"""Connections to PostgreSQL, and what its errors mean."""

import asyncio
from typing import Any

import asyncpg

from app.storage.errors import (
    JobExists,
    NotStorable,
    StorageAway,
    StorageError,
    StorageFailing,
    StorageFull,
    StorageLocked,
    StorageReadOnly,
    UnsupportedDatabase,
)
from app.storage.statement import Answer, Database, InsertRows, Query, Steps, inserts_on_postgres

# Changes are told to other servers here.
CHANNEL = "sightgate"

# Seconds.
CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 60.0
# For all of a read. One that looks at many rows may take longer, if the database answers at all.
READ_TIMEOUT_S = 5.0
LOCK_TIMEOUT_MS = 10_000

_KINDS: tuple[tuple[type[Exception], type[StorageError]], ...] = (
    (asyncpg.UniqueViolationError, JobExists),
    (asyncpg.IntegrityConstraintViolationError, NotStorable),
    (asyncpg.DataError, NotStorable),
    (asyncpg.exceptions.UntranslatableCharacterError, NotStorable),
    (asyncpg.DiskFullError, StorageFull),
    (asyncpg.ReadOnlySQLTransactionError, StorageReadOnly),
    (asyncpg.DeadlockDetectedError, StorageLocked),
    (asyncpg.SerializationError, StorageLocked),
    (asyncpg.LockNotAvailableError, StorageLocked),
    (asyncpg.PostgresConnectionError, StorageAway),
    (asyncpg.OperatorInterventionError, StorageAway),  # it shuts down, starts up, or ended our connection
    (asyncpg.TooManyConnectionsError, StorageAway),
    (asyncpg.InvalidCachedStatementError, StorageAway),  # the schema changed: a new connection knows it
    (asyncpg.InternalClientError, StorageAway),
    (asyncpg.InterfaceError, StorageAway),
    (OSError, StorageAway),
    (TimeoutError, StorageAway),
    (EOFError, StorageAway),
)

# What the server is short of, or refuses this user, whatever was asked of it. It is named to the operator.
_FAILING = (
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)

_POOLER = "a pooler stands before the database that cannot be used: it keeps no sessions, or refuses our settings"

# What the driver may raise for what the database or the network does.
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, EOFError)


def from_postgres(failure: BaseException) -> StorageError:
    """Return the storage error that says what the driver's error means. It names no address and no credentials."""
    if _is_poolers(failure):
        return StorageFailing(_POOLER)
    for known, kind in _KINDS:
        if isinstance(failure, known):
            return kind()
    kind = StorageFailing if isinstance(failure, _FAILING) else StorageError
    return kind(f"the database failed: {type(failure).__name__}")


def _is_poolers(failure: BaseException) -> bool:
    """Return whether PgBouncer lost what a session had prepared, or knows a setting of ours not."""
    lost = isinstance(failure, asyncpg.InvalidSQLStatementNameError | asyncpg.DuplicatePreparedStatementError)
    return lost or (isinstance(failure, asyncpg.ProtocolViolationError) and "startup parameter" in str(failure))


async def connect(url: str, timeout_s: float = COMMAND_TIMEOUT_S) -> Any:
    """Return a connection that waits for an answer so many seconds. Raises `StorageError`."""
    # Whoever waits for a lock is told so before the database is taken for one that hangs.
    settings = SETTINGS | {"lock_timeout": str(min(LOCK_TIMEOUT_MS, round(timeout_s * 2000 / 3)))}
    try:
        return await asyncpg.connect(
            url, timeout=CONNECT_TIMEOUT_S, command_timeout=timeout_s, server_settings=settings
        )
    except DRIVER_ERRORS as failure:
        raise from_postgres(failure) from failure
    except (ValueError, OverflowError) as failure:  # a URL that cannot be read; its text may hold a password
        raise UnsupportedDatabase("the URL cannot be read; give postgresql://USER:PASSWORD@HOST/NAME") from failure


SETTINGS = {
    "application_name": "sightgate",
    # What a server that hangs or dies has locked is free again soon. Milliseconds.
    "idle_in_transaction_session_timeout": "30000",
    # In texts that are part of a statement, backslashes stand for themselves.
    "standard_conforming_strings": "on",
    # Statements of this size are planned in no time; compiling them takes longer than they do.
    "jit": "off",
}


async def read_steps(connection: Any, steps: Steps[Any], until: float) -> Any:
    """Do steps that only read, until a time of the loop's clock. Raises the driver's errors, TimeoutError."""
    try:
        command = next(steps)
        while True:
            assert isinstance(command, Query), "steps that read do nothing else"
            text, names = command.statement.on(Database.POSTGRES)
            rows = await connection.fetch(text, *(command.parameters[name] for name in names), timeout=left_s(until))
            command = steps.send(Answer(rows, len(rows)))
    except StopIteration as done:
        return done.value


def left_s(until: float) -> float:
    """Return the seconds until a time of the loop's clock. Raises TimeoutError if that has passed."""
    left = until - asyncio.get_running_loop().time()
    if left <= 0:
        raise TimeoutError
    return left


class Prepared:
    """A connection's statements, prepared once each: every one is then one round trip, and tells what it changed."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._statements: dict[str, Any] = {}

    async def query(self, query: Query) -> Answer:
        """Return the answer. Raises the driver's errors."""
        text, names = query.statement.on(Database.POSTGRES)
        statement = await self._prepare(text)
        rows = await statement.fetch(*(query.parameters[name] for name in names))
        return Answer(rows, _changed(statement.get_statusmsg()))

    async def insert(self, command: InsertRows) -> Answer:
        """Insert the rows, of all tables at once. The answer is the transaction's name. Raises the driver's errors."""
        tables = {insert: rows for insert, rows in command.tables.items() if rows}
        statement = await self._prepare(inserts_on_postgres(tuple(tables)))
        columns = [column for rows in tables.values() for column in zip(*rows, strict=True)]
        return Answer(await statement.fetch(*columns))

    async def _prepare(self, text: str) -> Any:
        found = self._statements.get(text)
        if found is None:
            found = self._statements[text] = await self._connection.prepare(text)
        return found


def _changed(status: str) -> int:
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0
