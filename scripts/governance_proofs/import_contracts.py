"""Evidence from import-linter: a contract that was kept."""

import configparser
import os
import subprocess
import sys
from pathlib import Path

from .proofs import Proof

CONFIGURATION = ".importlinter"
_SECTION = "importlinter:contract:"


class ImportContracts:
    """Which contracts, by id, were kept; ``names`` holds all that are declared."""

    def __init__(self, names: dict[str, str], kept: frozenset[str], checked: frozenset[str]) -> None:
        self._names = names
        self._kept = kept
        self._checked = checked

    def proof(self, name: str) -> Proof:
        sentence = self._names.get(name)
        if sentence is None:
            return Proof(f"import contract {name}", False, "there is no such contract")
        holds = sentence in self._kept
        seen = "kept" if holds else "broken" if sentence in self._checked else "was not checked"
        return Proof(f"import contract “{sentence}”", holds, seen)


def check_contracts(root: Path) -> ImportContracts:
    """Check the contracts of a checkout with import-linter."""
    names = declared(root / CONFIGURATION)
    if not names:
        return ImportContracts({}, frozenset(), frozenset())
    # A wide terminal: a line holds a contract's whole name and its verdict.
    environment = {**os.environ, "COLUMNS": "500", "NO_COLOR": "1"}
    script = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    command = [sys.executable, "-c", script, "--no-logo", "--no-cache"]
    ran = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    verdicts = {line.rpartition(" (")[0] or line for line in map(str.strip, ran.stdout.splitlines())}
    verdicts |= {line.strip() for line in ran.stdout.splitlines()}
    kept = frozenset(name for name in names.values() if f"{name} KEPT" in verdicts)
    broken = frozenset(name for name in names.values() if f"{name} BROKEN" in verdicts)
    return ImportContracts(names, kept, kept | broken)


def declared(file: Path) -> dict[str, str]:
    """Return the names of the contracts that a configuration declares, by id."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(file, encoding="utf-8")
    sections = [section for section in parser.sections() if section.startswith(_SECTION)]
    return {section.removeprefix(_SECTION): parser[section]["name"].strip() for section in sections}
