"""The connection that writes to PostgreSQL: does the commands of a script, and is made anew whenever it broke."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import asyncpg

from app.storage.errors import NotStorable, OutcomeUnknown, StorageAway, StorageReadOnly
from app.storage.postgres import CHANNEL, DRIVER_ERRORS, Prepared, connect, from_postgres
from app.storage.records import Change
from app.storage.sqlite import Durability
from app.storage.statement import EMPTY, Answer, InsertRows, Query, Tell
from app.storage.transactions import Begin, Commit, RollBack, Script, TransactionCommand

_RETRY_CONNECT_S = 0.1
# A server that takes no writes may be a standby, and the address that of another one by now. Not oftener than this.
_LOOK_FOR_PRIMARY_S = 1.0
# PostgreSQL refuses notifications of 8000 bytes and more.
_MOST_BYTES = 7_500

_NAME = "SELECT CAST(pg_current_xact_id() AS TEXT)"
_FATE = "SELECT pg_xact_status(CAST($1::TEXT AS xid8))"


class PostgresSession:
    """The writer's connection. A statement that has no answer after ``timeout_s`` seconds is as a broken connection."""

    def __init__(self, url: str, server_id: str, durability: Durability, patience_s: float, timeout_s: float) -> None:
        self._url = url
        self._server_id = server_id
        self._durability = durability
        self._patience_s = patience_s
        self._timeout_s = timeout_s
        self._connection: Any = None
        self._prepared: Prepared | None = None
        self._connected_at = 0.0
        self._changes: list[Change] = []
        # What PostgreSQL calls the transaction that has begun: after a broken connection it can be asked for its fate.
        self._transaction: str | None = None
        # What it inserted first: rows that nobody else can have inserted.
        self._inserted: InsertRows | None = None

    async def connect(self) -> None:
        """Connect, trying again for a bounded time. Raises `StorageError`."""
        until = time.monotonic() + self._patience_s
        while True:
            try:
                self._connection = await connect(self._url, self._timeout_s)
                self._prepared = Prepared(self._connection)
                self._connected_at = time.monotonic()
                return
            except StorageAway:
                if time.monotonic() >= until:
                    raise
                await asyncio.sleep(_RETRY_CONNECT_S)

    async def close(self) -> None:
        """End the connection."""
        await self._drop()

    async def run(self, script: Script) -> None:
        """Do the script to its end."""
        try:
            command = next(script)
            while True:
                try:
                    answer = await self._perform(command)
                except Exception as failure:  # the script knows whose it is
                    command = script.throw(failure)
                else:
                    command = script.send(answer)
        except StopIteration:
            return

    async def _perform(self, command: TransactionCommand) -> Answer:
        if isinstance(command, Tell):
            self._changes += command.changes
            return EMPTY
        if isinstance(command, Begin):
            await self._begin(command)
            return EMPTY
        if self._connection is None or self._prepared is None:
            if isinstance(command, RollBack):
                return EMPTY
            raise StorageAway
        try:
            if isinstance(command, Query | InsertRows):
                return await self._do(self._prepared, command)
            if isinstance(command, Commit):
                await self._commit()
            else:
                await self._connection.execute("ROLLBACK")
        except (UnicodeEncodeError, OverflowError) as failure:  # lone surrogates; a number beyond 64 bits
            raise NotStorable(f"the database cannot hold the value: {type(failure).__name__}") from failure
        except DRIVER_ERRORS as failure:
            told = from_postgres(failure)
            if isinstance(told, StorageAway) or self._may_be_elsewhere(told):
                await self._drop()
                if isinstance(command, RollBack):
                    return EMPTY
            raise told from failure
        return EMPTY

    async def _do(self, prepared: Prepared, command: Query | InsertRows) -> Answer:
        if isinstance(command, InsertRows):
            answer = await prepared.insert(command)
            self._inserted = self._inserted or command
        else:
            answer = await prepared.query(command)
            if not command.statement.names_transaction:
                return answer
        self._transaction = answer.rows[0][-1]
        return answer

    async def _begin(self, begin: Begin) -> None:
        self._changes, self._transaction, self._inserted = [], None, None
        waits = begin.durable and self._durability is Durability.FULL
        text = f"BEGIN; SET LOCAL synchronous_commit = {'on' if waits else 'off'}"
        for last in (False, True):
            if self._connection is None or self._connection.is_closed():
                await self.connect()
            try:
                await self._connection.execute(text)
                return
            except DRIVER_ERRORS as failure:
                told = from_postgres(failure)
                await self._drop()
                # A connection that broke while nothing was asked shows it only now.
                if last or not isinstance(told, StorageAway):
                    raise told from failure

    async def _commit(self) -> None:
        transaction = self._transaction or await self._connection.fetchval(_NAME)
        told = [f"NOTIFY {CHANNEL}, {_quoted(payload)}; " for payload in _payloads(self._server_id, self._changes)]
        try:
            # In one message: nothing of the transaction but its end is left to wait for.
            await self._connection.execute(f"{''.join(told)}COMMIT")
        except DRIVER_ERRORS as failure:
            if not isinstance(from_postgres(failure), StorageAway):
                raise
            await self._drop()
            if not await self._was_committed(transaction):
                raise

    async def _was_committed(self, transaction: str) -> bool:
        """Ask the database what became of a transaction. Raises `OutcomeUnknown` when it cannot say, or not in time.

        That the transaction of this name was committed proves nothing by itself: a database that crashes before
        anything of a transaction was on its disk gives the name to another one.
        """
        proof = _proof_of(self._inserted) if self._inserted is not None else None
        until = time.monotonic() + self._patience_s
        while time.monotonic() < until:
            try:
                await self.connect()
                fate = await self._connection.fetchval(_FATE, transaction)
                if fate == "committed" and proof is not None:
                    question, parameters = proof
                    return bool(await self._connection.fetchval(question, *parameters))
            except asyncpg.InvalidParameterValueError:  # a name that was not given away yet: ours is lost
                return False
            except (StorageAway, *DRIVER_ERRORS):
                await self._drop()
                continue
            if fate == "aborted":
                return False
            if fate != "in progress":
                break
            await asyncio.sleep(_RETRY_CONNECT_S)
        raise OutcomeUnknown

    def _may_be_elsewhere(self, failure: Exception) -> bool:
        """Return whether a new connection might find a database that takes writes."""
        old = time.monotonic() >= self._connected_at + _LOOK_FOR_PRIMARY_S
        return old and isinstance(failure, StorageReadOnly)

    async def _drop(self) -> None:
        connection, self._connection, self._prepared = self._connection, None, None
        if connection is not None:
            connection.terminate()


