"""Bounds the connections of a server, so that callers never take the descriptors that its own work needs."""

import asyncio
from typing import ClassVar, cast

import msgspec

from app.api.http_protocol import GatheringProtocol
from app.governance.error_envelope import build_error_envelope
from app.governance.errors import PluginRefused

# A connection that nobody has used for so long makes room for another caller.
IDLE_S = 1.0
# Time for a refusal to arrive before what the caller sends resets the connection; more of them are closed at once.
_LINGER_S = 0.25
_MOST_LINGERING = 4
_SAID = "the server has as many connections as it can serve; try again later"


class LimitedProtocol(GatheringProtocol):
    """At ``most`` connections, a new one takes the place of the one that has been idle longest, or is refused."""

    most: ClassVar[int] = 1_000_000
    lingering: ClassVar[set[asyncio.Transport]] = set()
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection, or refuse it."""
        self._since = self.loop.time()
        if len(self.connections) >= self.most and not self._take_the_place_of_an_idle_one():
            self._refuse(transport)
        else:
            super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Take what the caller sends; nobody reads what a refused one does."""
        if not self._refused:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        if not self._refused:
            super().connection_lost(exc)

    def _take_the_place_of_an_idle_one(self) -> bool:
        others = (other for other in self.connections if isinstance(other, LimitedProtocol))
        idle = {other: since for other in others if (since := other._idle_since()) is not None}
        oldest = min(idle, key=idle.__getitem__, default=None)
        if oldest is None or self.loop.time() - idle[oldest] < IDLE_S:
            return False
        oldest.connections.discard(oldest)
        oldest.transport.close()
        return True

    def _idle_since(self) -> float | None:
        """Return since when nothing has been asked here, by the loop's clock; None while a call is answered."""
        if self.cycle is None:
            return self._since
        if not self.cycle.response_complete:
            return None
        waiting = self.timeout_keep_alive_task
        return self._since if waiting is None else waiting.when() - self.timeout_keep_alive

    def _refuse(self, transport: asyncio.Transport) -> None:
        self._refused = True
        error = build_error_envelope(PluginRefused("overloaded", _SAID), None)["error"]
        body = msgspec.json.encode({"detail": error})
        head = (
            f"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            "retry-after: 1\r\nconnection: close\r\n\r\n"
        )
        transport.write(head.encode() + body)
        if len(self.lingering) >= _MOST_LINGERING:
            transport.close()
            return
        transport.write_eof()
        self.lingering.add(transport)
        self.loop.call_later(_LINGER_S, self._drop, transport)

    def _drop(self, transport: asyncio.Transport) -> None:
        self.lingering.discard(transport)
        transport.abort()


def limited_to(most: int) -> type[asyncio.Protocol]:
    """Return the protocol for a server of at most so many connections."""
    its_own = {"most": most, "lingering": set[asyncio.Transport]()}
    return cast(type[asyncio.Protocol], type("LimitedProtocol", (LimitedProtocol,), its_own))
