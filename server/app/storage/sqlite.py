"""Connections to SQLite, set up as the store needs them, and the files that a URL names."""

import os
import sqlite3
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import msgspec

from app.storage.errors import NotStorable, UnsupportedDatabase, from_os, from_sqlite
from app.storage.statement import EMPTY, Answer, Command, Database, InsertRows, Query, Steps

T = TypeVar("T")

# One statement for many rows: at each statement the driver lets other threads run, and then waits for its turn.
_ROWS_A_STATEMENT = (64, 16, 4, 1)
_decode = msgspec.json.Decoder(list[list[object]]).decode


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


def perform(connection: sqlite3.Connection, command: Command) -> Answer:
    """Do what steps ask for. There are no other servers to tell. Raises `StorageError`."""
    try:
        if isinstance(command, Query):
            return _execute(connection, command)
        if isinstance(command, InsertRows):
            return _insert(connection, command)
    except sqlite3.Error as failure:
        raise from_sqlite(failure) from failure
    except (UnicodeEncodeError, OverflowError) as failure:  # lone surrogates; a number beyond 64 bits
        raise NotStorable(f"the database cannot hold the value: {type(failure).__name__}") from failure
    return EMPTY


def run_steps(connection: sqlite3.Connection, steps: Steps[T]) -> T:
    """Do the steps and return what they return. Raises `StorageError`, and what the steps raise."""
    try:
        command = next(steps)
        while True:
            command = steps.send(perform(connection, command))
    except StopIteration as done:
        returned: T = done.value
        return returned


def _execute(connection: sqlite3.Connection, query: Query) -> Answer:
    text, names = query.statement.on(Database.SQLITE)
    cursor = connection.execute(text, [query.parameters[name] for name in names])
    # All rows are fetched: a statement that is not run to its end keeps its transaction from being committed.
    rows = cursor.fetchall()
    return Answer(_decode(rows[0][0]) if query.statement.packed else rows, cursor.rowcount)


def _insert(connection: sqlite3.Connection, command: InsertRows) -> Answer:
    for insert, rows in command.tables.items():
        done = 0
        for size in _ROWS_A_STATEMENT:
            while len(rows) - done >= size:
                values = [value for row in rows[done : done + size] for value in row]
                connection.execute(insert.on_sqlite(size), values)
                done += size
    return EMPTY
