"""A few threads, each with a connection of its own that cannot write."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from app.storage.errors import StorageClosed, from_sqlite

T = TypeVar("T")


class ReaderPool:
    """Runs functions that read. Connections are opened when first used."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], threads: int) -> None:
        self._connect = connect
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="storage-reader")
        self._own = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._closed = False

    async def read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``function`` returns. Raises `StorageError`."""
        if self._closed:
            raise StorageClosed
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, function)

    def close(self) -> None:
        """Wait for running reads and close the connections. Blocks."""
        self._closed = True
        self._pool.shutdown(wait=True)
        for connection in self._all:
            connection.close()

    def _run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return function(self._connection())
        except sqlite3.Error as failure:
            raise from_sqlite(failure) from failure

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._connect()
            self._all.append(connection)
        return connection
