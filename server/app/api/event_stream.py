"""Server-sent events: a response that goes on until there is nothing more to tell, or the reader leaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.governance.errors import GovernedError, PluginRefused
from app.services.job_streams import StreamEvent
from app.storage.errors import StorageError

log = structlog.get_logger("sightgate.http")

MEDIA_TYPE = "text/event-stream"
# A reader that takes nothing for so long has left without saying so.
STUCK_S = 60.0
MOST_STREAMS = 500
LONGEST_POSITION = 64

# Where there is nothing to tell: proxies close what is silent.
_KEEP_ALIVE = b": keep-alive\n\n"
_encode = msgspec.json.Encoder().encode


class Streams:
    """Counts the streams that are open, and refuses more than the server keeps."""

    def __init__(self, most: int = MOST_STREAMS) -> None:
        self._most = most
        self.open = 0

    def answer(self, events: AsyncIterator[StreamEvent]) -> "EventStream":
        """Return the response that tells the events. Raises PluginRefused ``overloaded`` if too many are open."""
        if self.open >= self._most:
            said = f"{self.open} event streams are open already; try again later"
            raise PluginRefused("overloaded", said, limit=self._most)
        return EventStream(events, self)


class EventStream(Response):
    """Sends events as they come. Whether the reader leaves or the events end, nothing is left behind."""

    def __init__(self, events: AsyncIterator[StreamEvent], streams: Streams) -> None:
        super().__init__(None, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._streams.open += 1
        sending = asyncio.ensure_future(self._send_all(send))
        leaving = asyncio.ensure_future(_until_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams.open -= 1
            for task in (sending, leaving):
                task.cancel()
            outcome, _ = await asyncio.gather(sending, leaving, return_exceptions=True)
        # The head is sent: what goes wrong now can only end the stream, and the reader comes back.
        if isinstance(outcome, (StorageError, GovernedError)):
            log.warning("event stream ended", reason=str(outcome))
        elif isinstance(outcome, Exception) and not isinstance(outcome, OSError):
            raise outcome

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        events: Any = self._events
        async with aclosing(events):
            async for event in events:
                async with asyncio.timeout(STUCK_S):
                    await send({"type": "http.response.body", "body": encode_event(event), "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def encode_event(event: StreamEvent) -> bytes:
    """Return an event as it goes over the wire; a comment for one that tells nothing."""
    if not event.name:
        return _KEEP_ALIVE
    position = f"id: {event.position}\n" if event.position is not None else ""
    return f"event: {event.name}\n{position}data: ".encode() + _encode(event.data) + b"\n\n"


def last_position(request: Request) -> str | None:
    """Return the header ``Last-Event-ID``: where the reader was."""
    position = request.headers.get("last-event-id")
    return position if position and len(position) <= LONGEST_POSITION else None


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
