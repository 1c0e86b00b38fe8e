"""HTTP by hand over a socket: for requests that no client would send."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass

import httpx

from support.running_server import PATIENCE_S


@dataclass(frozen=True)
class Exchange:
    """An answer, and how many bytes of body were sent until it came."""

    answer: httpx.Response
    sent: int


def exchange(port: int, head: str, body: Iterable[bytes] = ()) -> Exchange:
    """Send a head and then the body's parts, until the server answers or all is sent; return the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode("latin-1"))
        sent = 0
        try:
            for part in body:
                connection.sendall(part)
                sent += len(part)
        except OSError:  # the server has answered and closed: what it said can still be read
            pass
        return Exchange(_read_answer(connection), sent)


def _read_answer(connection: socket.socket) -> httpx.Response:
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(connection, received)
    head, _, content = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(": ") for line in lines)
    headers = httpx.Headers([(name, value) for name, _, value in fields])
    while len(content) < int(headers["content-length"]):
        content += _some(connection, content)
    return httpx.Response(int(status.split()[1]), headers=headers, content=content)


def _some(connection: socket.socket, before: bytes) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise AssertionError(f"the server closed the connection in the middle of its answer: {before[:500]!r}")
    return data
