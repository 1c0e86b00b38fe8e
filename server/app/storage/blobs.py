"""Inputs and large results, each under the SHA-256 of its bytes: in a folder, or in an S3-compatible store."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from app.storage.errors import StorageError
from app.storage.folder_blobs import FolderBlobs

S3_SCHEME = "s3://"
TIMEOUT_S = 10.0
_ASKED_AT_ONCE = 500
_TRY_OUT_S = 10.0


class Blobs(Protocol):
    """What a blob store does. Every method may raise `StorageError` for what the disk or the network does."""

    async def put(self, data: bytes) -> str:
        """Store ``data`` so that it would survive a power cut, and return its SHA-256 as 64 hexadecimal digits.

        The blob's time is set to now even if it was there, so that a collector sees that it is wanted.
        """
        ...

    async def put_many(self, blobs: Sequence[bytes]) -> list[str]:
        """The same for several, in their order, for little more than the price of one."""
        ...

    async def get(self, digest: str) -> bytes:
        """Return what was put. Raises `BlobMissing`, `BlobCorrupt`, and `ValueError` for what is no digest.

        `BlobMissing` only where the place itself is there: a folder or bucket that has gone is a `StorageError`.
        """
        ...

    async def delete(self, digest: str, unless_put_since: datetime | None = None) -> bool:
        """Remove the blob, unless it was put since the moment; tell whether it was there and is removed.

        Raises `ValueError` for what is no digest.
        """
        ...

    def older_than(self, moment: datetime) -> AsyncIterator[str]:
        """Yield the digests of the blobs that were last put before ``moment``."""
        ...

    def expect(self) -> None:
        """Blobs were put here before: where the place is not there, it is missed, and never made anew."""
        ...

    async def check(self) -> str | None:
        """Return why blobs cannot be stored now, None if they can. Of a disk only its use tells when that begins."""
        ...

    async def close(self) -> None:
        """Wait for what is under way. Everything asked later fails with `StorageClosed`."""
        ...


def open_blobs(place: Path | str, timeout_s: float = TIMEOUT_S) -> Blobs:
    """Return the blob store of a folder, or of ``s3://BUCKET/PREFIX?endpoint=…&region=…``.

    ``timeout_s``: how long a store on the network may be silent. Raises UnusableBlobPlace.
    """
    if isinstance(place, str) and place.startswith(S3_SCHEME):
        # Its library is an optional one, and half a second of a start.
        from app.storage.s3_blobs import S3Blobs

        return S3Blobs.of_url(place, timeout_s)
    return FolderBlobs(Path(place))


async def try_out(blobs: Blobs) -> str | None:
    """Return why the place does not work now, None if it does: something new is stored, read and removed."""
    if (trouble := await blobs.check()) is not None:
        return trouble
    data = os.urandom(32)
    try:
        async with asyncio.timeout(_TRY_OUT_S):
            digest = await blobs.put(data)
            try:
                await blobs.get(digest)
            finally:
                await blobs.delete(digest)
    except TimeoutError:
        return "the blob store does not answer"
    except StorageError as failure:
        return str(failure)
    return None


Unreferenced = Callable[[Collection[str]], Awaitable[frozenset[str]]]


async def collect_garbage(blobs: Blobs, unreferenced: Unreferenced, last_put_before: datetime) -> int:
    """Remove the blobs that nothing needs and that were not put since the moment; return how many.

    Whoever accepts a job puts its blobs first and writes its row then. So the moment must lie further back than that
    may take; a blob that is put while this runs is newer than the moment and stays.
    """
    removed = 0
    candidates: list[str] = []
    async for digest in blobs.older_than(last_put_before):
        candidates.append(digest)
        if len(candidates) == _ASKED_AT_ONCE:
            removed += await _remove(blobs, await unreferenced(candidates), last_put_before)
            candidates = []
    if candidates:
        removed += await _remove(blobs, await unreferenced(candidates), last_put_before)
    return removed


async def _remove(blobs: Blobs, digests: Collection[str], last_put_before: datetime) -> int:
    return sum([await blobs.delete(digest, unless_put_since=last_put_before) for digest in digests])
