"""The load generator counts what a server really answered."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from benchmarks.load import Load, load

BODY = b"x" * 1234
REQUEST = b"POST /analyze HTTP/1.1\r\nContent-Length: 1234\r\n\r\n" + BODY
SECONDS = 0.5

Answer = Callable[[int, int], bytes | None]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[tuple[int, list[int]]]:
    """A server that answers each request with `answer(number, length)`, or hangs up on None; its port, the lengths."""
    seen: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await read_head(reader):
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            seen.append(len(await reader.readexactly(length)))
            sent = answer(len(seen), length)
            if sent is None:
                break
            # In two parts: an answer need not come at once.
            writer.write(sent[:20])
            await writer.drain()
            writer.write(sent[20:])
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], seen


async def read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def http(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def right(number: int, length: int) -> bytes:
    return http(json.dumps({"bytes": length, "mean": 12.5}).encode())


def loading(
    port: int, expected: tuple[str, ...] = ("1234",), connections: int = 3, seconds: float = SECONDS, **more: float
) -> Awaitable[Load]:
    return load("127.0.0.1", port, connections, seconds, REQUEST, expected, **more)


async def test_every_answer_is_counted_once_and_none_is_left_behind():
    for seconds in (SECONDS, 60 * SECONDS):
        async with answering(right) as (port, seen):
            counted = await loading(port, seconds=seconds)
        assert counted.answers == len(seen)
        assert counted.failed == 0
        assert set(seen) == {1234}
        if len(seen) > 3:  # else the machine did something else in the meantime
            return
    raise AssertionError("no connection was asked twice")


async def test_the_rate_and_the_percentiles_fit_the_count():
    async with answering(right) as (port, _):
        counted = await loading(port)
    assert 0 < counted.requests_s <= counted.answers / SECONDS
    assert 0 < counted.p50_ms <= counted.p99_ms


async def test_an_answer_of_another_status_is_wrong_and_in_no_rate():
    async with answering(lambda number, length: http(b'{"bytes": 1234}', "429 Too Many")) as (port, seen):
        counted = await loading(port)
    assert (counted.answers, counted.failed, counted.requests_s) == (0, len(seen), 0)


async def test_an_answer_without_the_expected_numbers_is_wrong():
    async with answering(lambda number, length: right(number, length + number % 2)) as (port, seen):
        counted = await loading(port, ("1234", "12.5"))
    assert counted.answers == len(seen) // 2
    assert counted.failed == len(seen) - counted.answers


async def test_a_number_inside_a_longer_one_is_not_the_expected_one():
    async with answering(lambda number, length: http(b'{"bytes": 12345, "other": 0.1234}')) as (port, seen):
        counted = await loading(port)
    assert (counted.answers, counted.failed) == (0, len(seen))


async def test_a_connection_that_the_server_ends_is_a_failure():
    async with answering(lambda number, length: None) as (port, _):
        counted = await loading(port)
    assert (counted.answers, counted.failed) == (0, 3)


async def test_a_caller_that_rests_sends_less():
    async with answering(right) as (port, seen):
        counted = await loading(port, connections=1, pause=1.0)
    assert counted.answers == len(seen) == 1
