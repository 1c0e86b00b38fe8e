"""Blobs in an S3-compatible object store, for servers that share their work. Needs the optional package obstore."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl, urlsplit

from app.storage.errors import BlobCorrupt, BlobMissing, StorageClosed, StorageError

try:
    from obstore.exceptions import BaseError
    from obstore.store import S3Store
except ImportError as missing:
    said = "blobs in S3 need the package obstore; install sightgate-server[s3]"
    raise StorageError(said) from missing

if TYPE_CHECKING:
    from obstore.store import S3Config

T = TypeVar("T")

_DIGEST = re.compile(r"[0-9a-f]{64}")
_AT_ONCE = 32
_LISTED_AT_ONCE = 1000
_CONNECT_S, _REQUEST_S, _RETRIES_S = 5, 60, 30
_PARAMETERS = {"endpoint", "region"}


class S3Blobs:
    """A `Blobs` in a bucket, each at PREFIX/DIGEST. Credentials come from the ``AWS_…`` variables, or from the machine.

    What S3 has answered is durable. An object store cannot delete on a condition of time: `delete` looks first, so a
    blob that is put again within the milliseconds between may be lost. A collector's grace time is what protects it.
    """

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._closed = False

    @classmethod
    def of_url(cls, url: str) -> "S3Blobs":
        """Return the blobs of ``s3://BUCKET/PREFIX?endpoint=…&region=…``. Raises StorageError for another URL."""
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        if not parts.netloc or "@" in parts.netloc or not query.keys() <= _PARAMETERS:
            raise StorageError("the URL of the blobs must be s3://BUCKET/PREFIX?endpoint=URL&region=NAME")
        endpoint = query.get("endpoint")
        config: S3Config = {"region": query.get("region", "us-east-1")}
        if endpoint:
            config["endpoint"] = endpoint
        try:
            store = S3Store(
                parts.netloc,
                prefix=parts.path.strip("/") or None,
                config=config,
                client_options={
                    "allow_http": bool(endpoint and endpoint.startswith("http://")),
                    "connect_timeout": timedelta(seconds=_CONNECT_S),
                    "timeout": timedelta(seconds=_REQUEST_S),
                },
                retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=_RETRIES_S)},
            )
        except (BaseError, ValueError) as wrong:
            raise StorageError(f"the URL of the blobs cannot be used: {wrong}") from wrong
        return cls(store)

    async def put(self, data: bytes) -> str:
        """Store one blob. It is written even if it is there: that sets its time, and costs one request, not two."""
        digest = await asyncio.to_thread(_digest_of, data)
        await self._ask(lambda: self._store.put_async(digest, data, use_multipart=False), "there is no such bucket")
        return digest

    async def put_many(self, blobs: Sequence[bytes]) -> list[str]:
        """Store several blobs, some at once, and return their digests in the same order."""
        return list(await asyncio.gather(*(self.put(data) for data in blobs)))

    async def get(self, digest: str) -> bytes:
        """Return what was put. Raises `BlobMissing`, `BlobCorrupt`, and `ValueError` for what is no digest."""
        _check(digest)
        data = await self._ask(lambda: self._read(digest))
        if await asyncio.to_thread(_digest_of, data) != digest:
            raise BlobCorrupt
        return data

    async def delete(self, digest: str, unless_put_since: datetime | None = None) -> bool:
        """Remove the blob, unless it was put since; tell whether it was there and is removed."""
        _check(digest)
        try:
            found = await self._ask(lambda: self._store.head_async(digest))
        except BlobMissing:
            return False
        if unless_put_since is not None and found["last_modified"] >= unless_put_since:
            return False
        await self._ask(lambda: self._store.delete_async(digest))
        return True

    async def older_than(self, moment: datetime) -> AsyncIterator[str]:
        """Yield the digests of the blobs last put before ``moment``; other objects in the bucket are none of ours."""
        listing = self._store.list(chunk_size=_LISTED_AT_ONCE)
        while chunk := await self._ask(lambda: anext(listing, None)):
            for found in chunk:
                if _DIGEST.fullmatch(found["path"]) and found["last_modified"] < moment:
                    yield found["path"]

    async def close(self) -> None:
        """Wait for what is under way. Everything asked later fails with `StorageClosed`."""
        self._closed = True
        for _ in range(_AT_ONCE):
            await self._room.acquire()
        for _ in range(_AT_ONCE):
            self._room.release()

    async def _read(self, digest: str) -> bytes:
        answer = await self._store.get_async(digest)
        return bytes(await answer.bytes_async())

    async def _ask(self, question: Callable[[], Awaitable[T]], absent: str = "") -> T:
        if self._closed:
            raise StorageClosed
        async with self._room:
            try:
                return await question()
            except FileNotFoundError as missing:
                raise (StorageError(absent) if absent else BlobMissing()) from missing
            except BaseError as failure:
                # Its text holds the address, and what the store answered.
                raise StorageError(f"the blob store failed: {type(failure).__name__}") from failure


def _digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _check(digest: str) -> None:
    if not _DIGEST.fullmatch(digest):
        raise ValueError("a blob is named by 64 lower-case hexadecimal digits")
