"""The folder of plugins' environments, for those who change it: staging, versions, the pointer to the one in use."""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from app.plugins.loader.environments import (
    CURRENT,
    REPORT,
    Environment,
    PluginEnvironments,
    UnusableEnvironment,
    read_environment,
)

LOCK, STAGING = ".lock", ".staging"
_OTHERS_READ = 0o755  # a worker under another user must be able to read what it runs


class AnotherChange(Exception):
    """Another process is changing the environments."""


class EnvironmentWriter:
    """Changes environments. Only ``point`` changes what is in use, in one step; all else is seen by nobody."""

    def __init__(self, environments: PluginEnvironments) -> None:
        self._environments = environments

    @contextlib.contextmanager
    def changing(self) -> Iterator[Path]:
        """Keep others from changing anything, and give a staging folder. Raises AnotherChange, OSError."""
        root = self._environments.root
        root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        root.mkdir(mode=_OTHERS_READ, exist_ok=True)
        with (root / LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AnotherChange("another installation is running; try again when it has ended") from None
            staging = root / STAGING
            shutil.rmtree(staging, ignore_errors=True)  # of an installation that was killed
            staging.mkdir(mode=_OTHERS_READ)
            try:
                yield staging
            finally:
                shutil.rmtree(staging)

    def place(self, staged: Environment, digest: str) -> tuple[Environment, bool]:
        """Put a staged environment among the versions; return it, and whether it was not there before."""
        report = staged.report
        versions = self._environments.versions(report.distribution)
        folder = versions / f"{re.sub('[^A-Za-z0-9.+!-]', '-', report.version)}-{digest}"
        is_new = not _is_usable(report.distribution, folder)
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
            (staged.folder / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(report)))
            versions.mkdir(parents=True, exist_ok=True)
            staged.folder.rename(folder)
        return Environment(folder, report), is_new

    def point(self, name: str, folder: Path | None) -> Path | None:
        """Say which version is in use, None for no one; return the one that was."""
        pointer = self._environments.root / name / CURRENT
        former = pointer.resolve() if pointer.is_symlink() else None
        if folder is None:
            pointer.unlink(missing_ok=True)
        else:
            fresh = pointer.with_name(f".{CURRENT}")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(os.path.relpath(folder, pointer.parent))
            fresh.replace(pointer)
        return former

    def discard(self, environment: Environment) -> None:
        """Remove one version that is not in use."""
        shutil.rmtree(environment.folder)
        for folder in (environment.folder.parent, environment.folder.parent.parent):
            with contextlib.suppress(OSError):  # it holds others
                folder.rmdir()

    def keep_only(self, name: str, *kept: Path | None) -> None:
        """Remove all versions but these."""
        for folder in self._environments.versions(name).iterdir():
            if folder not in kept:
                shutil.rmtree(folder)

    def remove(self, name: str, staging: Path) -> None:
        """Remove all versions; none may be in use."""
        (self._environments.root / name).rename(staging / "removed")


def _is_usable(name: str, folder: Path) -> bool:
    try:
        read_environment(name, folder)
    except UnusableEnvironment:
        return False
    return True
