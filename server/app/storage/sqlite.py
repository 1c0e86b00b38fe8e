"""Connections to SQLite, set up as the store needs them, and the files that a URL names."""

import os
import sqlite3
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote

from app.storage.errors import UnsupportedDatabase, from_os


class Durability(StrEnum):
    """What a commit waits for. FULL survives a power cut; NORMAL survives the death of the process only."""

    FULL = "full"
    NORMAL = "normal"


def database_file(path_or_url: Path | str) -> Path:
    """Return the file that is meant. Raises `UnsupportedDatabase` for other URLs than ``sqlite:///PATH``."""
    text = str(path_or_url)
    if text.startswith("sqlite:///"):
        text = unquote(text.removeprefix("sqlite:///"))
    if not text or "://" in text or text.startswith((":memory:", "file:")):
        raise UnsupportedDatabase
    return Path(text).absolute()


def create_private(file: Path) -> None:
    """Make the file and its folder, readable by the owner alone, unless they exist. Raises `StorageError`."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as failure:
        raise from_os(failure) from failure


def connect_writer(file: Path, busy_timeout_s: float) -> sqlite3.Connection:
    """Open the one connection that writes. Transactions are begun by the caller. Raises ``sqlite3.Error``."""
    connection = sqlite3.connect(file, timeout=busy_timeout_s, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_size_limit = 67108864")  # bytes; after a burst the log shrinks again
    connection.execute("PRAGMA wal_autocheckpoint = 4000")  # pages of 4 KiB; the same index page is copied less often
    set_durability(connection, Durability.NORMAL)
    return connection


def connect_reader(file: Path, busy_timeout_s: float) -> sqlite3.Connection:
    """Open a connection that cannot write. It may be closed from another thread. Raises ``sqlite3.Error``."""
    connection = sqlite3.connect(file, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only = ON")
    return connection


def set_durability(connection: sqlite3.Connection, durability: Durability) -> None:
    """Say what the next commits wait for. Not inside a transaction."""
    connection.execute(f"PRAGMA synchronous = {durability.value}")
