"""A load generator: keep-alive connections, each sending the next request when its answer is there.

``python -m benchmarks.load HOST PORT CONNECTIONS SECONDS PATH CONTENT_TYPE < BODY`` prints one JSON line.
"""

import asyncio
import json
import sys
import time


class Connection(asyncio.Protocol):
    """One keep-alive connection. Knows just enough HTTP/1.1: a status line, Content-Length."""

    def __init__(self, request: bytes, until: float) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.times: list[float] = []
        self.failed = 0
        self._request = request
        self._until = until
        self._buffer = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

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
        self.times.append(time.perf_counter() - self._began)
        self.failed += b" 200 " not in head[:16]
        self._buffer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.failed += 1
            self.done.set_result(None)

    def _send(self) -> None:
        self._began = time.perf_counter()
        if self._began >= self._until:
            self.done.set_result(None)
            self._transport.close()
            return
        self._transport.write(self._request)


async def load(host: str, port: int, connections: int, seconds: float, request: bytes) -> dict[str, float]:
    """Return requests a second, p50 and p99 in milliseconds, and the number of answers that were not 200."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    made = [
        (await loop.create_connection(lambda: Connection(request, began + seconds), host, port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.done for connection in made))
    took = time.perf_counter() - began
    times = sorted(moment for connection in made for moment in connection.times)
    return {
        "requests_s": len(times) / took,
        "p50_ms": times[len(times) // 2] * 1000 if times else 0.0,
        "p99_ms": times[len(times) * 99 // 100] * 1000 if times else 0.0,
        "failed": sum(connection.failed for connection in made),
    }


def main() -> None:
    host, port, connections, seconds, path, kind = sys.argv[1:]
    body = sys.stdin.buffer.read()
    head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    work = load(host, int(port), int(connections), float(seconds), head.encode() + body)
    try:
        import uvloop
    except ImportError:
        answer = asyncio.run(work)
    else:
        answer = uvloop.run(work)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
