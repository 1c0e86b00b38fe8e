"""Writing to PostgreSQL in groups, on the event loop: one transaction for all that has come in meanwhile.

It outlives the database: when that is away, or takes nothing, it waits a bounded time, then fails what is awaited and
keeps the rest.
"""

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Sequence
from functools import partial

from app.storage.errors import (
    OutcomeUnknown,
    StorageAway,
    StorageBacklog,
    StorageClosed,
    StorageError,
    StorageFailing,
    StorageFull,
    StorageLocked,
    StorageReadOnly,
)
from app.storage.kept_operations import AGAIN_S, KeptOperations
from app.storage.lost_records import LostRecords
from app.storage.operations import Operation
from app.storage.postgres_session import PostgresSession
from app.storage.sqlite import Durability
from app.storage.transactions import Plan, run_group

# More are left to the next transaction: none is so long that a database which works looks like one that hangs.
_MOST_TOGETHER = 1_000
# The database's own state, whatever was asked of it.
_PASSING = (StorageAway, StorageFailing, StorageFull, StorageLocked, StorageReadOnly)

_log = logging.getLogger(__name__)


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
        timeout_s: float,
    ) -> None:
        self._plan = plan
        self._session = PostgresSession(url, server_id, durability, patience_s, timeout_s)
        self._timeout_s = timeout_s
        self._linger_s = linger_s
        self._max_backlog = max_backlog
        self._queue: deque[Operation] = deque()
        self._kept = KeptOperations(_MOST_TOGETHER)
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
        if self._closing or self._loop is None or self._has_backlog():
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
        if sheddable and self._has_backlog():
            raise StorageBacklog
        operation.waiter = self._loop.create_future()
        self._queue.append(operation)
        self._hurry.set()
        self._work.set()
        late = self._loop.call_later(self._timeout_s, self._give_up, operation)
        try:
            return await operation.waiter
        finally:
            late.cancel()

    def _give_up(self, operation: Operation) -> None:
        """Fail an operation that has waited for its turn too long. One that was begun has the session's own limits."""
        with contextlib.suppress(ValueError):
            self._queue.remove(operation)
            operation.failure = StorageAway()
            self._tell([operation])

    def idle(self) -> bool:
        """Return whether all that was handed over so far is committed."""
        return not self._queue and not self._kept and not self._busy

    def _has_backlog(self) -> bool:
        return len(self._queue) + len(self._kept) >= self._max_backlog

    async def _serve(self) -> None:
        while True:
            await self._wait()
            closing = self._closing
            operations = self._take(closing)
            self._busy = True
            works = bool(operations) and await self._commit(operations)
            if self._kept and (works or self._kept.due):
                await self._commit_kept()
            self._busy = False
            if closing and not self._queue:
                return

    async def _wait(self) -> None:
        """Wait for work, which may be to try again what was kept, and a little for more to do together."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_S if self._kept else None):
                await self._work.wait()
        if self._linger_s and not self._hurry.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._linger_s):
                    await self._hurry.wait()
        self._hurry.clear()
        self._work.clear()

    def _take(self, closing: bool) -> list[Operation]:
        """Return what to do now: all, in its order, when this is the last chance."""
        if closing:
            self._queue.extendleft(reversed(self._kept.take_all()))
        operations = [self._queue.popleft() for _ in range(min(len(self._queue), _MOST_TOGETHER))]
        if self._queue:
            self._hurry.set()
            self._work.set()
        return self._kept.hold_back(operations)

    async def _commit_kept(self) -> None:
        await self._commit(self._kept.take(), again=True)
        if self._kept.tried():
            self._work.set()

    async def _commit(self, operations: list[Operation], *, again: bool = False) -> bool:
        """Do them together, or each for itself, and tell what came of each. Return whether any was done."""
        try:
            await self._session.run(run_group(operations, self._plan))
        except Exception:  # a fault of ours: the task lives on, and nobody waits for ever
            _log.exception("the storage writer met a fault of its own")
            for operation in operations:
                operation.failure = operation.failure or StorageError("the store met a fault of its own")
        works = any(operation.failure is None for operation in operations)
        self._tell(operations, again=again)
        return works

    def _tell(self, operations: Sequence[Operation], *, again: bool = False) -> None:
        for operation in operations:
            if operation.waiter is not None:
                _resolve(operation)
        lost = self._kept.keep(operations, partial(self._may_wait, again), again=again)
        if lost:
            self._losses.add(len(lost), lost[0])

    def _may_wait(self, again: bool, failure: Exception) -> bool:
        """Return whether what nobody awaits is kept until the database takes it."""
        passing = isinstance(failure, _PASSING) and not isinstance(failure, OutcomeUnknown)
        return passing and not self._closing and (again or not self._has_backlog())

    def _refuse_rest(self) -> None:
        rest, self._queue = [*self._kept.take_all(), *self._queue], deque()
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
