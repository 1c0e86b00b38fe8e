"""The job store in a PostgreSQL database, which several servers may share."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Self, TypeVar
from uuid import uuid4

import asyncpg

from app.storage import claiming
from app.storage.errors import StorageAway, StorageClosed, StorageError
from app.storage.job_writes import plan
from app.storage.migrate import upgrade
from app.storage.operations import Ask, Operation
from app.storage.postgres import (
    COMMAND_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    DRIVER_ERRORS,
    READ_TIMEOUT_S,
    SETTINGS,
    from_postgres,
    left_s,
    read_steps,
)
from app.storage.postgres_listener import PostgresListener
from app.storage.postgres_writer import PostgresWriter
from app.storage.records import Change
from app.storage.sql_store import SqlJobStore
from app.storage.sqlite import Durability
from app.storage.statement import Steps, Tell
from app.storage.steps import Actor, system_clock
from app.storage.store import Clock, Listener

T = TypeVar("T")


class PostgresJobStore(SqlJobStore):
    """Its methods are awaited on the loop that started it; `record`… may be called from any thread."""

    def __init__(
        self,
        url: str,
        *,
        durability: Durability = Durability.FULL,
        linger_s: float = 0.015,
        patience_s: float = 5.0,
        timeout_s: float = 15.0,
        readers: int = 4,
        max_backlog: int = 50_000,
        gone_s: float = 45.0,
        clock: Clock = system_clock,
    ) -> None:
        """Name the database; nothing is opened before `start`.

        ``durability`` is what `add` and `end` wait for. ``linger_s`` is how long a record may wait for others in
        seconds, ``patience_s`` how long a call waits for a database that is away, ``timeout_s`` how long a write waits
        for the answer of one that hangs, ``gone_s`` after how long without a sign of life another server is taken for
        gone. ``readers`` is the most connections that read.
        """
        super().__init__(Actor(uuid4().hex, shared=True, clock=clock, gone_s=gone_s))
        self._url = url
        self._readers_most = readers
        self._writer = PostgresWriter(
            url,
            partial(plan, self._actor),
            server_id=self.server_id,
            durability=durability,
            linger_s=linger_s,
            max_backlog=max_backlog,
            patience_s=patience_s,
            timeout_s=timeout_s,
        )
        self._readers: Any = None
        self._listener: PostgresListener | None = None
        self._on_change: list[Listener] = []
        self._progress: dict[str, Change] = {}

    @classmethod
    async def open(cls, url: str, **options: Any) -> Self:
        """Return a store that is started; ``options`` are the constructor's. Raises `StorageError`."""
        store = cls(url, **options)
        await store.start()
        return store

    async def start(self) -> None:
        """Create or migrate the database's tables, and open it. Raises `StorageError`."""
        await asyncio.get_running_loop().run_in_executor(None, upgrade, self._url)
        await self._writer.start()
        try:
            self._readers = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=self._readers_most,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                server_settings=SETTINGS,
                reset=_leave,
            )
        except DRIVER_ERRORS as failure:
            raise from_postgres(failure) from failure
        if self._listener is not None:
            await self._listener.start()
        await self.heartbeat()

    async def close(self) -> None:
        """Commit all that was recorded, and close. Everything asked later fails with `StorageClosed`."""
        if self._listener is not None:
            await self._listener.stop()
        if self._readers is not None:
            self._writer.put(Ask(lambda: claiming.leave(self._actor)))
            self._readers.terminate()
            self._readers = None
        await self._writer.stop()

    @property
    def lost_records(self) -> int:
        """How many calls of `record` and `record_end` came to nothing; each was logged."""
        return self._writer.lost

    def listen(self, on_change: Listener) -> None:
        """Have ``on_change`` called for what other servers do."""
        self._on_change.append(on_change)
        if self._listener is None:
            self._listener = PostgresListener(self._url, self.server_id, self._hear)

    def _hear(self, change: Change) -> None:
        for on_change in self._on_change:
            on_change(change)

    def announce(self, change: Change) -> None:
        """Tell other servers; of a job's progress, the latest."""
        if change.kind != "progress":
            self._writer.put(Ask(lambda: _tell([change])))
            return
        if not self._progress:
            self._writer.put(Ask(self._tell_progress))
        self._progress[change.job_id] = change

    def _tell_progress(self) -> Steps[None]:
        latest, self._progress = self._progress, {}
        return _tell([*latest.values()])

    def _put(self, operation: Operation) -> None:
        self._writer.put(operation)

    async def _call(self, operation: Operation, *, sheddable: bool = False) -> object:
        return await self._writer.call(operation, sheddable=sheddable)

    async def _read(self, steps: Callable[[], Steps[T]], *, long: bool = False) -> T:
        until = asyncio.get_running_loop().time() + READ_TIMEOUT_S
        for last in (False, True):
            try:
                return await self._read_once(steps(), until, long)
            except TimeoutError as late:
                raise StorageAway from late
            except DRIVER_ERRORS as failure:
                told = from_postgres(failure)
                # A connection that broke while nothing was asked shows it only now.
                if last or not isinstance(told, StorageAway):
                    raise told from failure
        raise StorageError

    async def _read_once(self, steps: Steps[T], until: float, long: bool) -> T:
        """Read on a connection of the pool. A ``long`` read has longer, once the database has shown that it answers."""
        if self._readers is None:
            raise StorageClosed
        async with self._readers.acquire(timeout=left_s(until)) as connection:
            try:
                if long:
                    await connection.execute("SELECT 1", timeout=left_s(until))
                    until = asyncio.get_running_loop().time() + COMMAND_TIMEOUT_S
                result: T = await read_steps(connection, steps, until)
            except TimeoutError:
                # Not given back: its answer may still come, and asking for the statement's end is one more wait.
                connection.terminate()
                raise
            return result

    async def _settle(self) -> None:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                await super()._settle()
        except TimeoutError as late:
            raise StorageAway from late

    def _idle(self) -> bool:
        return self._writer.idle()

    def _probe(self) -> Steps[object]:
        return claiming.heartbeat(self._actor)


async def _leave(_connection: Any) -> None:
    """Give a connection back as it is: reads leave nothing behind, and asking for a reset is a round trip."""


def _tell(changes: list[Change]) -> Steps[None]:
    yield Tell(changes)
