"""Blobs on disk. What arrives together is written into one pack and made durable by one sync.

A sync for each file bounds the rate at which jobs can be accepted, and a new file costs the file system more than its
150 KB of content: on two cores and ext4, files of their own mostly came to 400 to 1,700 blobs a second whatever the
number of threads, of folders, and the way to sync (fsync, fdatasync, syncfs); packs came to 2,500 to 4,900 within the
same hour.

``FOLDER/named/DIGEST`` is a hard link to the pack that holds the blob. So the file system itself counts how many blobs
of a pack are still wanted, and frees it after the last; there is no index that could be wrong after a crash, and
several processes may share the folder. A name exists only once its content is durable, and who renews or removes one
holds its pack.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import itertools
import os
import re
import tempfile
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from app.storage import disk_room, packs
from app.storage.errors import BlobCorrupt, BlobMissing, StorageClosed, StorageError, StorageFull, from_os

T = TypeVar("T")

_DIGEST = re.compile(r"[0-9a-f]{64}")
_ABANDONED_AFTER_S = 3600.0
_THREADS = 4
# One writes while the other waits for its sync; more would make smaller packs.
_WRITERS = 2
_PACK_BYTES = 32 * 1024 * 1024
_LISTED_AT_ONCE = 1000
_CHECK_S = 5.0
_NOT_THERE = "the folder of the blobs is not there"


@dataclass(slots=True)
class _Put:
    data: bytes
    done: "asyncio.Future[str]"


class FolderBlobs:
    """A `Blobs` in a folder. All blocking work is done on threads of its own."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock
        self._incoming = folder / "incoming"
        self._named = folder / "named"
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="storage-blobs")
        self._waiting: deque[_Put] = deque()
        self._writing: set[asyncio.Future[None]] = set()
        self._refused_bytes: int | None = None
        self._expected = False
        self._ready = False
        self._closed = False

    async def put(self, data: bytes) -> str:
        """Store one blob. Callers that come at the same time share a pack, and its sync."""
        return (await self.put_many([data]))[0]

    async def put_many(self, blobs: Sequence[bytes]) -> list[str]:
        """Store several blobs and return their digests in the same order.

        What cannot all have room is refused before any of it is written: the blobs of a batch that nobody accepted
        would fill the disk of the jobs that run, until they are old enough to be collected.
        """
        if self._closed:
            raise StorageClosed
        if len(blobs) > 1:
            await self._on_a_thread(lambda: self._refuse_without_room(blobs))
        loop = asyncio.get_running_loop()
        puts = [_Put(data, loop.create_future()) for data in blobs]
        self._waiting.extend(puts)
        self._write_on()
        return list(await asyncio.gather(*(put.done for put in puts)))

    async def get(self, digest: str) -> bytes:
        """Return what was put. Raises `BlobMissing`, `BlobCorrupt`, and `ValueError` for what is no digest."""
        file = self._file(digest)
        return await self._on_a_thread(lambda: self._read(file, digest))

    async def delete(self, digest: str, unless_put_since: datetime | None = None) -> bool:
        """Remove the blob, unless it was put since; tell whether it was there and is removed."""
        file = self._file(digest)
        since = unless_put_since.timestamp() if unless_put_since is not None else None
        return await self._on_a_thread(lambda: self._delete(file, digest, since))

    async def older_than(self, moment: datetime) -> AsyncIterator[str]:
        """Yield the digests of the blobs last put before ``moment``. The blobs of one pack have one time: the last."""
        listing = self._list_older(moment.timestamp())
        while chunk := await self._on_a_thread(lambda: list(itertools.islice(listing, _LISTED_AT_ONCE))):
            for digest in chunk:
                yield digest

    def expect(self) -> None:
        """Blobs were put here before: a folder that is not there is not made, but missed."""
        self._expected = True

    async def check(self) -> str | None:
        """Return why blobs cannot be stored now, None if they can. Writes only if the disk refused something before."""
        refused = self._refused_bytes
        if refused is None:
            return None
        try:
            async with asyncio.timeout(_CHECK_S):
                await self._on_a_thread(lambda: disk_room.try_out(self._incoming, refused))
        except TimeoutError:
            return "the blob store does not answer"
        except StorageError as failure:
            return f"the blob store: {failure}"
        self._refused_bytes = None
        return None

    async def close(self) -> None:
        """Wait for what is under way. Everything asked later fails with `StorageClosed`."""
        self._closed = True
        while self._writing:
            await asyncio.wait(set(self._writing))
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)

    def _file(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise ValueError("a blob is named by 64 lower-case hexadecimal digits")
        return self._named / digest

    def _file_of_its_own(self, digest: str) -> Path:
        """Return where the blob lay, as a file of nothing else, before there were packs."""
        return self._folder / digest[:2] / digest[2:4] / digest

    async def _on_a_thread(self, function: Callable[[], T]) -> T:
        if self._closed:
            raise StorageClosed
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function)
        except OSError as failure:
            raise from_os(failure) from failure

    def _write_on(self) -> None:
        """Let the writers take what waits: all of it, so that packs are as large as the callers are many."""
        while self._waiting and len(self._writing) < _WRITERS:
            group = self._take_group()
            written = asyncio.get_running_loop().create_task(self._write(group))
            self._writing.add(written)
            written.add_done_callback(self._written)

    def _written(self, writing: "asyncio.Future[None]") -> None:
        self._writing.discard(writing)
        self._write_on()

    def _take_group(self) -> list[_Put]:
        group, size = [self._waiting.popleft()], 0
        while self._waiting and len(group) < packs.MOST_BLOBS:
            size += len(group[-1].data)
            if size + len(self._waiting[0].data) > _PACK_BYTES:
                break
            group.append(self._waiting.popleft())
        return group

    async def _write(self, group: Sequence[_Put]) -> None:
        blobs = [put.data for put in group]
        try:
            digests = await asyncio.get_running_loop().run_in_executor(self._pool, self._store, blobs)
            for put, digest in zip(group, digests, strict=True):
                if not put.done.done():  # its caller may have left
                    put.done.set_result(digest)
        except (OSError, StorageError) as failure:
            self._refused_bytes = sum(map(len, blobs))
            _fail(group, failure if isinstance(failure, StorageError) else from_os(failure))
        finally:
            _fail(group, StorageClosed())

    def _refuse_without_room(self, blobs: Sequence[bytes]) -> None:
        self._make_ready()
        if disk_room.has_room(self._named, sum(map(len, blobs))):
            return
        sizes = {hashlib.sha256(data).hexdigest(): len(data) for data in blobs}
        new = sum(size for digest, size in sizes.items() if not (self._named / digest).exists())
        if not disk_room.has_room(self._named, new):
            raise StorageFull

    def _store(self, blobs: Sequence[bytes]) -> list[str]:
        self._make_ready()
        digests = [hashlib.sha256(data).hexdigest() for data in blobs]
        new = {digest: data for digest, data in zip(digests, blobs, strict=True) if not self._is_kept(digest, data)}
        if new:
            self._write_pack(new)
        # Also for what was there: another writer may have named it and not come this far yet.
        _sync(self._named)
        return digests

    def _is_kept(self, digest: str, data: bytes) -> bool:
        """Tell whether the blob is stored as it is, and set its time to now."""
        with _held(self._named / digest) as pack:
            return pack is not None and _renew(pack, digest, data)

    def _write_pack(self, blobs: dict[str, bytes]) -> None:
        handle, name = tempfile.mkstemp(dir=self._incoming)
        pack = Path(name)
        try:
            try:
                packs.write(handle, blobs)
                os.fsync(handle)
                packs.forget_pages(handle)
            finally:
                os.close(handle)
            for digest, data in blobs.items():
                self._name(pack, digest, data)
        finally:
            pack.unlink(missing_ok=True)

    def _name(self, pack: Path, digest: str, data: bytes) -> None:
        """Give the pack one more name. What has it already is the same blob, or a broken one."""
        name = self._named / digest
        while True:
            with contextlib.suppress(FileExistsError):
                os.link(pack, name)
                return
            with _held(name) as other:
                if other is None:
                    continue
                if not _renew(other, digest, data):
                    whole = self._incoming / uuid.uuid4().hex
                    os.link(pack, whole)
                    whole.replace(name)
                return

    def _read(self, file: Path, digest: str) -> bytes:
        try:
            data = _content(file, digest)
        except FileNotFoundError:
            try:
                data = _proven(self._file_of_its_own(digest).read_bytes(), digest)
            except FileNotFoundError as missing:
                self._miss()
                raise BlobMissing from missing
        if data is None:
            raise BlobCorrupt
        return data

    def _miss(self) -> None:
        """Raise StorageError if it is not a blob that is missing, but the whole folder: moved away, or not mounted."""
        if not self._is_there():
            self._refused_bytes = 0
            raise StorageError(_NOT_THERE)

    def _is_there(self) -> bool:
        # An empty folder is what a mount leaves behind.
        return self._named.is_dir() or any(self._folder.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]"))

    def _delete(self, file: Path, digest: str, unless_put_since: float | None) -> bool:
        with _held(file) as pack:
            if pack is None:
                return _delete_file(self._file_of_its_own(digest), unless_put_since)
            if _is_newer(os.fstat(pack), unless_put_since):
                return False
            file.unlink()
            self._give_space_back(pack, digest)
            return True

    def _give_space_back(self, pack: int, digest: str) -> None:
        place = packs.find(pack, digest)
        if place is not None and os.fstat(pack).st_nlink > 0:
            # Or a power cut could bring back the name of what is a hole by then.
            _sync(self._named)
            packs.give_space_back(pack, place)

    def _list_older(self, moment: float) -> Iterator[str]:
        for folder in (self._named, *sorted(self._folder.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]"))):
            try:
                entries = os.scandir(folder)
            except FileNotFoundError:
                continue
            with entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):
                        if _DIGEST.fullmatch(entry.name) and entry.stat().st_mtime < moment:
                            yield entry.name

    def _make_ready(self) -> None:
        """Make the folders, durably, once in the life of this object."""
        if self._ready:
            return
        if self._expected:
            self._miss()
        for folder in (self._incoming, self._named):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync(self._folder)
        _sync(self._folder.parent)
        self._remove_abandoned()
        self._ready = True

    def _remove_abandoned(self) -> None:
        """Remove what a server that died was writing. Another may be at work, so only what has not changed for long."""
        for file in self._incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if self._clock() - file.stat().st_ctime >= _ABANDONED_AFTER_S:
                    file.unlink()


