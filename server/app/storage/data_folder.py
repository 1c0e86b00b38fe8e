"""One server a data folder: a lock that the kernel drops when its holder dies, however it dies.

``DATA/server.lock`` is held by flock(2); in it stands who holds it, as JSON. What it says counts only while it is held.
"""

import fcntl
import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.storage.errors import DataFolderInUse, from_os

LOCK_NAME = "server.lock"

# A reader of the owner holds the lock for an instant, so a refusal is final only after this.
_PATIENCE_S = 0.5
_PAUSE_S = 0.02
# Written in one piece of fixed length, so that a reader never sees the half of it, or the rest of a longer one.
_RECORD_BYTES = 512


@dataclass(frozen=True, slots=True)
class Owner:
    """Who runs on the data folder. ``pid`` is None when the lock is held and the file does not say by whom."""

    pid: int | None
    address: str | None
    started: datetime | None


class DataFolderLock:
    """The lock of one data folder. Child programs do not inherit it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle: int | None = None
        self._started = datetime.now(UTC)

    def acquire(self, address: str | None = None) -> None:
        """Take the lock, making the folder (for its owner alone) if need be.

        Raises `DataFolderInUse`, and `StorageError` for what the disk does.
        """
        if self._handle is not None:
            raise RuntimeError("the lock is held already")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as failure:
            raise from_os(failure) from failure
        started = datetime.now(UTC)
        try:
            _take(handle)
            _write(handle, address, started)
        except OSError as failure:
            os.close(handle)
            raise from_os(failure) from failure
        except DataFolderInUse:
            os.close(handle)
            raise
        self._started = started
        self._handle = handle

    def announce(self, address: str) -> None:
        """Write down where the server answers, once that is known. Raises `StorageError`."""
        if self._handle is None:
            raise RuntimeError("the lock is not held")
        try:
            _write(self._handle, address, self._started)
        except OSError as failure:
            raise from_os(failure) from failure

    def release(self) -> None:
        """Let the folder go. The file stays: removing it would let two servers lock two files."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            os.close(handle)


def read_owner(folder: Path) -> Owner | None:
    """Return who runs on the data folder, or None when nobody does, whatever the file says. Raises `StorageError`."""
    try:
        handle = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as failure:
        raise from_os(failure) from failure
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(handle)
    except OSError as failure:
        raise from_os(failure) from failure
    finally:
        os.close(handle)
    return None


def _take(handle: int) -> None:
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                owner = _read(handle)
                raise DataFolderInUse(owner.pid, owner.address) from None
            time.sleep(_PAUSE_S)


def _write(handle: int, address: str | None, started: datetime) -> None:
    # An address too long to fit is left out: it is a help for the CLI, not worth a failure.
    for shown in (address, None):
        record = json.dumps({"pid": os.getpid(), "address": shown, "started": started.isoformat()}).encode()
        if len(record) <= _RECORD_BYTES:
            break
    os.pwrite(handle, record.ljust(_RECORD_BYTES), 0)


def _read(handle: int) -> Owner:
    try:
        said = json.loads(os.pread(handle, _RECORD_BYTES, 0))
        return Owner(int(said["pid"]), said["address"], datetime.fromisoformat(said["started"]))
    except (ValueError, KeyError, TypeError):
        return Owner(None, None, None)
