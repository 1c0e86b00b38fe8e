"""A waiting call that tells how far it is: server-sent events, where the caller takes them and the plugin reports."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.body import header
from app.api.event_stream import MEDIA_TYPE, EventStream, Streams
from app.services.job_events import Progress
from app.services.job_streams import NOTHING_NEW, StreamEvent

Tell: TypeAlias = Callable[[Progress], None]
Call: TypeAlias = Callable[[Tell], Coroutine[Any, Any, Response]]

# What ends sooner is answered as if nothing had been reported: nobody could read it.
QUICK_S = 0.2
# Reports in between are passed over, so that a plugin which reports each row costs its caller nothing.
GATHER_S = 0.1
KEEP_ALIVE_S = 15.0


def takes_events(request: Request) -> bool:
    """Tell whether the caller accepts server-sent events by name."""
    return MEDIA_TYPE in header(request, b"accept")


async def answer_or_stream(call: Call) -> Response:
    """Return the call's own answer; if it reports progress and goes on, a stream that ends with that answer.

    Whoever is cancelled here, or leaves the stream, has ended the call.
    """
    running = _Running(call)
    try:
        return await running.answer() or _CallStream(running)
    except BaseException:
        await running.end()
        raise


class _Running:
    """A call in a task of its own, and the last that it told."""

    def __init__(self, call: Call) -> None:
        self._latest: Progress | None = None
        self._news = asyncio.Event()
        self._task = asyncio.ensure_future(call(self._tell))
        self._task.add_done_callback(lambda _: self._news.set())

    def _tell(self, progress: Progress) -> None:
        self._latest = progress
        self._news.set()

    async def answer(self) -> Response | None:
        """Return the call's answer, or None as soon as there is progress to tell. Raises what the call does."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._news.wait()
        await self._pause(began + QUICK_S - loop.time())
        return self._task.result() if self._task.done() else None

    async def events(self) -> AsyncIterator[StreamEvent]:
        """Yield ``progress`` as it comes, and ``end`` with the answer's status and body."""
        shown: Progress | None = None
        while not self._task.done():
            self._news.clear()
            progress = self._latest
            if progress is None or progress is shown:
                yield NOTHING_NEW
            else:
                yield StreamEvent("progress", progress.to_data())
            shown = progress
            await self._pause(GATHER_S)
            await self._wait_for_news()
        answer = self._task.result()
        yield StreamEvent("end", {"status": answer.status_code, "body": msgspec.Raw(bytes(answer.body))})

    async def end(self) -> None:
        """End the call if it still runs, and wait until it has ended."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _wait_for_news(self) -> None:
        try:
            async with asyncio.timeout(KEEP_ALIVE_S):
                await self._news.wait()
        except TimeoutError:
            return

    async def _pause(self, seconds: float) -> None:
        await asyncio.wait({self._task}, timeout=max(0.0, seconds))


class _CallStream(EventStream):
    """The stream of a call, which ends with it."""

    def __init__(self, running: _Running) -> None:
        super().__init__(running.events(), Streams())
        self._running = running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._running.end()
