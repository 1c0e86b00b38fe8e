"""One thread that does all writing, in groups: one transaction for all that has come in meanwhile.

Callers hand over an `Operation` and go on (`put`), or await its outcome (`call`). What nobody awaits may lie for
``linger_s`` so that more comes together; what somebody awaits is committed at once. When a group fails, its operations
are done again one by one, each in its own transaction, so that one bad operation fails alone.
"""

import asyncio
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable

from app.storage.errors import StorageBacklog, StorageClosed, StorageError, from_sqlite
from app.storage.lost_records import LostRecords
from app.storage.operations import Operation
from app.storage.sqlite import Durability, perform, set_durability
from app.storage.statement import EMPTY, Answer
from app.storage.transactions import Begin, Commit, Plan, RollBack, Script, TransactionCommand, run_group

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
        self._work = threading.Event()
        self._hurry = threading.Event()
        self._busy = False
        self._closing = False
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
        if self._closing or len(self._queue) >= self._max_backlog:
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
            transactions.run(run_group(operations, self._plan))
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
            self._losses.add(len(lost), lost[0])
        _answer(operations)


class _Transactions:
    """Does the commands of a script on a connection, and knows what its commits wait for."""

    def __init__(self, connection: sqlite3.Connection, durability: Durability) -> None:
        self._connection = connection
        self._durable = durability
        self._current = Durability.NORMAL

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
