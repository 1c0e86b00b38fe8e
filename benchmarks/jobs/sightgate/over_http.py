"""Sightgate over HTTP: the image as the body of ``POST /v1/jobs``, by sixteen callers that keep their connection."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

CALLERS = 16
READY_S = 60.0
PLUGIN = "stamped"


class Caller:
    """One keep-alive connection. Knows just enough HTTP/1.1: a status line, Content-Length."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, method: str, path: str, body: bytes = b"") -> dict[str, Any]:
        """Raises ValueError for an answer that is no success."""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.partition(b"content-length:")[2].partition(b"\r\n")[0])
        said = await self._reader.readexactly(length)
        if not answer.startswith(b"http/1.1 2"):
            raise ValueError(f"{method} was answered: {said[:300].decode(errors='replace')}")
        value: dict[str, Any] = json.loads(said)
        return value


class Submitter:
    at_once = CALLERS

    def __init__(self, callers: list[Caller]) -> None:
        self._free = callers
        self._ids: dict[int, str] = {}

    async def enqueue(self, number: int, image: bytes) -> None:
        answer = await self._ask("POST", f"/v1/jobs?plugin={PLUGIN}", image)
        self._ids[number] = answer["id"]

    async def all_done(self, jobs: int) -> bool:
        for status in ("PENDING", "RUNNING"):
            if (await self._ask("GET", f"/v1/jobs?status={status}&limit=1"))["jobs"]:
                return False
        if failed := (await self._ask("GET", "/v1/jobs?status=FAILED&limit=1"))["jobs"]:
            raise ValueError(f"a job failed: {failed[0]['error']}")
        return True

    async def started_ns(self, number: int) -> int | None:
        job = await self._ask("GET", f"/v1/jobs/{self._ids[number]}")
        return None if job["result"] is None else int(job["result"]["started_ns"])

    async def ran_twice(self) -> int:
        """Every start of a job is counted in its row."""
        return sum([(await self._ask("GET", f"/v1/jobs/{one}"))["attempt"] - 1 for one in self._ids.values()])

    async def _ask(self, method: str, path: str, body: bytes = b"") -> dict[str, Any]:
        caller = self._free.pop()
        try:
            return await caller.ask(method, path, body)
        finally:
            self._free.append(caller)


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Wait for a server that is starting."""
    until = time.monotonic() + READY_S
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.1)


@asynccontextmanager
async def submitter() -> AsyncIterator[Submitter]:
    port = int(os.environ["BENCHMARK_PORT"])
    pairs = [await _connect(port) for _ in range(CALLERS)]
    yield Submitter([Caller(*pair) for pair in pairs])
    for _, writer in pairs:
        writer.close()
