"""Which store a path or URL means."""

from pathlib import Path

from app.storage.migrate import is_postgres
from app.storage.sqlite import Durability
from app.storage.sqlite_store import SqliteJobStore
from app.storage.store import JobStore


def open_store(
    path_or_url: Path | str, *, durability: Durability = Durability.FULL, lease_s: float = 15.0, timeout_s: float = 15.0
) -> JobStore:
    """Return the store, not started yet: a ``postgresql://`` URL, or a path or ``sqlite:///`` URL.

    ``lease_s``: how long leases are, seconds; a server that says nothing for three of them is gone. ``timeout_s``: how
    long PostgreSQL may leave a write without an answer. Raises `UnsupportedDatabase` for another URL.
    """
    if not is_postgres(str(path_or_url)):
        return SqliteJobStore(path_or_url, durability=durability)
    # Imported here: whoever uses SQLite does without the driver.
    from app.storage.postgres_store import PostgresJobStore

    return PostgresJobStore(str(path_or_url), durability=durability, timeout_s=timeout_s, gone_s=3 * lease_s)
