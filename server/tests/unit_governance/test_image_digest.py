"""An image's hash, and where it is computed."""

import asyncio
import hashlib

import pytest

from app.governance.image_digest import HASHED_AT_ONCE, image_digest


@pytest.mark.parametrize("size", [0, 1, HASHED_AT_ONCE, HASHED_AT_ONCE + 1])
async def test_it_is_the_sha256_of_the_bytes(size: int) -> None:
    assert await image_digest(bytes(size)) == hashlib.sha256(bytes(size)).hexdigest()


async def test_the_loop_goes_on_while_a_large_image_is_hashed() -> None:
    hashed = asyncio.ensure_future(image_digest(bytes(32 * HASHED_AT_ONCE)))
    turns = 0
    while not hashed.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 2
