"""An HTTP server on loopback that answers as a test says, byte by byte if it must."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Answer = Callable[["Received"], "bytes | AsyncIterator[bytes]"]


@dataclass(frozen=True)
class Received:
    """A request as it arrived: its first line, headers in lower case, and body."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.line.split()[1]


@dataclass
class Receiver:
    """What a server on loopback received."""

    port: int
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    def url(self, path: str = "/image", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


def answer(body: bytes = b"", status: int = 200, **headers: str) -> bytes:
    """Return an HTTP answer; headers are named with underscores."""
    given = {"content_length": str(len(body)), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items() if value)
    return f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + body


def redirect(location: str, status: int = 302) -> bytes:
    """Return a redirect."""
    return answer(status=status, location=location)


@asynccontextmanager
async def receiver(says: Answer, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Receiver]:
    """Run a server until the block ends."""
    made: Receiver

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connections += 1
        try:
            request = await _read(reader)
            made.received.append(request)
            said = says(request)
            if isinstance(said, bytes):
                writer.write(said)
                await writer.drain()
            else:
                async for part in said:
                    writer.write(part)
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the client left
        finally:
            writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    made = Receiver(server.sockets[0].getsockname()[1])
    try:
        yield made
    finally:
        server.close()


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, value in (header.split(": ", 1) for header in lines)}
    return Received(line, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


Says = Callable[[Answer], Awaitable[Receiver]]
