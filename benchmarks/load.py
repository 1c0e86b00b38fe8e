"""A load generator: keep-alive connections, each sending the next request when its answer is there.

``python -m benchmarks.load HOST PORT CONNECTIONS SECONDS PATH TYPE [EXPECTED …] < BODY`` prints one JSON line.
An answer is right if its status is 200 and each EXPECTED number stands in its body. Wrong answers are counted apart:
they are in no rate and no percentile.
"""

import argparse
import asyncio
import json
import re
import sys
import time
from dataclasses import asdict, dataclass

# Beyond the asked time: how long the last answers may take.
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Load:
    """What a run showed: right answers a second, percentiles of their times, right and wrong answers."""

    requests_s: float
    p50_ms: float
    p99_ms: float
    answers: int
    failed: int


class Connection(asyncio.Protocol):
    """One keep-alive connection. Knows just enough HTTP/1.1: a status line, Content-Length."""

    def __init__(self, request: bytes, expected: tuple[re.Pattern[bytes], ...] = (), pause: float = 0.0) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.times: list[float] = []
        self.failed = 0
        self._request = request
        self._until = 0.0
        self._expected = expected
        self._pause = pause
        self._buffer = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]

    def start(self, until: float) -> None:
        """Send the first request, and others until that moment of the performance counter."""
        self._until = until
        if not self.done.done():
            self._began = time.perf_counter()
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        self._count(head, self._buffer[end + 4 :])
        self._buffer = b""
        if self._pause:
            asyncio.get_running_loop().call_later(self._pause, self._send)
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.failed += 1
            self.done.set_result(None)

    def _count(self, head: bytes, body: bytes) -> None:
        if b" 200 " in head[:16] and all(number.search(body) for number in self._expected):
            self.times.append(time.perf_counter() - self._began)
        else:
            self.failed += 1

    def _send(self) -> None:
        if self.done.done():
            return
        self._began = time.perf_counter()
        if self._began >= self._until:
            self.done.set_result(None)
            self._transport.close()
            return
        self._transport.write(self._request)


def whole_number(number: str) -> re.Pattern[bytes]:
    """A pattern for the number that does not match inside a longer one."""
    return re.compile(rb"(?<![\d.])" + re.escape(number.encode()) + rb"(?!\d)")


async def load(
    host: str,
    port: int,
    connections: int,
    seconds: float,
    request: bytes,
    expected: tuple[str, ...] = (),
    pause: float = 0.0,
) -> Load:
    """Keep `connections` busy for `seconds`, wait for the last answers, and count. A lost connection is a failure.

    Each connection rests for `pause` seconds after an answer.
    """
    loop = asyncio.get_running_loop()
    patterns = tuple(whole_number(number) for number in expected)
    made = [
        (await loop.create_connection(lambda: Connection(request, patterns, pause), host, port))[1]
        for _ in range(connections)
    ]
    # Connecting takes none of the time: on a busy machine it might take all of it.
    began = time.perf_counter()
    for connection in made:
        connection.start(began + seconds)
    _, unanswered = await asyncio.wait([connection.done for connection in made], timeout=seconds + PATIENCE_S)
    took = time.perf_counter() - began
    times = sorted(moment for connection in made for moment in connection.times)
    failed = sum(connection.failed for connection in made) + len(unanswered)
    return Load(len(times) / took, percentile_ms(times, 0.50), percentile_ms(times, 0.99), len(times), failed)


def percentile_ms(times: list[float], share: float) -> float:
    """The value below which `share` of the sorted times (seconds) lie, in milliseconds; 0 if there is none."""
    return times[int(len(times) * share)] * 1000 if times else 0.0


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("host")
    arguments.add_argument("port", type=int)
    arguments.add_argument("connections", type=int)
    arguments.add_argument("seconds", type=float)
    arguments.add_argument("path")
    arguments.add_argument("content_type")
    arguments.add_argument("expected", nargs="*")
    arguments.add_argument("--pause", type=float, default=0.0)
    asked = arguments.parse_args()
    body = sys.stdin.buffer.read()
    head = (
        f"POST {asked.path} HTTP/1.1\r\nHost: {asked.host}:{asked.port}\r\n"
        f"Content-Type: {asked.content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    place = asked.host, asked.port, asked.connections, asked.seconds
    work = load(*place, request, tuple(asked.expected), asked.pause)
    try:
        import uvloop
    except ImportError:
        answer = asyncio.run(work)
    else:
        answer = uvloop.run(work)
    print(json.dumps(asdict(answer)))


if __name__ == "__main__":
    main()
