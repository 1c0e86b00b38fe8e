"""Writing to PostgreSQL in groups, on the event loop: one transaction for all that has come in meanwhile.

It outlives the database: when that is away, it waits a bounded time, then fails what is awaited and keeps the rest.
"""

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Sequence

from app.storage.errors import OutcomeUnknown, StorageAway, StorageBacklog, StorageClosed, StorageError
from app.storage.lost_records import LostRecords
from app.storage.operations import Operation
from app.storage.postgres_session import PostgresSession
from app.storage.sqlite import Durability
from app.storage.transactions import Plan, run_group

# More are left to the next transaction: none is so long that a database which works looks like one that hangs.
_MOST_TOGETHER = 1_000

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
            operations = [self._queue.popleft() for _ in range(min(len(self._queue), _MOST_TOGETHER))]
            if self._queue:
                self._hurry.set()
                self._work.set()
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
