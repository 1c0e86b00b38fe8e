"""Finding and parsing source files."""

import ast
import io
import os
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SKIPPED_FOLDERS = frozenset(
    {"__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist", ".venv", ".git", ".tox", ".nox"}
)


class UnreadableSource(Exception):
    """A source file cannot be read or is no Python of this interpreter's version."""

    def __init__(self, path: str, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")


@dataclass(frozen=True)
class Selection:
    """Which files under a folder are read; a file that is named itself is always read."""

    include_tests: bool = True

    def files(self, paths: Iterable[Path]) -> list[Path]:
        """Return the Python files at and under the paths, sorted, each once."""
        return sorted({file for path in paths for file in self._under(path)})

    def _under(self, path: Path) -> Iterator[Path]:
        if not path.is_dir():
            yield path
            return
        for folder, subfolders, names in os.walk(path):
            subfolders[:] = [name for name in subfolders if self._wants_folder(name)]
            yield from (Path(folder) / name for name in names if name.endswith((".py", ".pyw")) and self._wants(name))

    def _wants_folder(self, name: str) -> bool:
        if name in SKIPPED_FOLDERS or name.startswith("."):
            return False
        return self.include_tests or name not in {"test", "tests"}

    def _wants(self, name: str) -> bool:
        return self.include_tests or not (
            name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"
        )


def parse(file: Path, shown: str) -> ast.Module:
    """Return a file's syntax tree. Raises UnreadableSource with the line where reading ended."""
    try:
        data = file.read_bytes()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return ast.parse(data.decode(encoding), filename=shown)
    except OSError as error:
        raise UnreadableSource(shown, 1, f"cannot be read: {error.strerror or error}") from error
    except SyntaxError as error:
        raise UnreadableSource(shown, error.lineno or 1, f"cannot be parsed: {error.msg}") from error
    except (UnicodeDecodeError, ValueError, RecursionError, MemoryError) as error:
        raise UnreadableSource(shown, 1, f"cannot be parsed: {error}") from error
