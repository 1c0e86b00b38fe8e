"""What a command cannot do, as one clear line and an exit code.

::

    typer.TyperException          bad usage that the parser finds (exit 2)
    └── CliError                  what the caller can mend (exit 2 unless said otherwise)
        └── Refused               Sightgate refused what was asked, with a code of its table (exit 1)
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

BAD_USAGE = 2
FAILED = 1


class CliError(typer.TyperException):
    """The command cannot be done; the message says why and what mends it."""

    exit_code = BAD_USAGE


class Refused(CliError):
    """Sightgate refused; ``error`` is the envelope's error part."""

    exit_code = FAILED

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message", "")))
        self.error = error


@contextmanager
def told_clearly(data_dir: Path) -> Iterator[None]:
    """Turn what can be expected to go wrong with a data folder and its files into a CliError."""
    # Imported here: most commands talk to a running server and need no storage.
    from app.services.operator_file import OperatorFileError
    from app.storage.errors import (
        DataFolderInUse,
        StorageAway,
        StorageError,
        StorageFailing,
        UnsupportedDatabase,
        UnusableBlobPlace,
    )

    try:
        yield
    except DataFolderInUse as used:
        raise CliError(in_use(data_dir, used.pid, used.address)) from used
    except (StorageAway, StorageFailing, UnsupportedDatabase) as failed:
        raise CliError(f"SIGHTGATE_DATABASE_URL: {failed}") from failed
    except UnusableBlobPlace as failed:
        raise CliError(f"SIGHTGATE_BLOB_URL: {failed}") from failed
    except StorageError as failed:
        raise CliError(f"the data folder {data_dir} cannot be used: {failed}") from failed
    except OperatorFileError as broken:
        raise CliError(f"{broken} (in {data_dir})") from broken


def in_use(data_dir: Path, pid: int | None, address: str | None) -> str:
    """Return the line for a data folder that another process holds."""
    who = f"process {pid}" if pid is not None else "another process"
    if address is None:
        return (
            f"the data folder {data_dir} is in use by {who}; try again when that has ended, or give another --data-dir"
        )
    return f"the data folder {data_dir} is in use by {who}, a server at {address}; stop it, or give another --data-dir"
