"""Remove a folder that a plugin filled: however deep it is, whatever is locked in it, following no link."""

import os
from contextlib import suppress
from pathlib import Path

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(folder: Path) -> None:
    """Remove ``folder`` with all in it; what the system does not let go of stays.

    The standard library's own (before Python 3.13) recurses, and a plugin chooses how deep. Here each folder's
    folders are moved up beside it instead, so that nothing is ever more than two levels deep.
    """
    with suppress(OSError):
        top = os.open(folder, _OPEN_FOLDER)
        try:
            _empty(top)
        finally:
            os.close(top)
        folder.rmdir()


def _empty(top: int) -> None:
    pending = _clear(top)
    taken = 0
    while pending:
        name = pending.pop()
        with suppress(OSError):
            inner = os.open(name, _OPEN_FOLDER, dir_fd=top)
            try:
                for inside in _clear(inner):
                    taken += 1
                    raised = f".{taken}-{os.urandom(8).hex()}"
                    os.rename(inside, raised, src_dir_fd=inner, dst_dir_fd=top)
                    pending.append(raised)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=top)


def _clear(folder: int) -> list[str]:
    """Remove all that is no folder; unlock the folders and return their names."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        with suppress(OSError):
            if is_folder:
                os.chmod(name, 0o700, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)
    return [name for name, is_folder in found if is_folder]
