"""The gate's shape: its two entries, their one body, and the finally that records every execution."""

import ast
from collections.abc import Callable, Iterable, Iterator

from . import types
from .direct_runs import sites
from .findings import Finding, Rule
from .layout import GATE_CLASS, GATE_METHODS, METRICS_METHOD
from .resolver import Resolver
from .scopes import Module, attribute_path, own_nodes

_Method = ast.FunctionDef | ast.AsyncFunctionDef
_Called = Callable[[ast.AST], _Method | None]
_HARMLESS_DECORATORS = frozenset({"override", "final"})


def gate_classes(module: Module) -> list[ast.ClassDef]:
    """Return the classes of a module that are named as the gate."""
    return [node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef) and node.name == GATE_CLASS]


def second_gates(module: Module, resolver: Resolver) -> list[Finding]:
    """Return the classes that stand beside the gate: another ToolRunner, or a class that inherits from it."""
    return [_second(module, node) for node in ast.walk(module.tree) if _is_second(node, module, resolver)]


def _second(module: Module, node: ast.AST) -> Finding:
    line, name = getattr(node, "lineno", 1), getattr(node, "name", "")
    return Finding(module.place.path, line, Rule.SECOND_GATE, f"class {name} is a second gate")


def _is_second(node: ast.AST, module: Module, resolver: Resolver) -> bool:
    if not isinstance(node, ast.ClassDef):
        return False
    if node.name == GATE_CLASS and not module.place.may_define_gate():
        return True
    bases = [resolver.value(base, module.scope_of[base]) for base in node.bases]
    return any(resolver.names_gate(atom) for base in bases for atom in base)


def gate_shape(module: Module, resolver: Resolver, required: Iterable[str] = GATE_METHODS) -> list[Finding]:
    """Return what is wrong with the gate that a module defines; ``required`` names the entries that must be there."""
    classes = gate_classes(module)
    if not classes and module.place.is_gate:
        return [Finding(module.place.path, 1, Rule.GATE_MISSING, f"there is no class {GATE_CLASS}")]
    if not module.place.may_define_gate():
        return []
    return [finding for node in classes for finding in _Gate(node, module, resolver).findings(tuple(required))]


