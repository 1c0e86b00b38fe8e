"""The server's end of a worker's socket: cuts the stream into frames."""

import asyncio
from collections.abc import Callable
from typing import cast

import msgspec

from sightgate.protocol import PREFIX, Header, ProtocolError, check_lengths, decode_header

LEFT = "it closed its connection"

to_json = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def _from_json(encoded: bytes) -> object:
    try:
        return _decode(encoded)
    except msgspec.DecodeError as broken:
        raise ValueError(str(broken)) from broken


class WorkerConnection(asyncio.Protocol):
    """Cuts the stream into frames and hands them on; the first bad frame ends the connection."""

    def __init__(self, on_frame: Callable[[Header, bytes], None], on_end: Callable[[str], None], limit: int) -> None:
        self._on_frame = on_frame
        self._on_end = on_end
        self._limit = limit
        self._buffer = bytearray()
        self._needed = PREFIX.size
        self.transport: asyncio.Transport | None = None

    @property
    def within_a_frame(self) -> bool:
        """Tell whether the stream has begun a frame that is not complete."""
        return bool(self._buffer)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        # A small answer comes whole: then nothing is copied but its parts.
        stream: bytes | bytearray = data
        if self._buffer:
            self._buffer += data
            stream = self._buffer
        try:
            done = self._cut(stream)
        except ProtocolError as broken:
            self._on_end(f"it broke the protocol: {broken}")
            if self.transport is not None:
                self.transport.abort()
            return
        if stream is data:
            self._buffer += data[done:]
        else:
            del self._buffer[:done]

    def _cut(self, stream: bytes | bytearray) -> int:
        """Hand the whole frames on; return where the rest begins."""
        start, length = 0, len(stream)
        while length - start >= self._needed:
            header_length, body_length = PREFIX.unpack_from(stream, start)
            check_lengths(header_length, body_length, self._limit)
            body_start = start + PREFIX.size + header_length
            end = body_start + body_length
            if length < end:
                self._needed = end - start
                break
            header = decode_header(bytes(stream[start + PREFIX.size : body_start]), _from_json)
            body = bytes(stream[body_start:end])
            start, self._needed = end, PREFIX.size
            self._on_frame(header, body)
        return start

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end(LEFT)
