"""Disks that fill up and folders that cannot be written, as the kernel makes them: permissions do not stop root."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.skipping import skip

CHUNK = b"\0" * 65_536


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Path]:
    """A file system of that size at ``folder``, until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={mib}m,mode=0755", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        _unmount(folder)


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """``folder`` and all below it, not to be written, until the block ends. No file of it may be open for writing."""
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,bind,ro", str(folder))
        yield folder
    finally:
        _unmount(folder)


def fill(folder: Path) -> Path:
    """Take all that is left of the file system; removing the returned file gives it back."""
    ballast = folder / "ballast"
    handle = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (len(CHUNK), 4096, 1):
            _write_until_full(handle, CHUNK[:size])
    finally:
        os.close(handle)
    return ballast


def _write_until_full(handle: int, data: bytes) -> None:
    try:
        while os.write(handle, data):
            pass
    except OSError:
        return


def _mount(*arguments: str) -> None:
    if os.geteuid() != 0:
        skip("only root may mount")
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        skip(f"nothing can be mounted here: {done.stderr.strip()}")


def _unmount(folder: Path) -> None:
    # Lazily: a server that still ends has files open.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
