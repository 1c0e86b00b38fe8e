"""Whether a disk takes what is to be written into a folder. Every function may raise OSError."""

import os
import tempfile
from pathlib import Path

_MOST_TRIED = 1024 * 1024


def has_room(folder: Path, size: int) -> bool:
    """Tell whether so many bytes are free for us on the folder's disk."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize >= size


def try_out(folder: Path, size: int) -> None:
    """Reserve so many bytes, a MiB at most, as a file in the folder, and give them back.

    Not more: a disk on which only the largest of what may come has no room still serves.
    """
    handle, name = tempfile.mkstemp(dir=folder)
    try:
        if hasattr(os, "posix_fallocate"):  # Linux has it, macOS has not
            os.posix_fallocate(handle, 0, max(1, min(size, _MOST_TRIED)))
    finally:
        os.close(handle)
        Path(name).unlink()
