"""The name of an image: the hash of its bytes."""

import asyncio
import hashlib

# Beyond this many bytes hashing takes longer than the event loop may be kept.
HASHED_AT_ONCE = 1024 * 1024


async def image_digest(image: bytes) -> str:
    """Return the SHA-256 of an image in hexadecimal; a large one is hashed on a thread."""
    return await asyncio.to_thread(_digest, image) if len(image) > HASHED_AT_ONCE else _digest(image)


def _digest(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()
