"""Hears what other servers do: LISTEN on a connection of its own, made anew whenever it broke."""

import asyncio
import contextlib
import json
import logging
from typing import Any

from app.governance.job_lifecycle import JobStatus
from app.storage.errors import StorageError
from app.storage.postgres import CHANNEL, DRIVER_ERRORS, connect, from_postgres
from app.storage.records import Change
from app.storage.store import Listener

# Told after the connection was away: whatever there was to hear was missed.
LOOK_AGAIN = (Change("", "waiting", ""), Change("", "plugin", ""), Change("", "many", ""))

_AGAIN_S = 0.5
# A connection whose other end vanished without a word is found out by asking.
_ASK_EVERY_S = 15.0
_ANSWER_WITHIN_S = 5.0

_log = logging.getLogger(__name__)


class PostgresListener:
    """Calls ``on_change`` for every change that another server than ``server_id`` told of."""

    def __init__(self, url: str, server_id: str, on_change: Listener) -> None:
        self._url = url
        self._server_id = server_id
        self._on_change = on_change
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen from now on. Raises `StorageError` when there is no connection to be had."""
        connection = await self._listening()
        self._task = asyncio.get_running_loop().create_task(self._keep(connection))

    async def stop(self) -> None:
        """Listen no longer."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep(self, connection: Any) -> None:
        while True:
            try:
                await self._until_broken(connection)
            finally:
                connection.terminate()
            connection = await self._again()
            for change in LOOK_AGAIN:
                self._on_change(change)

    async def _until_broken(self, connection: Any) -> None:
        broken = asyncio.Event()
        connection.add_termination_listener(lambda _: broken.set())
        while not broken.is_set() and not connection.is_closed():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ASK_EVERY_S):
                    await broken.wait()
            try:
                await connection.execute("SELECT 1", timeout=_ANSWER_WITHIN_S)
            except DRIVER_ERRORS:
                return

    async def _again(self) -> Any:
        while True:
            await asyncio.sleep(_AGAIN_S)
            with contextlib.suppress(StorageError):
                return await self._listening()

    async def _listening(self) -> Any:
        connection = await connect(self._url)
        try:
            await connection.add_listener(CHANNEL, self._hear)
        except DRIVER_ERRORS as failure:
            connection.terminate()
            raise from_postgres(failure) from failure
        return connection

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        try:
            server_id, rows = json.loads(payload)
            if server_id == self._server_id:
                return
            changes = [
                Change(job_id, kind, plugin, None if status is None else JobStatus(status), data)
                for job_id, kind, plugin, status, data in rows
            ]
        except (ValueError, TypeError):  # somebody else's notification, or a newer version's
            _log.warning("a notification was not understood")
            return
        for change in changes:
            self._on_change(change)
