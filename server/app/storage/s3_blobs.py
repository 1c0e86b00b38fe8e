"""Blobs in an S3-compatible object store, for servers that share their work. Needs the optional package obstore."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl, urlsplit

from app.storage.errors import BlobCorrupt, BlobMissing, StorageClosed, StorageError, UnusableBlobPlace
from app.storage.reachability import Reachability

try:
    from obstore.exceptions import BaseError
    from obstore.store import S3Store
except ImportError as missing:
    said = "blobs in S3 need the package obstore; install sightgate-server[s3]"
    raise UnusableBlobPlace(said) from missing

if TYPE_CHECKING:
    from obstore.store import S3Config

T = TypeVar("T")

_DIGEST = re.compile(r"[0-9a-f]{64}")
_AT_ONCE = 32
_LISTED_AT_ONCE = 1000
# What is longer is given more time than the rest: at so many bytes a second it still comes through.
_SLOWEST = 250_000
_CONNECT_S = 5
# A listing may take the store long, and nobody waits for it.
_LISTING_S = 60.0
_LOOK_S = 2.0
# Ours end first; the library's own limit, which counts no bytes, must not.
_NO_LIMIT = timedelta(hours=1)
_NOBODYS = "0" * 64
_SILENT = "the blob store does not answer"
_PARAMETERS = {"endpoint", "region"}


class S3Blobs:
    """A `Blobs` in a bucket, each at PREFIX/DIGEST. Credentials come from the ``AWS_…`` variables, or from the machine.

    What S3 has answered is durable. An object store cannot delete on a condition of time: `delete` looks first, so a
    blob that is put again within the milliseconds between, or while the store hangs with the deletion, may be lost.
    A collector's grace time is what protects it.
    """

    def __init__(self, store: S3Store, timeout_s: float) -> None:
        self._store = store
        self._timeout_s = timeout_s
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._closed = False
        self._answers = 0
        self._reachability = Reachability(self._look)

    @classmethod
    def of_url(cls, url: str, timeout_s: float) -> "S3Blobs":
        """Return the blobs of ``s3://BUCKET/PREFIX?endpoint=…&region=…``. Raises UnusableBlobPlace for another URL.

        ``timeout_s``: how long the store may be silent before what is asked of it fails, its retries included.
        """
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        if not parts.netloc or "@" in parts.netloc or not query.keys() <= _PARAMETERS:
            raise UnusableBlobPlace("must be s3://BUCKET/PREFIX?endpoint=URL&region=NAME")
        endpoint = query.get("endpoint")
        if endpoint is not None and not _is_web_url(endpoint):
            raise UnusableBlobPlace("the endpoint must be a URL such as https://storage.example.org")
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
                    "timeout": _NO_LIMIT,
                },
                retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=timeout_s)},
            )
        except (BaseError, ValueError) as wrong:
            raise UnusableBlobPlace(f"the URL cannot be used: {wrong}") from wrong
        return cls(store, timeout_s)

    async def put(self, data: bytes) -> str:
        """Store one blob. It is written even if it is there: that sets its time, and costs one request, not two."""
        digest = await asyncio.to_thread(_digest_of, data)
        await self._ask(
            lambda _: self._store.put_async(digest, data, use_multipart=False),
            self._limit_s(len(data)),
            "there is no such bucket",
        )
        return digest

    async def put_many(self, blobs: Sequence[bytes]) -> list[str]:
        """Store several blobs, some at once, and return their digests in the same order. With one that fails all do."""
        try:
            async with asyncio.TaskGroup() as group:
                puts = [group.create_task(self.put(data)) for data in blobs]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        return [put.result() for put in puts]

    async def get(self, digest: str) -> bytes:
        """Return what was put. Raises `BlobMissing`, `BlobCorrupt`, and `ValueError` for what is no digest."""
        _check(digest)
        try:
            data = await self._ask(lambda limit: self._read(digest, limit), self._timeout_s)
        except BlobMissing:
            # Of a bucket that is not there the library says the same; a listing tells them apart.
            await self._ask(lambda _: anext(self._store.list(chunk_size=1), None), self._timeout_s)
            raise
        if await asyncio.to_thread(_digest_of, data) != digest:
            raise BlobCorrupt
        return data

    async def delete(self, digest: str, unless_put_since: datetime | None = None) -> bool:
        """Remove the blob, unless it was put since; tell whether it was there and is removed."""
        _check(digest)
        try:
            found = await self._ask(lambda _: self._store.head_async(digest), self._timeout_s)
        except BlobMissing:
            return False
        if unless_put_since is not None and found["last_modified"] >= unless_put_since:
            return False
        await self._ask(lambda _: self._store.delete_async(digest), self._timeout_s)
        return True

    async def older_than(self, moment: datetime) -> AsyncIterator[str]:
        """Yield the digests of the blobs last put before ``moment``; other objects in the bucket are none of ours."""
        listing = self._store.list(chunk_size=_LISTED_AT_ONCE)
        while chunk := await self._ask(lambda _: anext(listing, None), max(self._timeout_s, _LISTING_S)):
            for found in chunk:
                if _DIGEST.fullmatch(found["path"]) and found["last_modified"] < moment:
                    yield found["path"]

    def expect(self) -> None:
        """Nothing to do: a bucket is never made."""

    async def check(self) -> str | None:
        """Return why blobs cannot be reached now, None if they can. Within seconds, whatever the store does."""
        return await self._reachability.trouble()

    async def close(self) -> None:
        """Wait for what is under way. Everything asked later fails with `StorageClosed`."""
        self._closed = True
        for _ in range(_AT_ONCE):
            await self._room.acquire()
        for _ in range(_AT_ONCE):
            self._room.release()

    def _limit_s(self, size: int) -> float:
        return self._timeout_s + size / _SLOWEST

    async def _read(self, digest: str, limit: asyncio.Timeout) -> bytes:
        answer = await self._store.get_async(digest)
        limit.reschedule(asyncio.get_running_loop().time() + self._limit_s(answer.meta["size"]))
        return bytes(await answer.bytes_async())

    async def _look(self) -> str | None:
        try:
            # Not among those who wait for room: where there is much to do, the store can be reached all the same.
            async with asyncio.timeout(min(_LOOK_S, self._timeout_s)):
                await self._store.head_async(_NOBODYS)
        except FileNotFoundError:
            return None
        except TimeoutError:
            return _SILENT
        except BaseError as failure:
            return _told(failure)
        return None

    async def _ask(self, question: Callable[[asyncio.Timeout], Awaitable[T]], limit_s: float, absent: str = "") -> T:
        """Ask when there is room. Raises StorageError if the store does not answer in time."""
        if self._closed:
            raise StorageClosed
        await self._enter()
        try:
            async with asyncio.timeout(limit_s) as limit:
                answer = await question(limit)
        except FileNotFoundError as missing:
            self._heard()
            raise (StorageError(absent) if absent else BlobMissing()) from missing
        except TimeoutError:
            raise StorageError(_SILENT) from None
        except BaseError as failure:
            raise StorageError(_told(failure)) from failure
        else:
            self._heard()
            return answer
        finally:
            self._room.release()

    async def _enter(self) -> None:
        """Wait for room as long as the store answers others, and no longer: a queue must not add up their limits."""
        while True:
            heard = self._answers
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._room.acquire()
            except TimeoutError:
                if self._answers == heard:
                    raise StorageError(_SILENT) from None
            else:
                return

    def _heard(self) -> None:
        self._answers += 1
        self._reachability.proved()


def _told(failure: BaseError) -> str:
    # Its text holds the address, and what the store answered.
    return f"the blob store failed: {type(failure).__name__}"


def _is_web_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _check(digest: str) -> None:
    if not _DIGEST.fullmatch(digest):
        raise ValueError("a blob is named by 64 lower-case hexadecimal digits")
