"""Reading an answer's body, counted as it is decoded and before it is kept."""

import zlib
from collections.abc import AsyncIterator

import httpx

from app.outbound.errors import AnswerTooLarge, CallFailed

_WITH_GZIP_HEAD = 16 + zlib.MAX_WBITS


async def read_within(response: httpx.Response, max_bytes: int) -> bytes:
    """Return the decoded body. Raises AnswerTooLarge, CallFailed, httpx.TransportError."""
    declared = response.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:20]) > max_bytes:
        raise _too_large(max_bytes)
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        parts = response.aiter_raw()
    elif encoding in ("gzip", "x-gzip"):
        # Not asked for, but some stores send what they hold in no other way.
        parts = _gunzipped(response.aiter_raw(), max_bytes)
    else:
        raise CallFailed("the URL answers in a content encoding that was not asked for")
    kept: list[bytes] = []
    size = 0
    async for part in parts:
        size += len(part)
        if size > max_bytes:
            raise _too_large(max_bytes)
        kept.append(part)
    return b"".join(kept)


async def _gunzipped(parts: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    """Decode gzip, with never more than one byte above the limit in memory: a small bomb is a large body."""
    decoder = zlib.decompressobj(_WITH_GZIP_HEAD)
    room = max_bytes + 1
    try:
        async for part in parts:
            decoded = decoder.decompress(part, room)
            room -= len(decoded)
            yield decoded
            if room == 0 or decoder.eof:  # what comes after its end would be kept by the decoder, without a limit
                return
    except zlib.error:
        raise CallFailed("the URL's answer is broken: it is no gzip") from None
    if not decoder.eof:
        raise CallFailed("the URL's answer is broken: it ends early")


def _too_large(max_bytes: int) -> AnswerTooLarge:
    return AnswerTooLarge(f"the URL answers with more than {max_bytes} bytes")