class _Gate:
    """One class ToolRunner."""

    def __init__(self, node: ast.ClassDef, module: Module, resolver: Resolver) -> None:
        self._node = node
        self._module = module
        self._resolver = resolver
        self._methods = {item.name: item for item in node.body if isinstance(item, _Method)}
        self._functions = {item.name: item for item in module.tree.body if isinstance(item, _Method)}

    def findings(self, required: tuple[str, ...]) -> Iterator[Finding]:
        rebound = {name for name in GATE_METHODS for item in self._node.body if name in _assigned(item)}
        for name in GATE_METHODS:
            method = self._methods.get(name)
            if name in rebound:
                yield self._finding(self._node, Rule.GATE_MISSING, f"{name} is assigned, not defined")
            elif method is not None:
                yield from self._entry(method)
            elif name in required:
                yield self._finding(self._node, Rule.GATE_MISSING, f"{GATE_CLASS} has no method {name}")
        yield from self._unguarded()

    def _finding(self, node: ast.AST, rule: Rule, message: str) -> Finding:
        return Finding(self._module.place.path, getattr(node, "lineno", 1), rule, message)

    # Signatures

    def _entry(self, method: _Method) -> Iterator[Finding]:
        wrong = self._wrong_signature(method)
        if wrong:
            yield self._finding(method, Rule.GATE_SIGNATURE, f"{method.name} {wrong}")
        tries = [node for node in self._nodes(method) if isinstance(node, ast.Try) and node.finalbody]
        if not tries:
            yield self._finding(method, Rule.NO_FINALLY, f"the body of {method.name} has no finally")
        elif not any(self._records(node) for node in tries):
            said = f"the gate's finally does not call {METRICS_METHOD} on every path"
            yield self._finding(tries[0].finalbody[0], Rule.NO_METRICS, said)

    def _wrong_signature(self, method: _Method) -> str:
        arguments = method.args
        scope = self._module.scope_of[method]
        names = [parameter.arg for parameter in arguments.args]
        extra = arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg or arguments.kwarg
        if names != ["self", "plugin_name", "payload"] or extra or arguments.defaults:
            return "must take (self, plugin_name, payload) and nothing else"
        if not types.is_string(self._resolver, arguments.args[1].annotation, scope):
            return "must take plugin_name: str"
        if not types.is_dict(self._resolver, arguments.args[2].annotation, scope):
            return "must take payload: dict"
        if not types.is_pair_of_dicts(self._resolver, method.returns, scope):
            return "must return tuple[dict, dict]"
        if isinstance(method, ast.AsyncFunctionDef) != (method.name == "run_async"):
            return "must be async" if method.name == "run_async" else "must not be async"
        decorators = {(attribute_path(item) or "?").rpartition(".")[2] for item in method.decorator_list}
        return "" if decorators <= _HARMLESS_DECORATORS else "must not be decorated"

    # The body: a method, and what of the class and the module it goes on to

    def _nodes(self, method: _Method) -> list[ast.AST]:
        """Return the nodes of a method and of the private methods and functions that it calls."""
        return list(self._reached([method]))

    def _reached(self, roots: Iterable[ast.AST]) -> Iterator[ast.AST]:
        pending, seen = list(roots), set[ast.AST]()
        while pending:
            root = pending.pop()
            if root in seen:
                continue
            seen.add(root)
            for node in ast.walk(root):
                yield node
                called = self._called(node)
                if called is not None:
                    pending.append(called)

    def _called(self, node: ast.AST) -> _Method | None:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            return self._methods.get(node.attr)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            return self._functions.get(node.id)
        return None

    def _records(self, node: ast.Try) -> bool:
        return self._always_records(node.finalbody, set())

    def _always_records(self, body: list[ast.stmt], seen: set[str]) -> bool:
        """Whether every path through statements calls the metrics method, as far as they can be followed."""
        for statement in body:
            if isinstance(statement, (ast.Return, ast.Raise, ast.Break, ast.Continue)):
                return self._calls_metrics(statement, seen)
            if isinstance(statement, (ast.With, ast.AsyncWith)) and self._always_records(statement.body, seen):
                return True
            if isinstance(statement, ast.Try) and self._try_records(statement, seen):
                return True
            if isinstance(statement, ast.If) and statement.orelse:
                branches = (statement.body, statement.orelse)
                if all(self._always_records(branch, set(seen)) for branch in branches):
                    return True
            if isinstance(statement, (ast.Expr, ast.Assign, ast.AnnAssign)) and self._calls_metrics(statement, seen):
                return True
            if any(isinstance(inner, ast.Return) for inner in own_nodes(statement)):
                return False
        return False

    def _try_records(self, node: ast.Try, seen: set[str]) -> bool:
        return self._always_records(node.finalbody, seen) or self._always_records(node.body, seen)

    def _calls_metrics(self, statement: ast.stmt, seen: set[str]) -> bool:
        for call in [node for node in own_nodes(statement) if isinstance(node, ast.Call)]:
            if isinstance(call.func, ast.Attribute) and call.func.attr == METRICS_METHOD:
                return not self._is_conditional(call, statement)
            called = self._called(call.func)
            if called is not None and called.name not in seen and not self._is_conditional(call, statement):
                seen.add(called.name)
                if self._always_records(called.body, seen):
                    return True
        return False

    def _is_conditional(self, call: ast.Call, statement: ast.stmt) -> bool:
        around: list[ast.AST] = []
        for node in self._module.ancestors(call):
            if node is statement:
                break
            around.append(node)
        conditional = (ast.IfExp, ast.BoolOp, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
        return any(isinstance(node, conditional) for node in around)

    # Calls of a plugin outside the guarded block

    def _unguarded(self) -> Iterator[Finding]:
        tries = [node for node in ast.walk(self._module.tree) if isinstance(node, ast.Try) and self._records(node)]
        if not tries:
            return
        reach = _Reach(self._node, self._module, self._called, tries)
        for site in sites(self._module, self._resolver):
            if self._is_within(site.node) and not reach.is_guarded(site.node):
                said = "a plugin's run is taken outside the try whose finally records the execution"
                yield Finding(self._module.place.path, site.finding.line, Rule.NO_FINALLY, said)

    def _is_within(self, node: ast.AST) -> bool:
        return self._module.place.is_gate or self._node in self._module.ancestors(node)


class _Reach:
    """What of a gate's module is reached through the guarded blocks, and what around them.

    A method may be handed to the one that holds the block (``self._execute(…, self._call)``): it is reached through
    the block if that parameter is used nowhere else.
    """

    def __init__(self, gate: ast.ClassDef, module: Module, called: _Called, tries: list[ast.Try]) -> None:
        self._module = module
        self._called = called
        self._blocks = {statement for node in tries for statement in node.body}
        self._handed: set[ast.AST] = set()
        public = [item for item in gate.body if not _is_private_method(item)]
        free = [item for item in module.tree.body if item is not gate and not _is_private_method(item)]
        self._around = self._follow([*public, *free], self._blocks)
        self._through = self._follow([*self._blocks, *self._handed], set())

    def is_guarded(self, node: ast.AST) -> bool:
        return node in self._through and node not in self._around

    def _follow(self, roots: Iterable[ast.AST], without: set[ast.stmt]) -> set[ast.AST]:
        """Return the nodes of the roots, and of what they call, without the named statements."""
        found: set[ast.AST] = set()
        pending: list[ast.AST] = list(roots)
        while pending:
            node = pending.pop()
            if node in found or node in without:
                continue
            found.add(node)
            pending += [child for child in ast.iter_child_nodes(node) if not self._is_handed_in(child, node)]
            called = self._called(node)
            if called is not None:
                pending.append(called)
        return found

    def _is_handed_in(self, node: ast.AST, parent: ast.AST) -> bool:
        """Whether a method is an argument whose parameter is used in a guarded block alone."""
        call = self._module.parents[parent] if isinstance(parent, ast.keyword) else parent
        method = self._called(node)
        receiver = self._called(call.func) if isinstance(call, ast.Call) and node is not call.func else None
        if method is None or receiver is None or not isinstance(call, ast.Call):
            return False
        names = [parameter.arg for parameter in receiver.args.args if parameter.arg != "self"]
        names += [parameter.arg for parameter in receiver.args.kwonlyargs]
        name = parent.arg if isinstance(parent, ast.keyword) else names[call.args.index(node)]  # type: ignore[arg-type]
        uses = [use for use in ast.walk(receiver) if isinstance(use, ast.Name) and use.id == name]
        if not uses or not all(self._is_in_block(use) for use in uses):
            return False
        self._handed.add(method)
        return True

    def _is_in_block(self, node: ast.AST) -> bool:
        return any(around in self._blocks for around in self._module.ancestors(node))


def _is_private_method(item: ast.stmt) -> bool:
    return isinstance(item, _Method) and item.name.startswith("_") and not item.name.endswith("__")


def _assigned(item: ast.stmt) -> set[str]:
    targets = item.targets if isinstance(item, ast.Assign) else [item.target] if isinstance(item, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}
