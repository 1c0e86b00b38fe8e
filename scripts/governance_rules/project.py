"""All modules that are read together, and what an import between them means."""

import sys
from pathlib import Path

from .atoms import UNKNOWN, External, OwnModule, Value
from .layout import place_of
from .scopes import Module
from .sources import parse


class Project:
    """The modules read, by importable name."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._top = len(root.resolve().parts) - 1
        self._packages: dict[Path, bool] = {}
        self._by_name: dict[tuple[str, ...], list[Module]] = {}
        self._by_folder: dict[Path, dict[str, Module]] = {}
        self._folders: dict[Module, Path] = {}
        self._own_roots: set[str] = set()

    def add(self, file: Path) -> Module:
        """Read a file into the project. Raises UnreadableSource."""
        place = place_of(file, self._root)
        resolved = file.resolve()
        is_package = resolved.stem == "__init__"
        names = (*resolved.parent.parts[1:], *(() if is_package else (resolved.stem,)))
        depth = self._depth(resolved, is_package)
        module = Module(place, parse(file, place.path), names[len(names) - depth :] if depth else (), depth, is_package)
        for length in range(depth, min(len(names), depth + 4) + 1):
            self._by_name.setdefault(names[len(names) - length :], []).append(module)
        self._own_roots.update(module.parts[:1], names[self._top : len(names) - depth])
        self._folders[module] = resolved.parent
        self._by_folder.setdefault(resolved.parent, {})[resolved.stem] = module
        return module

    def _depth(self, file: Path, is_package: bool) -> int:
        """Return how many parts a module's importable name has: the packages around it and itself."""
        depth = 0 if is_package else 1
        folder = file.parent
        while self._is_package(folder):
            depth += 1
            folder = folder.parent
        return depth

    def _is_package(self, folder: Path) -> bool:
        if folder not in self._packages:
            self._packages[folder] = (folder / "__init__.py").is_file()
        return self._packages[folder]

    def modules(self, dotted: str, importer: Module) -> list[Module]:
        """Return the modules read that an import of this name can mean."""
        if dotted.startswith("."):
            return self._relative(dotted, importer)
        parts = tuple(dotted.split("."))
        found = self._by_name.get(parts, [])
        if not found and len(parts) == 1:
            beside = self._by_folder.get(self._folders[importer], {}).get(dotted)
            found = [beside] if beside is not None and dotted not in sys.stdlib_module_names else []
        return found

    def _relative(self, dotted: str, importer: Module) -> list[Module]:
        level = len(dotted) - len(dotted.lstrip("."))
        folder = self._folders[importer]
        for _ in range(level - 1):
            folder = folder.parent
        *packages, last = [part for part in dotted[level:].split(".") if part] or [""]
        for package in packages:
            folder /= package
        found = [self._by_folder.get(folder, {}).get(last), self._by_folder.get(folder / last, {}).get("__init__")]
        return [module for module in found if module is not None]

    def imported(self, dotted: str, importer: Module) -> Value:
        """Return what ``import dotted`` gives."""
        found = self.modules(dotted, importer)
        if found:
            return frozenset(OwnModule(module) for module in found)
        return UNKNOWN if self.is_own(dotted) else frozenset({External(dotted)})

    def is_own(self, dotted: str) -> bool:
        """Whether a name that was not found belongs to the code that is read."""
        root = dotted.partition(".")[0]
        return dotted.startswith(".") or (root in self._own_roots and root not in sys.stdlib_module_names)
