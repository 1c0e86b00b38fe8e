"""The animals and what is expected of each, read as data: no animal is ever imported here."""

import shutil
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from app.governance.errors import ERROR_CODES

CONTROL = "well_behaved"
OK = "ok"
WITHIN_S = 25.0
_FOLDER = Path(__file__).parent / "animals"
_EXPECTED = Path(__file__).with_name("expected.toml")

WorkerFate = Literal["kept", "ended", "any"]


@dataclass(frozen=True, slots=True)
class Animal:
    """One hostile plugin. ``calls`` holds, for each call in order, what it may end with: ``ok`` or error codes.

    ``worker``: what becomes of its worker. ``details``: what the last error's details must hold. ``denied``: its
    result lists what it could reach, and must list nothing. ``pause_s``: seconds after each call but the last.
    ``within_s``: the longest an answer may take, seconds. ``ours``: it asks for what only Sightgate promises.
    """

    name: str
    does: str
    calls: tuple[tuple[str, ...], ...]
    worker: WorkerFate = "kept"
    details: Mapping[str, str | float] = field(default_factory=dict)
    denied: bool = False
    pause_s: float = 0.0
    within_s: float = WITHIN_S
    ours: bool = False


class _Expected(msgspec.Struct, forbid_unknown_fields=True):
    answer: tuple[str, ...] = ()
    calls: tuple[tuple[str, ...], ...] = ()
    worker: WorkerFate = "kept"
    details: dict[str, str | float] = {}
    denied: bool = False
    pause_s: float = 0.0
    within_s: float = WITHIN_S
    ours: bool = False


class CatalogError(ValueError):
    """The table of expectations does not fit the animals; the message names the animal."""


@cache
def animals() -> Mapping[str, Animal]:
    """Return all animals by name, in the table's order. Raises CatalogError."""
    table = tomllib.loads(_EXPECTED.read_text())
    files = {_name_of(file): file for file in _FOLDER.iterdir() if file.name[0] not in "_."}
    if apart := set(table) ^ set(files):
        raise CatalogError(f"{min(apart)} has no file, or no expectation")
    return {name: _animal(name, row, files[name]) for name, row in table.items()}


def write_animals(folder: Path, names: Collection[str]) -> None:
    """Write animals into a plugin folder, as the files that a server loads."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in _FOLDER.iterdir():
        if file.is_file() and (file.name.startswith("_") or _name_of(file) in names):
            shutil.copyfile(file, folder / file.name.removesuffix(".txt"))


def _animal(name: str, row: object, file: Path) -> Animal:
    try:
        said = msgspec.convert(row, _Expected)
    except msgspec.ValidationError as wrong:
        raise CatalogError(f"{name}: {wrong}") from wrong
    calls = said.calls or (said.answer,)
    for outcome in {outcome for call in calls for outcome in call} - {OK, *ERROR_CODES}:
        raise CatalogError(f"{name}: there is no error code {outcome!r}")
    if not all(calls):
        raise CatalogError(f"{name}: it says nothing of what a call may end with")
    does = file.read_text().splitlines()[0].strip('"')
    return Animal(name, does, calls, said.worker, said.details, said.denied, said.pause_s, said.within_s, said.ours)


def _name_of(file: Path) -> str:
    # What is no Python stands under another ending, out of the way of the tools that read all Python here.
    return file.name.removesuffix(".txt").removesuffix(".py")
