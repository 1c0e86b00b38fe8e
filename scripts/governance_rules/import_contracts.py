"""A contract type for import-linter: a package that stands on the standard library alone.

Configuration: ``package``, and ``while_running``: import expressions (``package.module -> library``) that are allowed
where they happen only when a function is called, or for type checkers.
"""

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

from grimp import DetailedImport, ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.domain.helpers import import_expressions_to_imports


class StandardLibraryOnly(Contract):
    """Every import of a package is of itself or of the standard library."""

    type_name = "standard_library_only"

    package = fields.StringField()
    while_running = fields.SetField(subfield=fields.ImportExpressionField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        package = str(self.package)
        modules = {package, *graph.find_descendants(package)}
        allowed = {
            (found.importer.name, found.imported.name)
            for found in import_expressions_to_imports(graph, list(self.while_running or ()))  # type: ignore[arg-type]
        }
        broken = [
            f"{found['importer']}:{found['line_number']}: {found['line_contents']}"
            for importer in sorted(modules)
            for imported in sorted(graph.find_modules_directly_imported_by(importer) - modules)
            if imported.partition(".")[0] not in sys.stdlib_module_names
            for found in graph.get_import_details(importer=importer, imported=imported)
            if (importer, imported) not in allowed or not _waits(found)
        ]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for line in check.metadata["broken"]:
            output.print_error(line)


def _waits(found: DetailedImport) -> bool:
    """Whether an import statement does not run when its module is imported."""
    spec = importlib.util.find_spec(found["importer"])
    if spec is None or spec.origin is None:
        return False
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    return found["line_number"] in set(_lines_that_wait(tree, False))


def _lines_that_wait(node: ast.AST, waits: bool) -> Iterator[int]:
    """Yield the lines of imports inside functions, and of those for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)) and waits:
            yield child.lineno
        inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
        if isinstance(child, ast.If) and _is_for_type_checkers(child.test):
            yield from (line for part in child.body for line in _lines_that_wait(ast.Module([part], []), True))
            yield from (line for part in child.orelse for line in _lines_that_wait(ast.Module([part], []), waits))
        else:
            yield from _lines_that_wait(child, waits or inside)


def _is_for_type_checkers(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"
