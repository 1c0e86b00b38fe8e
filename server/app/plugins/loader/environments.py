"""Plugins' own virtual environments, as they lie in the data folder; who writes them is the installation service.

::

    ROOT/NAME/versions/VERSION-DIGEST/     a virtual environment, and report.json: what it holds
    ROOT/NAME/current                      a symbolic link to the version in use, replaced in one step

NAME is the normalized name of the distribution that was installed: one distribution may hold several plugins.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from sightgate.manifest import Source

REPORT, CURRENT, VERSIONS = "report.json", "current", "versions"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True)
class InstalledDistribution:
    """One distribution of an environment. ``copyleft``: its licence seems to be the GPL or AGPL."""

    name: str
    version: str
    licence: str
    copyleft: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What an environment holds. ``plugins`` are the entry points by plugin name; ``python`` is as ``3.11``."""

    distribution: str
    version: str
    requirement: str
    python: str
    plugins: dict[str, str]
    distributions: list[InstalledDistribution] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Environment:
    """One version of a distribution's environment: its folder, and what it holds."""

    folder: Path
    report: Report

    @property
    def name(self) -> str:
        """Return the name that it stands under."""
        return self.report.distribution

    @property
    def plugins(self) -> list[str]:
        """Return the names of its plugins."""
        return sorted(self.report.plugins)

    @property
    def place(self) -> str:
        """Return where it is, for people."""
        return f"own environment {self.report.distribution} {self.report.version}"

    def sources(self) -> list[Source]:
        """Return the sources of its plugins."""
        return [Source("entry_point", value, name) for name, value in sorted(self.report.plugins.items())]


class UnusableEnvironment(Exception):
    """An environment cannot be used; the message says why. ``plugins`` are its plugins, or itself if none is known."""

    def __init__(self, name: str, reason: str, plugins: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.name = name
        self.plugins = sorted(plugins) or [name]


class PluginEnvironments:
    """All environments below one folder, which need not be there."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def names(self) -> list[str]:
        """Return the names of the distributions that have an environment in use."""
        return sorted(pointer.parent.name for pointer in self.root.glob(f"[!.]*/{CURRENT}") if pointer.is_symlink())

    def current(self, name: str) -> Environment | None:
        """Return the environment in use, or None if there is none. Raises UnusableEnvironment."""
        pointer = self.root / name / CURRENT
        return read_environment(name, pointer.resolve()) if pointer.is_symlink() else None

    def previous(self, name: str) -> Environment | None:
        """Return the version that was in use before, or None if none is kept. Raises UnusableEnvironment."""
        in_use = (self.root / name / CURRENT).resolve()
        kept = sorted(folder for folder in self.versions(name).glob("*") if folder != in_use)
        return read_environment(name, kept[0]) if kept else None

    def versions(self, name: str) -> Path:
        """Return the folder of all versions."""
        return self.root / name / VERSIONS

    def all(self) -> Iterator[Environment | UnusableEnvironment]:
        """Yield what is in use, by name, and in its place the reason where it cannot be used."""
        for name in self.names():
            try:
                environment = self.current(name)
            except UnusableEnvironment as unusable:
                yield unusable
            else:
                if environment is not None:
                    yield environment

    def find(self, name: str) -> str | None:
        """Return which environment is meant by a distribution's name, or by that of a plugin in it."""
        normal = normalized(name)
        if normal in self.names():
            return normal
        return next((found.name for found in self.all() if name in found.plugins), None)


def normalized(name: str) -> str:
    """Return a distribution's name as all its spellings are compared (the Python packaging name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_environment(name: str, folder: Path) -> Environment:
    """Return the environment in ``folder``. Raises UnusableEnvironment if it is broken, or of another Python."""
    try:
        report = msgspec.json.decode((folder / REPORT).read_bytes(), type=Report)
    except (OSError, msgspec.DecodeError) as broken:
        said = f"its environment cannot be read: {broken}; install it again"
        raise UnusableEnvironment(name, said) from broken
    if report.python != PYTHON:
        said = f"its environment was made for Python {report.python}, and this is {PYTHON}; install it again"
        raise UnusableEnvironment(name, said, report.plugins)
    return Environment(folder, report)
