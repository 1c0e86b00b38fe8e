"""All rules together, over the governed folders or the paths that are named."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .direct_runs import direct_runs
from .envelopes import envelopes_by_hand
from .findings import Finding, Rule
from .gate import gate_shape, second_gates
from .layout import GATE_CLASS, GATE_PLACE, governed_roots
from .project import Project
from .resolver import Resolver
from .scopes import Module
from .sources import Selection, UnreadableSource

RULES: tuple[Callable[[Module, Resolver], list[Finding]], ...] = (
    direct_runs,
    gate_shape,
    second_gates,
    envelopes_by_hand,
)


@dataclass(frozen=True)
class Scan:
    """What a scan found: ``findings`` in the order of the files, ``unreadable`` files, and how many were read."""

    findings: tuple[Finding, ...]
    unreadable: tuple[str, ...]
    files: int


@dataclass(frozen=True)
class Code:
    """Modules that were read, with those to report on, and what resolves their names."""

    reported: tuple[Module, ...]
    resolver: Resolver
    unreadable: tuple[str, ...]


def read(root: Path, paths: Iterable[Path], around: Iterable[Path] = (), selection: Selection | None = None) -> Code:
    """Read the files at and under ``paths``; those under ``around`` are read too, for the names that they define."""
    selection = selection or Selection()
    project = Project(root)
    wanted = [file.resolve() for file in selection.files(paths)]
    files = sorted({*wanted, *(file.resolve() for file in Selection().files(around))})
    modules: dict[Path, Module] = {}
    unreadable: list[str] = []
    for file in files:
        try:
            modules[file] = project.add(file)
        except UnreadableSource as error:
            unreadable.append(str(error))
    return Code(tuple(modules[file] for file in wanted if file in modules), Resolver(project), tuple(unreadable))


def scan(root: Path, paths: Iterable[Path] = ()) -> Scan:
    """Scan the named paths, or all governed folders of ``root`` and the gate's place if none is named."""
    named = list(paths)
    governed = governed_roots(root)
    code = read(root, named or governed, governed)
    findings = {finding for module in code.reported for rule in RULES for finding in rule(module, code.resolver)}
    if not named and not (root / GATE_PLACE).is_file():
        findings.add(Finding(GATE_PLACE, 1, Rule.GATE_MISSING, f"there is no class {GATE_CLASS}"))
    return Scan(tuple(sorted(findings)), code.unreadable, len(code.reported))
