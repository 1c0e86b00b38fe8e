"""Writing to PostgreSQL in groups, on the event loop: one transaction for all that has come in meanwhile.

It outlives the database: when that is away, it waits a bounded time, then fails what is awaited and keeps the rest.
"""

import asyncio
import contextlib
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from app.storage.errors import (
    NotStorable,
    OutcomeUnknown,
    StorageAway,
    StorageBacklog,
    StorageClosed,
    StorageError,
)
from app.storage.lost_records import LostRecords
from app.storage.operations import Operation
from app.storage.postgres import CHANNEL, DRIVER_ERRORS, Prepared, connect, from_postgres
from app.storage.records import Change
from app.storage.sqlite import Durability
from app.storage.statement import EMPTY, Answer, InsertRows, Query, Tell
from app.storage.transactions import Begin, Commit, Plan, RollBack, Script, TransactionCommand, run_group

_RETRY_CONNECT_S = 0.1
# PostgreSQL refuses notifications of 8000 bytes and more.
_MOST_BYTES = 7_500

_log = logging.getLogger(__name__)

# Its own id, so that after a broken connection the database can be asked whether it was committed.
_TELL_AND_NAME = (
    "SELECT CAST(pg_current_xact_id() AS TEXT),"
    f" (SELECT count(pg_notify('{CHANNEL}', payload)) FROM unnest($1::TEXT[]) AS payload)"
)
_FATE = "SELECT pg_xact_status(CAST($1::TEXT AS xid8))"


