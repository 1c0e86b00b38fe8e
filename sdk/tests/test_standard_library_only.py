"""The SDK installs beside anything: it imports nothing but the standard library."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sightgate

PACKAGE = Path(sightgate.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
# Imported when first used, from the plugin's own environment.
LAZY = {"image.py": {"PIL", "numpy"}}

IMPORT_ALL = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
for name in sys.argv[2:]:
    importlib.import_module(name)
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def test_every_module_can_be_imported_without_any_installed_package() -> None:
    names = [module_name(path) for path in MODULES]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORT_ALL, str(PACKAGE.parent), *names],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    foreign = set(json.loads(done.stdout)) - set(sys.stdlib_module_names) - {"sightgate"}
    assert {name for name in foreign if not name.startswith("_sysconfigdata")} == set()


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES])
def test_no_import_of_a_module_is_outside_the_standard_library(path: Path) -> None:
    allowed = set(sys.stdlib_module_names) | {"sightgate"} | LAZY.get(path.name, set())
    assert set(imported(ast.parse(path.read_text()))) <= allowed
