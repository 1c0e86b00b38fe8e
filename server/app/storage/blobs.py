"""Inputs on disk, each under the SHA-256 of its bytes: ``FOLDER/ab/cd/abcd…``."""

import asyncio
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from app.storage.errors import BlobCorrupt, BlobMissing, StorageClosed, from_os

T = TypeVar("T")

_DIGEST = re.compile(r"[0-9a-f]{64}")
_ABANDONED_AFTER_S = 3600.0
_THREADS = 4


class BlobStore:
    """Stores bytes under their digest. All blocking work is done on threads of its own. Every method may raise
    `StorageError` for what the disk does.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="storage-blobs")
        self._lasting: set[Path] = set()
        self._closed = False

    async def put(self, data: bytes) -> str:
        """Store ``data`` so that it would survive a power cut, and return its SHA-256 as 64 hexadecimal digits.

        What is stored already is not written again; its time is set to now, so that whoever removes old blobs sees
        that it is wanted.
        """
        return await self._on_a_thread(lambda: self._put(data))

    async def get(self, digest: str) -> bytes:
        """Return what was put. Raises `BlobMissing`, `BlobCorrupt`, and `ValueError` for what is no digest."""
        file = self._file(digest)
        return await self._on_a_thread(lambda: _read(file, digest))

    async def delete(self, digest: str) -> None:
        """Remove the blob if it is there. Raises `ValueError` for what is no digest."""
        file = self._file(digest)
        await self._on_a_thread(lambda: file.unlink(missing_ok=True))

    async def close(self) -> None:
        """Wait for what is under way. Everything asked later fails with `StorageClosed`."""
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)

    def _file(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise ValueError("a blob is named by 64 lower-case hexadecimal digits")
        return self._folder / digest[:2] / digest[2:4] / digest

    async def _on_a_thread(self, function: Callable[[], T]) -> T:
        if self._closed:
            raise StorageClosed
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function)
        except OSError as failure:
            raise from_os(failure) from failure

    def _put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        file = self._file(digest)
        if self._incoming not in self._lasting:
            self._make_lasting(self._incoming)
            self._remove_abandoned()
        self._make_lasting(file.parent)
        if _is_stored(file, len(data)):
            os.utime(file)
        else:
            self._write(file, data)
        # Also for a blob that was there: another thread may have renamed it and not come this far yet.
        _sync(file.parent)
        return digest

    def _write(self, file: Path, data: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self._incoming)
        try:
            with open(handle, "wb") as writing:  # noqa: PTH123 - it has a descriptor, no path
                writing.write(data)
                writing.flush()
                os.fsync(writing.fileno())
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _make_lasting(self, folder: Path) -> None:
        """Make the folder, and sync each folder above it that got a new entry, once in the life of this object."""
        if folder in self._lasting:
            return
        if folder != self._folder:
            self._make_lasting(self._folder if folder == self._incoming else folder.parent)
        folder.mkdir(mode=0o700, parents=folder == self._folder, exist_ok=True)
        _sync(folder.parent)
        self._lasting.add(folder)

    def _remove_abandoned(self) -> None:
        """Remove what a server that died was writing. Another process may be writing now, so only what is old."""
        for file in self._incoming.iterdir():
            try:
                if time.time() - file.stat().st_mtime > _ABANDONED_AFTER_S:
                    file.unlink(missing_ok=True)
            except FileNotFoundError:
                continue


def _read(file: Path, digest: str) -> bytes:
    try:
        data = file.read_bytes()
    except FileNotFoundError as failure:
        raise BlobMissing from failure
    if hashlib.sha256(data).hexdigest() != digest:
        raise BlobCorrupt
    return data


def _is_stored(file: Path, size: int) -> bool:
    try:
        return file.stat().st_size == size
    except FileNotFoundError:
        return False


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