@contextlib.contextmanager
def _held(name: Path) -> Iterator[int | None]:
    """Hold the pack that has a name, or None if there is none: nobody else renews or removes the name meanwhile.

    The lock is the pack's, so it goes with the process that holds it, however that ends.
    """
    while True:
        try:
            pack = os.open(name, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            yield None
            return
        try:
            fcntl.flock(pack, fcntl.LOCK_EX)
            if _has_name(pack, name):
                yield pack
                return
        finally:
            os.close(pack)


def _has_name(pack: int, name: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(pack), name.stat())
    except FileNotFoundError:
        return False


def _renew(pack: int, digest: str, data: bytes) -> bool:
    """Set the blob's time to now; tell whether it is there, byte for byte.

    The bytes are at hand now, and nowhere once their job is accepted: a disk that changed them is found out here.
    """
    try:
        place = packs.find(pack, digest)
        if place is None or os.pread(pack, place.length, place.offset) != data:
            return False
    except OSError:  # a part of the disk that cannot be read: what is put now goes elsewhere
        return False
    os.utime(pack)
    return True


def _fail(group: Sequence[_Put], failure: StorageError) -> None:
    """Tell those that have not been told how it ended."""
    for put in group:
        if not put.done.done():
            put.done.set_exception(failure)


def _content(file: Path, digest: str) -> bytes | None:
    """Return the blob out of its pack, or None if the pack does not hold it whole. Raises OSError."""
    with file.open("rb") as pack:
        place = packs.find(pack.fileno(), digest)
        return _proven(os.pread(pack.fileno(), place.length, place.offset), digest) if place is not None else None


def _proven(data: bytes, digest: str) -> bytes | None:
    return data if hashlib.sha256(data).hexdigest() == digest else None


def _is_newer(blob: os.stat_result, than: float | None) -> bool:
    return than is not None and blob.st_mtime >= than


def _delete_file(file: Path, unless_put_since: float | None) -> bool:
    try:
        if _is_newer(file.stat(), unless_put_since):
            return False
        file.unlink()
    except FileNotFoundError:
        return False
    return True


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