class PostgresWriter:
    """The one task that writes. It belongs to the loop on which `start` was called; `put` may come from any thread."""

    def __init__(
        self,
        url: str,
        plan: Plan,
        *,
        server_id: str,
        durability: Durability,
        linger_s: float,
        max_backlog: int,
        patience_s: float,
    ) -> None:
        self._url = url
        self._plan = plan
        self._session = _Session(url, server_id, durability, patience_s)
        self._linger_s = linger_s
        self._max_backlog = max_backlog
        self._queue: deque[Operation] = deque()
        self._losses = LostRecords()
        self._work = asyncio.Event()
        self._hurry = asyncio.Event()
        self._busy = False
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def lost(self) -> int:
        """How many operations failed that nobody awaited."""
        return self._losses.count

    async def start(self) -> None:
        """Connect and begin to serve. Raises `StorageError`."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        await self._session.connect()
        self._task = self._loop.create_task(self._serve())

    async def stop(self) -> None:
        """Commit all that was handed over, if the database lets us, and end."""
        self._closing = True
        self._hurry.set()
        self._work.set()
        if self._task is not None:
            await self._task
        self._refuse_rest()
        await self._session.close()

    def put(self, operation: Operation) -> None:
        """Hand over what nobody awaits. Never blocks and never raises; a refusal is counted as lost."""
        if self._closing or self._loop is None or len(self._queue) >= self._max_backlog:
            closed = self._closing or self._loop is None
            self._losses.add(1, StorageClosed() if closed else StorageBacklog())
            return
        self._queue.append(operation)
        if threading.get_ident() == self._thread:
            self._work.set()
        else:
            with contextlib.suppress(RuntimeError):  # the loop was closed
                self._loop.call_soon_threadsafe(self._work.set)

    async def call(self, operation: Operation, *, sheddable: bool = False) -> object:
        """Hand over and wait for the commit. Raises what the operation failed with."""
        if self._closing or self._loop is None:
            raise StorageClosed
        if sheddable and len(self._queue) >= self._max_backlog:
            raise StorageBacklog
        operation.waiter = self._loop.create_future()
        self._queue.append(operation)
        self._hurry.set()
        self._work.set()
        return await operation.waiter

    def idle(self) -> bool:
        """Return whether all that was handed over so far is committed."""
        return not self._queue and not self._busy

    async def _serve(self) -> None:
        while True:
            await self._work.wait()
            if self._linger_s and not self._hurry.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._linger_s):
                        await self._hurry.wait()
            self._hurry.clear()
            self._work.clear()
            closing = self._closing
            operations = [self._queue.popleft() for _ in range(len(self._queue))]
            if operations:
                self._busy = True
                await self._commit(operations)
                self._busy = False
            if closing and not self._queue:
                return

    async def _commit(self, operations: list[Operation]) -> None:
        try:
            await self._session.run(run_group(operations, self._plan))
        except Exception:  # a fault of ours: the task lives on, and nobody waits for ever
            _log.exception("the storage writer met a fault of its own")
            for operation in operations:
                operation.failure = operation.failure or StorageError("the store met a fault of its own")
        self._tell(operations)

    def _tell(self, operations: Sequence[Operation]) -> None:
        kept: list[Operation] = []
        lost: list[Exception] = []
        for operation in operations:
            if operation.waiter is not None:
                _resolve(operation)
            elif operation.failure is not None:
                if self._may_wait(operation.failure):
                    kept.append(operation)
                else:
                    lost.append(operation.failure)
        for operation in reversed(kept):
            operation.failure = None
            self._queue.appendleft(operation)
        if kept:
            self._work.set()
        if lost:
            self._losses.add(len(lost), lost[0])

    def _may_wait(self, failure: Exception) -> bool:
        """Return whether what nobody awaits is kept until the database is back."""
        away = isinstance(failure, StorageAway) and not isinstance(failure, OutcomeUnknown)
        return away and not self._closing and len(self._queue) < self._max_backlog

    def _refuse_rest(self) -> None:
        rest, self._queue = list(self._queue), deque()
        for operation in rest:
            operation.failure = StorageClosed()
        self._tell(rest)


def _resolve(operation: Operation) -> None:
    waiter = operation.waiter
    if waiter is None or waiter.done():
        return
    if operation.failure is not None:
        waiter.set_exception(operation.failure)
    else:
        waiter.set_result(operation.result)


class _Session:
    """The writer's connection, made anew whenever it broke."""

    def __init__(self, url: str, server_id: str, durability: Durability, patience_s: float) -> None:
        self._url = url
        self._server_id = server_id
        self._durability = durability
        self._patience_s = patience_s
        self._connection: Any = None
        self._prepared: Prepared | None = None
        self._changes: list[Change] = []

    async def connect(self) -> None:
        """Connect, trying again for a bounded time. Raises `StorageError`."""
        until = time.monotonic() + self._patience_s
        while True:
            try:
                self._connection = await connect(self._url)
                self._prepared = Prepared(self._connection)
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
            if isinstance(command, Query):
                return await self._prepared.query(command)
            if isinstance(command, InsertRows):
                return await self._prepared.insert(command)
            if isinstance(command, Commit):
                await self._commit()
            else:
                await self._connection.execute("ROLLBACK")
        except (UnicodeEncodeError, OverflowError) as failure:  # lone surrogates; a number beyond 64 bits
            raise NotStorable(f"the database cannot hold the value: {type(failure).__name__}") from failure
        except DRIVER_ERRORS as failure:
            told = from_postgres(failure)
            if isinstance(told, StorageAway):
                await self._drop()
                if isinstance(command, RollBack):
                    return EMPTY
            raise told from failure
        return EMPTY

    async def _begin(self, begin: Begin) -> None:
        self._changes = []
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
        payloads = _payloads(self._server_id, self._changes)
        connection = self._connection
        transaction = (await connection.fetchrow(_TELL_AND_NAME, payloads))[0]
        try:
            await connection.execute("COMMIT")
        except DRIVER_ERRORS as failure:
            if not isinstance(from_postgres(failure), StorageAway):
                raise
            await self._drop()
            if not await self._was_committed(transaction):
                raise

    async def _was_committed(self, transaction: str) -> bool:
        """Ask the database what became of a transaction. Raises `OutcomeUnknown` when it does not say in time."""
        until = time.monotonic() + self._patience_s
        while time.monotonic() < until:
            try:
                await self.connect()
                fate = await self._connection.fetchval(_FATE, transaction)
            except (StorageAway, *DRIVER_ERRORS):
                await self._drop()
                continue
            if fate != "in progress":
                return bool(fate == "committed")
            await asyncio.sleep(_RETRY_CONNECT_S)
        raise OutcomeUnknown

    async def _drop(self) -> None:
        connection, self._connection, self._prepared = self._connection, None, None
        if connection is not None:
            connection.terminate()


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
