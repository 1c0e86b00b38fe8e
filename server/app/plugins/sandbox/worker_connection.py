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
        buffer = self._buffer
        buffer += data
        try:
            while len(buffer) >= self._needed:
                header_length, body_length = PREFIX.unpack_from(buffer)
                check_lengths(header_length, body_length, self._limit)
                end_of_header = PREFIX.size + header_length
                end = end_of_header + body_length
                if len(buffer) < end:
                    self._needed = end
                    return
                header = decode_header(bytes(buffer[PREFIX.size : end_of_header]), _from_json)
                body = bytes(buffer[end_of_header:end])
                del buffer[:end]
                self._needed = PREFIX.size
                self._on_frame(header, body)
        except ProtocolError as broken:
            self._on_end(f"it broke the protocol: {broken}")
            if self.transport is not None:
                self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end(LEFT)
