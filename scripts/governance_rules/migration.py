"""What a code base that runs plugins directly still lacks, in the order of the migration guide's steps."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .direct_runs import direct_runs
from .envelopes import envelopes_by_hand
from .findings import Finding, Rule
from .gate import gate_classes, gate_shape, second_gates
from .layout import GATE_CLASS, METRICS_METHOD
from .scan import Code, read
from .scopes import Module
from .sources import Selection

METRICS_PARAMETERS = ("plugin_name", "state", "elapsed_ms", "had_error")


@dataclass(frozen=True)
class Step:
    """One step of the guide and what is left of it, as ``file:line: what`` lines."""

    number: int
    title: str
    left: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """All steps, the files that could not be read, and how many were."""

    steps: tuple[Step, ...]
    unreadable: tuple[str, ...]
    files: int

    @property
    def left(self) -> int:
        return sum(len(step.left) for step in self.steps)


def report(path: Path, include_tests: bool = False) -> Report:
    """Read a code base and return what is left to do."""
    root = path if path.is_dir() else path.parent
    code = read(root, [path], selection=Selection(include_tests))
    runs = _sorted(finding for module in code.reported for finding in direct_runs(module, code.resolver))
    somewhere = f"{runs[0].path}:{runs[0].line}" if runs else f"{_first_file(code)}:1"
    steps = (
        Step(1, "one module builds the error envelopes", _envelopes(code)),
        Step(2, "the registry counts every execution", _metrics(code, somewhere)),
        Step(3, "one gate runs the plugins", _gate(code, somewhere)),
        Step(4, "every direct run goes through the gate", tuple(str(finding) for finding in runs)),
    )
    return Report(steps, code.unreadable, len(code.reported))


def _first_file(code: Code) -> str:
    return code.reported[0].place.path if code.reported else "."


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(set(findings))


def _envelopes(code: Code) -> tuple[str, ...]:
    return _lines(finding for module in code.reported for finding in envelopes_by_hand(module, code.resolver))


def _lines(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(str(finding) for finding in _sorted(findings))


def _metrics(code: Code, somewhere: str) -> tuple[str, ...]:
    """Name the metrics methods with other parameters, or the place where the method is missing."""
    methods = [(module, method) for module in code.reported for method in _methods(module, METRICS_METHOD)]
    wanted = f"{METRICS_METHOD}({', '.join(METRICS_PARAMETERS)})"
    if methods:
        wrong = [(module, method) for module, method in methods if _parameters(method) != METRICS_PARAMETERS]
        return tuple(f"{module.place.path}:{method.lineno}: the method must be {wanted}" for module, method in wrong)
    registries = [(module, node) for module in code.reported for node in _registries(module)]
    places = [f"{module.place.path}:{node.lineno}" for module, node in registries]
    return (f"{(places or [somewhere])[0]}: there is no method {wanted}",)


def _methods(module: Module, name: str) -> list[ast.FunctionDef]:
    classes = [node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
    items = [item for node in classes for item in node.body]
    return [item for item in items if isinstance(item, ast.FunctionDef) and item.name == name]


def _parameters(method: ast.FunctionDef) -> tuple[str, ...]:
    return tuple(parameter.arg for parameter in [*method.args.posonlyargs, *method.args.args][1:])


def _registries(module: Module) -> list[ast.ClassDef]:
    classes = [node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
    return [node for node in classes if "registry" in node.name.lower() or _defines(node, "get_plugin")]


def _defines(node: ast.ClassDef, name: str) -> bool:
    return any(isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)) and item.name == name for item in node.body)


def _gate(code: Code, somewhere: str) -> tuple[str, ...]:
    """A plain code base needs no awaited entry, so ``run`` alone must be there."""
    gates = [(module, node) for module in code.reported for node in gate_classes(module)]
    if not gates:
        return (
            f"{somewhere}: {Rule.GATE_MISSING} there is no class {GATE_CLASS} that runs the plugins",
            f"{somewhere}: {Rule.NO_FINALLY} there is no finally that calls {METRICS_METHOD} after every run",
        )
    shape = [finding for module in code.reported for finding in gate_shape(module, code.resolver, ["run"])]
    heirs = [finding for module in code.reported for finding in second_gates(module, code.resolver)]
    said = f"there is a {GATE_CLASS} in {gates[0][0].place.path} already"
    others = [Finding(module.place.path, node.lineno, Rule.SECOND_GATE, said) for module, node in gates[1:]]
    return _lines([*shape, *heirs, *others])
