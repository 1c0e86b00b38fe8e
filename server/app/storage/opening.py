"""Which store a path or URL means."""

from pathlib import Path

from app.storage.sqlite import Durability
from app.storage.sqlite_store import SqliteJobStore
from app.storage.store import JobStore


def open_store(path_or_url: Path | str, *, durability: Durability = Durability.FULL) -> JobStore:
    """Return the store, not started yet. Raises `StorageError` for a URL that no store is for."""
    return SqliteJobStore(path_or_url, durability=durability)
