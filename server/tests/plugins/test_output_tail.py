"""What a worker prints is drained always, and its end is kept."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from app.plugins.sandbox.output_tail import KEPT_BYTES, OutputTail

Pipe = tuple[OutputTail, int]


@pytest.fixture
async def pipe() -> AsyncIterator[Pipe]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    tail = OutputTail(asyncio.get_running_loop(), reader)
    yield tail, writer
    tail.close()
    if writer >= 0:
        try:
            os.close(writer)
        except OSError:
            pass


async def test_what_was_printed_is_there_at_once(pipe: Pipe) -> None:
    tail, writer = pipe
    os.write(writer, "größe\n".encode())
    assert tail.text() == "größe\n"
    os.write(writer, b"more")
    assert tail.text(4) == "more"
    assert tail.text() == "größe\nmore"


async def test_a_flood_does_not_block_its_writer_and_only_the_end_is_kept(pipe: Pipe) -> None:
    tail, writer = pipe

    def flood() -> None:
        for number in range(100):
            os.write(writer, bytes([ord("a") + number % 26]) * KEPT_BYTES)
        os.write(writer, b"the end")

    await asyncio.to_thread(flood)
    while not tail.text().endswith("the end"):
        await asyncio.sleep(0)
    assert len(tail.text()) == KEPT_BYTES


async def test_bytes_that_are_no_text_are_shown_all_the_same(pipe: Pipe) -> None:
    tail, writer = pipe
    os.write(writer, b"\xff\xfe text")
    assert tail.text().endswith(" text")


async def test_the_end_of_the_output_is_no_fault_and_the_text_stays(pipe: Pipe) -> None:
    tail, writer = pipe
    os.write(writer, b"last words")
    os.close(writer)
    await asyncio.sleep(0.01)
    assert tail.text() == "last words"
    tail.close()
    tail.close()
    assert tail.text() == "last words"
