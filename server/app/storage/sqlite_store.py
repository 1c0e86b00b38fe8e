"""The job store in a SQLite file, for one server.

All writing is done by one thread, in groups (`writer`): one transaction for all that has come in meanwhile.
"""

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import uuid4

from app.storage.job_writes import plan
from app.storage.migrate import upgrade
from app.storage.operations import Operation
from app.storage.readers import ReaderPool
from app.storage.records import Change
from app.storage.sql_store import SqlJobStore
from app.storage.sqlite import Durability, connect_reader, connect_writer, create_private, database_file, run_steps
from app.storage.statement import RawSql, Steps
from app.storage.steps import Actor, select, system_clock
from app.storage.store import Clock, Listener
from app.storage.writer import GroupCommitWriter

T = TypeVar("T")

# A field of the header that is ours to use; writing it needs a page.
_PROBE = RawSql("PRAGMA user_version = 1")


class SqliteJobStore(SqlJobStore):
    """Its methods may be awaited on any event loop; `record`… called from any thread."""

    def __init__(
        self,
        path_or_url: Path | str,
        *,
        durability: Durability = Durability.FULL,
        linger_s: float = 0.1,
        busy_timeout_s: float = 5.0,
        reader_threads: int = 2,
        max_backlog: int = 50_000,
        clock: Clock = system_clock,
    ) -> None:
        """Name the database; nothing is opened before `start`. Raises `StorageError` for a URL it cannot use.

        ``durability`` is what `add` and `end` wait for. ``linger_s`` is how long a record may wait for others in
        seconds: most calls end within it, so that their row is written once. ``busy_timeout_s`` is how long to wait
        for another process's lock, ``max_backlog`` how many operations may wait for the disk before more are refused.
        Leases count by ``clock``.
        """
        super().__init__(Actor(uuid4().hex, clock=clock))
        self._file = file = database_file(path_or_url)
        self._writer = GroupCommitWriter(
            partial(connect_writer, file, busy_timeout_s),
            partial(plan, self._actor),
            durability=durability,
            linger_s=linger_s,
            max_backlog=max_backlog,
        )
        self._readers = ReaderPool(partial(connect_reader, file, busy_timeout_s), reader_threads)

    @classmethod
    async def open(cls, path_or_url: Path | str, **options: Any) -> Self:
        """Return a store that is started; ``options`` are the constructor's. Raises `StorageError`."""
        store = cls(path_or_url, **options)
        await store.start()
        return store

    async def start(self) -> None:
        """Create or migrate the database, and open it. Raises `StorageError`."""
        await asyncio.get_running_loop().run_in_executor(None, self._prepare)

    def _prepare(self) -> None:
        create_private(self._file)
        upgrade(f"sqlite:///{self._file}")
        self._writer.start()

    async def close(self) -> None:
        """Commit all that was recorded, and close. Everything asked later fails with `StorageClosed`."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._writer.stop)
        await loop.run_in_executor(None, self._readers.close)

    @property
    def lost_records(self) -> int:
        """How many calls of `record` and `record_end` came to nothing; each was logged."""
        return self._writer.lost

    async def unreferenced(self, digests: Collection[str]) -> frozenset[str]:
        """Return those that nothing names; none while rows are kept, since those may name any of them."""
        return frozenset() if self._writer.keeps else await super().unreferenced(digests)

    def listen(self, on_change: Listener) -> None:
        """Nobody else works on the file, so there is nothing to hear."""

    def announce(self, change: Change) -> None:
        """Nobody else works on the file, so there is nobody to tell."""

    def _put(self, operation: Operation) -> None:
        self._writer.put(operation)

    async def _call(self, operation: Operation, *, sheddable: bool = False) -> object:
        return await self._writer.call(operation, sheddable=sheddable)

    async def _read(self, steps: Callable[[], Steps[T]], *, long: bool = False) -> T:
        # Rows become jobs on the reader's thread: a page, or one large result, would hold up the event loop.
        return await self._readers.read(lambda connection: run_steps(connection, steps()))

    def _idle(self) -> bool:
        return self._writer.idle()

    def _probe(self) -> Steps[object]:
        return select(_PROBE)
