"""uvicorn's HTTP protocol with fewer steps a call: bodies come in whole, answers leave in one write."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.api.errors import refuse
from app.governance.errors import RequestError

# More of a body than this is handed on as it comes, and no more is read until the application has taken it.
GATHERED_BODY_BYTES = 1024 * 1024
# The parser keeps a head, and headers behind a body in chunks, as long as they grow. Above this the connection ends.
# Looked at once a read, so what is kept may be one read (256 KiB) more.
MAX_HEAD_BYTES = 128 * 1024
_UNREADABLE = "the request's first line or a header cannot be read; text in an address must be percent-encoded"
_ENDLESS = f"the request's first line and headers do not end within {MAX_HEAD_BYTES} bytes"


class GatheringTransport:
    """Stands before a transport and hands on what is written within one turn of the event loop as one piece.

    Each write is a system call that wakes the peer: for small answers the second one costs as much as the gate.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Keep ``data`` until the turn ends."""
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(data)

    def close(self) -> None:
        """Hand on what is kept, then close."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        pending, self._pending = self._pending, []
        if pending and not self._transport.is_closing():
            self._transport.write(b"".join(pending))


class GatheringProtocol(HttpToolsProtocol):
    """Wakes the application once for a body of up to a megabyte, not for each piece that the socket gives.

    The application has begun by then, and may refuse by what the head says. Before that nobody has asked for a key, so
    a head that does not end is refused here.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        self._pieces: list[bytes] = []
        self._gathered = 0
        self._unfinished = 0
        super().connection_made(cast(asyncio.Transport, GatheringTransport(transport, self.loop)))

    def data_received(self, data: bytes) -> None:
        """Take what the caller sends; end the connection if a head goes on and on."""
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._end_with_400(_ENDLESS)

    def on_headers_complete(self) -> None:
        """Begin to answer: the head has ended."""
        self._unfinished = 0
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """A body in chunks goes on: many small ones are no head."""
        self._unfinished = 0

    def on_message_begin(self) -> None:
        """Begin a request; what is left of a body that was refused is dropped."""
        self._drop_pieces()
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._unfinished = 0
        self._pieces.append(body)
        self._gathered += len(body)
        if self._gathered > GATHERED_BODY_BYTES:
            self._hand_on()

    def on_message_complete(self) -> None:
        """Hand on what is kept of the body, and end it."""
        self._unfinished = 0
        if self._pieces and not self.cycle.body:
            # In its place, not behind it: the whole body is not copied again, and reading need not be paused.
            self.cycle.body = self._taken()  # type: ignore[assignment]
        elif self._pieces:
            self._hand_on()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in the one shape of errors; the connection ends."""
        self._end_with_400(_UNREADABLE)

    def _end_with_400(self, said: str) -> None:
        body = bytes(refuse(RequestError("malformed_request", said)).body)
        head = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        lines = [b"%b: %b\r\n" % header for header in (*self.server_state.default_headers, *head)]
        self.transport.write(b"".join([STATUS_LINE[400], *lines, b"\r\n", body]))
        self.transport.close()

    def _hand_on(self) -> None:
        super().on_body(self._taken())

    def _taken(self) -> bytes:
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._drop_pieces()
        return body

    def _drop_pieces(self) -> None:
        self._pieces.clear()
        self._gathered = 0
