"""One thread that does all writing, in groups: one transaction for all that has come in meanwhile.

Callers hand over an `Operation` and go on (`put`), or await its outcome (`call`). What nobody awaits may lie for
``linger_s`` so that more comes together; what somebody awaits is committed at once. When a group fails, its operations
are done again one by one, each in its own transaction, so that one bad operation fails alone. While the database takes
nothing, what is awaited fails, and the rest is kept until it can be stored.
"""

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from app.storage.errors import (
    StorageBacklog,
    StorageClosed,
    StorageError,
    StorageFull,
    StorageLocked,
    StorageReadOnly,
    from_sqlite,
)
from app.storage.kept_operations import AGAIN_S, KeptOperations
from app.storage.lost_records import LostRecords
from app.storage.operations import Operation
from app.storage.sqlite import Durability, perform, set_durability
from app.storage.statement import EMPTY, Answer
from app.storage.transactions import Begin, Commit, Plan, RollBack, Script, TransactionCommand, run_group

# Of what is kept, so many are done in one transaction.
_MOST_TOGETHER = 1_000
# What is kept waits no longer for another process's lock: somebody may want to write meanwhile. Milliseconds.
_KEPT_BUSY_MS = 100
# The database's own state, whatever was asked of it.
_PASSING = (StorageFull, StorageLocked, StorageReadOnly)

_log = logging.getLogger(__name__)


class GroupCommitWriter:
    """The writer thread."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        plan: Plan,
        *,
        durability: Durability,
        linger_s: float,
        max_backlog: int,
    ) -> None:
        self._connect = connect
        self._plan = plan
        self._durability = durability
        self._linger_s = linger_s
        self._max_backlog = max_backlog
        self._queue: deque[Operation] = deque()
        self._kept = KeptOperations(_MOST_TOGETHER)
        self._work = threading.Event()
        self._hurry = threading.Event()
        self._busy = False
        self._closing = False
        self._last_chance = False
        self._closed = False
        self._gate = threading.Lock()
        self._losses = LostRecords()
        self._opened: threading.Event = threading.Event()
        self._failure: StorageError | None = None
        self._thread = threading.Thread(target=self._run, name="storage-writer", daemon=True)

    @property
    def lost(self) -> int:
        """How many operations failed that nobody awaited."""
        return self._losses.count

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
        if self._closing or self._has_backlog():
            self._losses.add(1, StorageClosed() if self._closing else StorageBacklog())
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
        if sheddable and self._has_backlog():
            raise StorageBacklog
        operation.waiter = asyncio.get_running_loop().create_future()
        self._queue.append(operation)
        self._hurry.set()
        self._work.set()
        if self._closed:
            self._refuse_rest()
        return await operation.waiter

    def idle(self) -> bool:
        """Return whether all that was handed over so far is committed, or kept until the database takes it.

        Who reads would otherwise wait for a write that cannot be made now.
        """
        # In this order: the thread says that it is busy before it takes from the queue.
        return not self._queue and not self._busy

    @property
    def keeps(self) -> bool:
        """Whether something is kept that could not be stored yet."""
        return bool(self._kept)

    def _has_backlog(self) -> bool:
        return len(self._queue) + len(self._kept) >= self._max_backlog

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
            self._closing = self._last_chance = self._closed = True
            self._refuse_rest()
            connection.close()

    def _serve(self, connection: sqlite3.Connection) -> None:
        transactions = _Transactions(connection, self._durability)
        while True:
            self._work.wait(AGAIN_S if self._kept else None)
            if self._linger_s:
                self._hurry.wait(self._linger_s)
            # Cleared before taking: what comes in from now on sets them again.
            self._hurry.clear()
            self._work.clear()
            closing = self._last_chance = self._closing
            self._busy = True
            operations = self._take(closing)
            works = bool(operations) and self._commit(transactions, operations)
            self._busy = False
            if self._kept and (works or self._kept.due):
                self._commit_kept(transactions)
            if closing and not self._queue:
                return

    def _take(self, closing: bool) -> list[Operation]:
        """Return what to do now: all, in its order, when this is the last chance."""
        operations = [self._queue.popleft() for _ in range(len(self._queue))]
        return [*self._kept.take_all(), *operations] if closing else self._kept.hold_back(operations)

    def _commit_kept(self, transactions: "_Transactions") -> None:
        """Try what was kept: the oldest alone, and the others when that could be stored."""
        with transactions.impatient():
            self._commit(transactions, self._kept.take(), again=True)
        if self._kept.tried() and self._kept:
            self._hurry.set()
            self._work.set()

    def _commit(self, transactions: "_Transactions", operations: list[Operation], *, again: bool = False) -> bool:
        """Do them together, or each for itself, and tell what came of each. Return whether any was done."""
        try:
            transactions.run(run_group(operations, self._plan))
        except Exception:  # a fault of ours: the thread lives on, and nobody waits for ever
            _log.exception("the storage writer met a fault of its own")
            for operation in operations:
                operation.failure = operation.failure or StorageError("the store met a fault of its own")
        works = any(operation.failure is None for operation in operations)
        self._tell(operations, again=again)
        return works

    def _refuse_rest(self) -> None:
        with self._gate:
            rest = self._take(closing=True)
        for operation in rest:
            operation.failure = StorageClosed()
        self._tell(rest)

    def _tell(self, operations: list[Operation], *, again: bool = False) -> None:
        lost = self._kept.keep(operations, partial(self._may_wait, again), again=again)
        if lost:
            self._losses.add(len(lost), lost[0])
        _answer(operations)

    def _may_wait(self, again: bool, failure: Exception) -> bool:
        has_room = again or not self._has_backlog()
        return isinstance(failure, _PASSING) and not self._last_chance and has_room


class _Transactions:
    """Does the commands of a script on a connection, and knows what its commits wait for."""

    def __init__(self, connection: sqlite3.Connection, durability: Durability) -> None:
        self._connection = connection
        self._durable = durability
        self._current = Durability.NORMAL
        (self._busy_ms,) = connection.execute("PRAGMA busy_timeout").fetchone()

    def run(self, script: Script) -> None:
        """Do the script to its end."""
        try:
            command = next(script)
            while True:
                try:
                    answer = self._perform(command)
                except Exception as failure:  # the script knows whose it is
                    command = script.throw(failure)
                else:
                    command = script.send(answer)
        except StopIteration:
            return

    @contextlib.contextmanager
    def impatient(self) -> Iterator[None]:
        """Wait for another process's lock hardly at all, until the block ends."""
        self._connection.execute(f"PRAGMA busy_timeout = {min(self._busy_ms, _KEPT_BUSY_MS)}")
        try:
            yield
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {self._busy_ms}")

    def _perform(self, command: TransactionCommand) -> Answer:
        if isinstance(command, Begin | Commit | RollBack):
            try:
                self._control(command)
            except sqlite3.Error as failure:
                raise from_sqlite(failure) from failure
            return EMPTY
        return perform(self._connection, command)

    def _control(self, command: Begin | Commit | RollBack) -> None:
        if isinstance(command, Commit):
            self._connection.execute("COMMIT")
            return
        # Some failures (disk full, I/O error) have rolled back already.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        if isinstance(command, RollBack):
            return
        wanted = self._durable if command.durable else Durability.NORMAL
        if wanted is not self._current:
            set_durability(self._connection, wanted)
            self._current = wanted
        self._connection.execute("BEGIN IMMEDIATE")


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
