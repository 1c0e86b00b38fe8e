"""What can go wrong in storage.

::

    StorageError                  the disk or the database did not do what was asked
    ├── StorageClosed             it was asked after closing
    ├── StorageBacklog            the disk is too slow: too many writes wait
    ├── StorageFull               no space left
    ├── StorageReadOnly           it may not be written
    ├── StorageLocked             somebody else holds it
    ├── StorageFailing            the database server cannot do its work, or does it for us no more
    ├── StorageAway               the database server cannot be reached
    │   └── OutcomeUnknown        it went away while it committed
    ├── StorageCorrupt            it is damaged, or no database
    ├── SchemaTooNew              a newer version wrote it
    ├── UnsupportedDatabase       the URL names a database that is not supported
    ├── UnusableBlobPlace         the place of the blobs names no folder and no bucket
    ├── NotStorable               the value cannot be written down
    ├── JobExists, JobMissing     the id is taken, or unknown
    ├── BlobLost                  the blob cannot be had any more
    │   └── BlobMissing, BlobCorrupt  it is not there, or is not what was put
    └── DataFolderInUse           another server runs on the data folder
    StoreRefusal                  the store works, and nothing was changed
    ├── LeaseLost                 the job is not, or no longer, this server's to write about
    ├── DependencyMissing         a job that the new one needs is unknown
    ├── KeyUsed                   the idempotency key was used with the same request
    └── KeyConflict               the idempotency key was used with another request
    CursorError (a ValueError)    the caller's cursor is none that the listing gave out

Messages hold no path: some of them reach clients through the readiness answer.
"""

import errno
import sqlite3
from collections.abc import Sequence


class StorageError(Exception):
    """The storage failed."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").rstrip("."))


class StorageClosed(StorageError):
    """The storage is closed."""


class StorageBacklog(StorageError):
    """Too many writes wait for the disk."""


class StorageFull(StorageError):
    """The disk is full."""


class StorageReadOnly(StorageError):
    """The storage cannot be written."""


class StorageLocked(StorageError):
    """Another process holds the database."""


class StorageFailing(StorageError):
    """The database server cannot do its work now."""


class StorageAway(StorageError):
    """The database server cannot be reached."""


class OutcomeUnknown(StorageAway):
    """The database server went away while it committed; whether it did is not known."""


class StorageCorrupt(StorageError):
    """The database file is damaged or is no database."""


class SchemaTooNew(StorageError):
    """The database was written by a newer version of Sightgate."""


class UnsupportedDatabase(StorageError):
    """The database URL is not supported; give a path, sqlite:///PATH or postgresql://USER@HOST/NAME."""


class UnusableBlobPlace(StorageError):
    """The place of the blobs names no folder and no bucket."""


class NotStorable(StorageError):
    """The value cannot be stored."""


class JobExists(StorageError):
    """A job with this id is stored already."""


class JobMissing(StorageError):
    """No job with this id is stored."""


class BlobLost(StorageError):
    """The blob cannot be had any more."""


class BlobMissing(BlobLost):
    """The blob is not stored."""


class BlobCorrupt(BlobLost):
    """The blob on disk is not what was put."""


class DataFolderInUse(StorageError):
    """Another server runs on this data folder."""

    def __init__(self, pid: int | None, address: str | None) -> None:
        self.pid = pid
        self.address = address
        who = f"process {pid}" if pid is not None else "another process"
        where = f", at {address}" if address else ""
        super().__init__(f"the data folder is in use by {who}{where}")


class StoreRefusal(Exception):
    """The store refused, and changed nothing."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").rstrip("."))


class LeaseLost(StoreRefusal):
    """The job's lease is not this server's, or another attempt has begun: what is known of it here is void."""


class DependencyMissing(StoreRefusal):
    """A job that the new one needs is not stored. ``job_ids`` are those that are missing."""

    def __init__(self, job_ids: Sequence[str]) -> None:
        self.job_ids = tuple(job_ids)
        super().__init__(f"there is no job {self.job_ids[0][:64]!r} to wait for")


class KeyUsed(StoreRefusal):
    """The idempotency key was used with the same request; ``existing_id`` is the job or batch it made."""

    def __init__(self, existing_id: str) -> None:
        self.existing_id = existing_id
        super().__init__()


class KeyConflict(StoreRefusal):
    """The idempotency key was used with another request."""


class CursorError(ValueError):
    """The cursor is none that this listing gave out."""

    def __init__(self) -> None:
        super().__init__("the cursor is none that this listing gave out")


_SQLITE_CODES: dict[int, type[StorageError]] = {
    sqlite3.SQLITE_FULL: StorageFull,
    sqlite3.SQLITE_READONLY: StorageReadOnly,
    sqlite3.SQLITE_CANTOPEN: StorageReadOnly,
    sqlite3.SQLITE_PERM: StorageReadOnly,
    sqlite3.SQLITE_BUSY: StorageLocked,
    sqlite3.SQLITE_LOCKED: StorageLocked,
    sqlite3.SQLITE_CORRUPT: StorageCorrupt,
    sqlite3.SQLITE_NOTADB: StorageCorrupt,
    sqlite3.SQLITE_TOOBIG: NotStorable,
    sqlite3.SQLITE_CONSTRAINT: NotStorable,
}
_DUPLICATE = {sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE}

_OS_CODES: dict[int, type[StorageError]] = {
    errno.ENOSPC: StorageFull,
    errno.EDQUOT: StorageFull,
    errno.EROFS: StorageReadOnly,
    errno.EACCES: StorageReadOnly,
    errno.EPERM: StorageReadOnly,
}


def from_sqlite(failure: sqlite3.Error) -> StorageError:
    """Return the storage error that says what SQLite's error means."""
    code: int | None = getattr(failure, "sqlite_errorcode", None)
    if code is None:  # raised by the driver itself: a value that it cannot bind, a closed connection
        return NotStorable(str(failure))
    if code in _DUPLICATE:
        return JobExists()
    kind = _SQLITE_CODES.get(code & 0xFF)
    return kind() if kind else StorageError(f"the database failed: {failure}")


def from_os(failure: OSError) -> StorageError:
    """Return the storage error that says what the operating system's error means."""
    if failure.errno in (errno.EEXIST, errno.ENOTDIR):
        return StorageError("it is a file, or lies below one")
    kind = _OS_CODES.get(failure.errno or 0)
    return kind() if kind else StorageError(f"the disk failed: {failure.strerror}")
