"""The wire between the server and a worker: frames over a stream socket.

A frame is a prefix of two unsigned 32-bit little-endian lengths (header, body), the header as a JSON object, and the
body as raw bytes::

    u32 header length | u32 body length | header {"v": 1, "kind": ..., "call": ...} | body

To the worker go ``hello`` (body: what to load, as JSON), ``call`` (body: the image's bytes, then the options as JSON;
the header's ``image`` is the number of image bytes; with ``shared_at`` they lie there in the shared memory that
``hello`` named, and the body is the options alone) and ``stop``. From it come ``sandbox`` (body: what
it was denied, as JSON; sent before any of the plugin's code is imported), ``ready`` (body: manifests as JSON),
``progress``, ``result`` (body: the result as JSON) and ``error`` (body: the failure as JSON). Nothing is pickled.
Both lengths are checked against the receiver's limits before anything is allocated.
"""

import json
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

from sightgate.errors import SightgateError

VERSION = 1
MAX_HEADER_BYTES = 64 * 1024
PREFIX = struct.Struct("<II")

HELLO = "hello"
CALL = "call"
STOP = "stop"
SANDBOX = "sandbox"
READY = "ready"
PROGRESS = "progress"
RESULT = "result"
ERROR = "error"

# What kind of failure an error frame's body tells.
INPUT = "input"
OUTPUT = "output"
RAISED = "raised"
OUT_OF_MEMORY = "out_of_memory"
UNAVAILABLE = "unavailable"

Header = dict[str, Any]

# A call whose image lies in shared memory comes whole with one read; of another one, little is copied once more.
_READ_AHEAD_BYTES = 1024

_decode = json.JSONDecoder().decode
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class ProtocolError(SightgateError):
    """The other side sent something that is no frame, or a frame out of place."""


def encode_frame_head(
    header: Header, body_length: int, to_json: Callable[[Header], bytes] = lambda header: _encode(header).encode()
) -> bytes:
    """Return the prefix and the header of a frame whose body of ``body_length`` bytes is sent after it.

    ``to_json`` may be a quicker encoder than the standard library's. Raises ProtocolError if the header is longer than
    64 KiB.
    """
    encoded = to_json({"v": VERSION, **header})
    if len(encoded) > MAX_HEADER_BYTES:
        raise ProtocolError(f"a header of {len(encoded)} bytes is longer than {MAX_HEADER_BYTES}")
    return PREFIX.pack(len(encoded), body_length) + encoded


def check_lengths(header_length: int, body_length: int, max_body_bytes: int) -> None:
    """Raise ProtocolError if the lengths of a prefix are impossible or above the receiver's limit."""
    if not 2 <= header_length <= MAX_HEADER_BYTES:
        raise ProtocolError(f"a header of {header_length} bytes is outside 2 to {MAX_HEADER_BYTES}")
    if body_length > max_body_bytes:
        raise ProtocolError(f"a body of {body_length} bytes is longer than {max_body_bytes}")


def from_json(encoded: bytes) -> Any:
    """Return what UTF-8 encoded JSON says, without `json.loads`' search for another encoding. Raises ValueError."""
    return _decode(encoded.decode())


def decode_header(encoded: bytes, from_json: Callable[[bytes], Any] = from_json) -> Header:
    """Return the header of a frame; raises ProtocolError unless it is an object of this version with a kind.

    ``from_json`` may be a quicker decoder than the standard library's; it raises ValueError for what is no JSON.
    """
    try:
        header = from_json(encoded)
    except (ValueError, RecursionError) as broken:
        raise ProtocolError("the header is not JSON") from broken
    if not isinstance(header, dict) or header.get("v") != VERSION or not isinstance(header.get("kind"), str):
        raise ProtocolError("the header is no object of this version of the protocol with a kind")
    return header


class Channel:
    """The worker's end: blocking, safe to send on from several threads, received from by one."""

    def __init__(self, connection: socket.socket, max_body_bytes: int) -> None:
        self._connection = connection
        self._max_body_bytes = max_body_bytes
        self._sending = threading.Lock()
        # What came along with what was asked for last.
        self._ahead = b""
        self._idle_after_s = 0
        self._when_idle: Callable[[], None] = lambda: None

    def call_when_idle(self, after_s: int, what: Callable[[], None]) -> None:
        """Call ``what`` each time that nothing has come for so many seconds, once until something comes."""
        self._idle_after_s, self._when_idle = after_s, what
        self._wait_at_most(after_s)

    def send(self, header: Header, body: bytes = b"") -> None:
        head = encode_frame_head(header, len(body))
        with self._sending:
            sent = self._connection.sendmsg([head, body])
            if sent < len(head):
                self._connection.sendall(head[sent:])
                sent = len(head)
            if sent < len(head) + len(body):
                self._connection.sendall(memoryview(body)[sent - len(head) :])

    def receive_head(self) -> tuple[Header, int] | None:
        """Return the next header and the length of the body, which is still to be read; None when the server left."""
        if not self._ahead:
            self._ahead = self._receive(_READ_AHEAD_BYTES)
        prefix = self._exactly(PREFIX.size)
        if not prefix:
            return None
        if len(prefix) != PREFIX.size:
            raise ProtocolError("the stream ended within a frame")
        header_length, body_length = PREFIX.unpack(prefix)
        check_lengths(header_length, body_length, self._max_body_bytes)
        return decode_header(self.read(header_length)), body_length

    def read(self, length: int) -> bytes:
        """Return exactly ``length`` bytes; raises ProtocolError if the stream ends within them."""
        data = self._exactly(length)
        if len(data) != length:
            raise ProtocolError("the stream ended within a frame")
        return data

    def _exactly(self, length: int) -> bytes:
        ahead = self._ahead
        if length <= len(ahead):
            self._ahead = ahead[length:]
            return ahead[:length]
        self._ahead = b""
        parts = [ahead] if ahead else []
        missing = length - len(ahead)
        # One allocation of the right size: this is where an image becomes the plugin's bytes.
        while missing and (data := self._receive(missing, socket.MSG_WAITALL)):
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def _receive(self, most: int, flags: int = 0) -> bytes:
        try:
            return self._connection.recv(most, flags)
        except BlockingIOError:  # it has waited as long as it may
            self._wait_at_most(0)
            self._when_idle()
            data = self._connection.recv(most, flags)
            self._wait_at_most(self._idle_after_s)
            return data

    def _wait_at_most(self, seconds: int) -> None:
        # By the kernel, which costs a call nothing; Python's own timeouts ask for readiness before each read.
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", seconds, 0))