def _proof_of(inserted: InsertRows) -> tuple[str, Sequence[Any]] | None:
    """Return the question whether the first row is there, and its parameters; None if none was inserted."""
    return next((insert.look_on_postgres(rows[0]) for insert, rows in inserted.tables.items() if rows), None)


def _payloads(server_id: str, changes: Sequence[Change]) -> list[str]:
    """Return the notifications that tell of the changes, as few as their length allows."""
    payloads: list[str] = []
    some: list[str] = []
    size = 0
    for change in changes:
        text = _encode_change(change)
        if some and size + len(text.encode()) > _MOST_BYTES:
            payloads.append(_payload(server_id, some))
            some, size = [], 0
        some.append(text)
        size += len(text.encode()) + 1
    return [*payloads, _payload(server_id, some)] if some else payloads


def _encode_change(change: Change) -> str:
    row = (change.job_id, change.kind, change.plugin, change.status, dict(change.data))
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    # What is too long to tell can be looked up.
    return text if len(text.encode()) <= _MOST_BYTES else json.dumps((*row[:4], {}))


def _payload(server_id: str, changes: Sequence[str]) -> str:
    return f'["{server_id}",[{",".join(changes)}]]'


def _quoted(text: str) -> str:
    # Backslashes stand for themselves: the connection's settings say so.
    return "'" + text.replace("'", "''") + "'"
