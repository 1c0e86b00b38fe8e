"""One thread that does all writing, in groups: one transaction for all that has come in meanwhile.

Callers hand over an `Operation` and go on (`put`), or await its outcome (`call`). What nobody awaits may lie for
``linger_s`` so that more comes together; what somebody awaits is committed at once. When a group fails, its operations
are done again one by one, each in its own transaction, so that one bad operation fails alone.
"""

import asyncio
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from app.governance.job_lifecycle import IllegalTransition
from app.storage.errors import JobMissing, StorageBacklog, StorageClosed, StorageError, from_sqlite
from app.storage.sqlite import Durability, set_durability

_REPORT_EVERY_S = 1.0

_log = logging.getLogger(__name__)


class Operation:
    """One thing asked of the writer. Its outcome is ``result``, or ``failure`` if that is set."""

    __slots__ = ("durable", "failure", "result", "waiter")

    def __init__(self, durable: bool = False) -> None:
        self.durable = durable
        self.waiter: asyncio.Future[object] | None = None
        self.result: object = None
        self.failure: Exception | None = None


class Unit(Protocol):
    """One or more operations that are executed together, within a transaction that the writer has begun."""

    @property
    def operations(self) -> Sequence[Operation]:
        """Whose outcome this is."""

    def execute(self, connection: sqlite3.Connection) -> None:
        """Do it, and set each operation's ``result``. Called again, in another transaction, if the first failed."""

    def apart(self) -> Iterable["Unit"]:
        """Return the smallest units that mean the same."""


Plan = Callable[[Sequence[Operation]], Sequence[Unit]]


class GroupCommitWriter:
    """The writer thread. ``lost`` counts operations that failed and that nobody awaited."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        plan: Plan,
        *,
        durability: Durability,
        linger_s: float,
        max_backlog: int,
    ) -> None:
        self.lost = 0
        self._connect = connect
        self._plan = plan
        self._durability = durability
        self._linger_s = linger_s
        self._max_backlog = max_backlog
        self._queue: deque[Operation] = deque()
        self._work = threading.Event()
        self._hurry = threading.Event()
        self._busy = False
        self._closing = False
        self._closed = False
        self._gate = threading.Lock()
        self._reported = 0
        self._next_report = 0.0
        self._opened: threading.Event = threading.Event()
        self._failure: StorageError | None = None
        self._thread = threading.Thread(target=self._run, name="storage-writer", daemon=True)

    def start(self) -> None:
        """Start the thread and wait until it has its connection. Raises `StorageError` when it cannot have one."""
        self._thread.start()
        self._opened.wait()
        if self._failure:
            raise self._failure

    def stop(self) -> None:
        """Commit all that was handed over, and end the thread. Blocks."""
        self._closing = True
        self._hurry.set()
        self._work.set()
        if self._thread.ident is not None:
            self._thread.join()
        else:  # it was never started
            self._closed = True
            self._refuse_rest()

    def put(self, operation: Operation) -> None:
        """Hand over what nobody awaits. Never blocks and never raises; a refusal is counted as lost."""
        if self._closing or len(self._queue) >= self._max_backlog:
            self._count_lost(1, StorageClosed() if self._closing else StorageBacklog())
            return
        self._queue.append(operation)
        if not self._work.is_set():
            self._work.set()
        if self._closed:  # the thread ended between the check and the append
            self._refuse_rest()

    async def call(self, operation: Operation, *, sheddable: bool = False) -> object:
        """Hand over and wait for the commit. Raises what the operation failed with.

        ``sheddable``: refuse it with `StorageBacklog` when too much waits.
        """
        if self._closing:
            raise StorageClosed
        if sheddable and len(self._queue) >= self._max_backlog:
            raise StorageBacklog
        operation.waiter = asyncio.get_running_loop().create_future()
        self._queue.append(operation)
        self._hurry.set()
        self._work.set()
        if self._closed:
            self._refuse_rest()
        return await operation.waiter

    def idle(self) -> bool:
        """Return whether all that was handed over so far is committed."""
        # In this order: the thread says that it is busy before it takes from the queue.
        return not self._queue and not self._busy

    def _run(self) -> None:
        try:
            connection = self._connect()
        except sqlite3.Error as failure:
            self._failure = from_sqlite(failure)
            self._closing = self._closed = True
            return
        finally:
            self._opened.set()
        try:
            self._serve(connection)
        finally:
            self._closing = self._closed = True
            self._refuse_rest()
            connection.close()

    def _serve(self, connection: sqlite3.Connection) -> None:
        transactions = _Transactions(connection, self._durability)
        while True:
            self._work.wait()
            if self._linger_s:
                self._hurry.wait(self._linger_s)
            # Cleared before taking: what comes in from now on sets them again.
            self._hurry.clear()
            self._work.clear()
            closing = self._closing
            self._busy = True
            operations = self._take()
            if operations:
                self._commit(transactions, operations)
            self._busy = False
            if closing and not self._queue:
                return

    def _take(self) -> list[Operation]:
        return [self._queue.popleft() for _ in range(len(self._queue))]

    def _commit(self, transactions: "_Transactions", operations: list[Operation]) -> None:
        try:
            transactions.run(operations, self._plan)
        except Exception:  # a fault of ours: the thread lives on, and nobody waits for ever
            _log.exception("the storage writer met a fault of its own")
            for operation in operations:
                operation.failure = operation.failure or StorageError("the store met a fault of its own")
        self._tell(operations)

    def _refuse_rest(self) -> None:
        with self._gate:
            rest = self._take()
        for operation in rest:
            operation.failure = StorageClosed()
        self._tell(rest)

    def _tell(self, operations: list[Operation]) -> None:
        lost = [operation.failure for operation in operations if operation.failure and operation.waiter is None]
        if lost:
            self._count_lost(len(lost), lost[0])
        _answer(operations)

    def _count_lost(self, count: int, reason: Exception) -> None:
        # At most one line a second: a full disk loses thousands, and the log may lie on it too.
        with self._gate:
            self.lost += count
            if time.monotonic() < self._next_report:
                return
            self._next_report = time.monotonic() + _REPORT_EVERY_S
            since, self._reported = self.lost - self._reported, self.lost
        _log.error("%d records were not stored: %s", since, reason, exc_info=reason)


class _Transactions:
    """Runs groups of operations on a connection, and knows what its commits wait for."""

    def __init__(self, connection: sqlite3.Connection, durability: Durability) -> None:
        self._connection = connection
        self._durable = durability
        self._current = Durability.NORMAL

    def run(self, operations: Sequence[Operation], plan: Plan) -> None:
        """Set the outcome of each operation. Never raises for what an operation or the disk can do."""
        units = plan(operations)
        failure = self._attempt(units)
        if failure is None:
            return
        apart = [single for unit in units for single in unit.apart()]
        for index, unit in enumerate(apart):
            for operation in unit.operations:
                operation.failure = None  # a refusal of the first attempt may not hold now
            alone = failure if len(apart) == 1 else self._attempt([unit])
            if alone is None:
                continue
            _fail([unit], alone)
            if isinstance(alone, _CannotBegin):  # it waited long enough for all of them
                _fail(apart[index + 1 :], alone)
                return

    def _attempt(self, units: Sequence[Unit]) -> Exception | None:
        """Run the units in one transaction. Return why nothing of it was kept, or None."""
        try:
            self._roll_back()
            self._begin(units)
        except sqlite3.Error as failure:
            return _CannotBegin(failure)
        try:
            for unit in units:
                _execute(unit, self._connection)
            self._connection.execute("COMMIT")
        except Exception as failure:  # whatever it is, it is the unit's outcome
            self._roll_back()
            return failure
        return None

    def _begin(self, units: Sequence[Unit]) -> None:
        durable = any(operation.durable for unit in units for operation in unit.operations)
        wanted = self._durable if durable else Durability.NORMAL
        if wanted is not self._current:
            set_durability(self._connection, wanted)
            self._current = wanted
        self._connection.execute("BEGIN IMMEDIATE")

    def _roll_back(self) -> None:
        # Some failures (disk full, I/O error) have rolled back already.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


class _CannotBegin(Exception):
    """No transaction could be begun: the database is locked, read-only or gone."""

    def __init__(self, cause: sqlite3.Error) -> None:
        self.cause = cause


def _execute(unit: Unit, connection: sqlite3.Connection) -> None:
    try:
        unit.execute(connection)
    except (IllegalTransition, JobMissing) as refusal:
        # Raised when an UPDATE matched no row: nothing has changed, the rest of the group is not concerned.
        _fail([unit], refusal)


def _fail(units: Sequence[Unit], failure: Exception) -> None:
    if isinstance(failure, _CannotBegin):
        failure = failure.cause
    if isinstance(failure, sqlite3.Error):
        told: Exception = from_sqlite(failure)
        told.__cause__ = failure
    else:
        told = failure
    for unit in units:
        for operation in unit.operations:
            operation.failure = told


def _answer(operations: Iterable[Operation]) -> None:
    """Resolve the waiters: one wake-up for each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Operation]] = {}
    for operation in operations:
        if operation.waiter is not None:
            by_loop.setdefault(operation.waiter.get_loop(), []).append(operation)
    for loop, waited_for in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, waited_for)
        except RuntimeError:  # the loop was closed; nobody waits there any more
            _log.warning("an event loop was closed before the store could answer it")


def _resolve(operations: Iterable[Operation]) -> None:
    for operation in operations:
        waiter = operation.waiter
        if waiter is None or waiter.done():
            continue
        if operation.failure:
            waiter.set_exception(operation.failure)
        else:
            waiter.set_result(operation.result)
