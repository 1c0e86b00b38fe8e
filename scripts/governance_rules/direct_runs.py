"""Calls of a plugin's ``run`` outside the gate, however the method was taken.

Taking the method is what counts, not calling it: ``plugin.run`` handed to an executor runs the plugin as well.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .atoms import (
    UNKNOWN,
    Atom,
    Class,
    External,
    Function,
    Gate,
    Object,
    Plugin,
    Text,
    Unknown,
    Value,
    is_plugin_class_name,
    named,
)
from .findings import Finding, Rule
from .layout import GATE_CLASS, RUN_METHODS, WORKER_CALLS
from .libraries import only_looks
from .resolver import Resolver
from .scopes import FunctionNode, Module, Scope, first_parameter
from .signatures import has_plugin_run

_LOOKS_UP_BY_NAME = frozenset({"__getattribute__", "__getattr__"})
_TAKES_BY_NAME = frozenset({"builtins.getattr", "inspect.getattr_static"})
_MAKES_CALLERS = frozenset({"operator.methodcaller", "operator.attrgetter"})
_RUNS_TEXT = frozenset({"builtins.eval", "builtins.exec", "builtins.compile"})
_RUN_IN_TEXT = re.compile(r"\.\s*(run|run_async|run_batch)\b")
_DESCRIPTIONS = frozenset({"__name__", "__qualname__", "__doc__", "__annotations__", "__module__"})
_WORKER_CALLS = frozenset(
    {f"sightgate.execution.{name}" for name in WORKER_CALLS}
    | {"sightgate.testing.call_once", "sightgate.testing.run_plugin"}
)


@dataclass(frozen=True)
class Site:
    """A place where a plugin's ``run`` is taken."""

    node: ast.AST
    finding: Finding


def direct_runs(module: Module, resolver: Resolver) -> list[Finding]:
    """Return the findings of a module, without those in the places that may call a plugin."""
    if module.place.is_gate:
        return []
    return [site.finding for site in sites(module, resolver) if not _is_allowed(site.node, module)]


def sites(module: Module, resolver: Resolver) -> list[Site]:
    """Return every place of a module where a plugin's ``run`` is taken, allowed or not."""
    return list(_Sites(module, resolver).all())


def _is_allowed(node: ast.AST, module: Module) -> bool:
    around = list(module.ancestors(node))
    if module.place.is_worker_call:
        outermost = [outer for outer in around if isinstance(outer, (ast.FunctionDef, ast.ClassDef))]
        return bool(outermost) and outermost[-1].name in WORKER_CALLS and isinstance(outermost[-1], ast.FunctionDef)
    if module.place.governed:
        return False
    return any(isinstance(outer, ast.ClassDef) and outer.name == GATE_CLASS for outer in around)


class _Sites:
    def __init__(self, module: Module, resolver: Resolver) -> None:
        self._module = module
        self._resolver = resolver

    def all(self) -> Iterator[Site]:
        for node in ast.walk(self._module.tree):
            scope = self._module.scope_of[node]
            match node:
                case ast.Attribute(attr=name, ctx=ast.Load()) if name in RUN_METHODS:
                    yield from self._taken(node, node.value, name, scope)
                case ast.Call():
                    yield from self._call(node, scope)
                case ast.Subscript(value=holder, slice=key, ctx=ast.Load()):
                    yield from self._from_dict(node, holder, key, scope)
                case ast.MatchClass(cls=cls, kwd_attrs=names):
                    yield from self._pattern(node, cls, RUN_METHODS & set(names), scope)
            if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
                yield from self._worker_call(node, scope)

    # Attributes

    def _taken(self, node: ast.Attribute, base: ast.expr, name: str, scope: Scope) -> Iterator[Site]:
        if self._is_own_method(base, scope) or self._is_only_looked_at(node, scope):
            return
        verdict = self._verdict(base, name, scope)
        if verdict is Rule.DIRECT_RUN:
            yield self._site(node, verdict, f"{_shown(base)}.{name} runs a plugin outside the gate")
        elif verdict is not None and not self._cannot_be_a_run(node):
            yield self._site(node, verdict, f"{_shown(base)}.{name}: it is not known what {_shown(base)} is")

    def _verdict(self, base: ast.expr, name: str, scope: Scope) -> Rule | None:
        """Return the rule that taking ``name`` from an expression breaks, the worst of all that it can be."""
        value = self._resolver.value(base, scope) or self._nothing_known(base)
        rules = {self._of_atom(atom, name, base) for atom in value}
        return next((rule for rule in (Rule.DIRECT_RUN, Rule.UNRESOLVED_RUN) if rule in rules), None)

    @staticmethod
    def _nothing_known(base: ast.expr) -> Value:
        while isinstance(base, (ast.Subscript, ast.Call, ast.Await)):
            base = base.func if isinstance(base, ast.Call) else base.value
        name = base.id if isinstance(base, ast.Name) else getattr(base, "attr", "")
        return named(UNKNOWN, name)

    def _of_atom(self, atom: Atom, name: str, base: ast.expr) -> Rule | None:
        match atom:
            case Plugin():
                return Rule.DIRECT_RUN
            case Unknown():
                return Rule.UNRESOLVED_RUN
            case Gate(by_name=True):
                return None if self._is_like_a_gate_call(base) else Rule.UNRESOLVED_RUN
            case External(dotted=dotted) if is_plugin_class_name(dotted):
                return Rule.DIRECT_RUN
            case Class() | Object():
                return self._of_class(atom.of if isinstance(atom, Object) else atom, name)
        return None

    def _of_class(self, of: Class, name: str) -> Rule | None:
        if self._resolver.is_gate(of):
            return None
        is_plugins = has_plugin_run(self._resolver, of, name)
        if is_plugins is None:
            return Rule.UNRESOLVED_RUN
        return Rule.DIRECT_RUN if is_plugins else None

    def _is_like_a_gate_call(self, base: ast.expr) -> bool:
        """A gate's run takes the plugin's name and the payload; a plugin's takes the payload alone."""
        attribute = self._module.parents[base]
        call = self._module.parents[attribute]
        if not isinstance(call, ast.Call):
            return False
        given = len(call.args) + len(call.keywords)
        return given >= 2 if call.func is attribute else given >= 3

    def _cannot_be_a_run(self, node: ast.Attribute) -> bool:
        call = self._module.parents[node]
        return isinstance(call, ast.Call) and call.func is node and not call.args and not call.keywords

    def _is_own_method(self, base: ast.expr, scope: Scope) -> bool:
        """Whether a run method goes on to another of the same object: that is its own body, not an execution."""
        is_super = isinstance(base, ast.Call) and isinstance(base.func, ast.Name) and base.func.id == "super"
        method = scope.method(base.id) if isinstance(base, ast.Name) else scope.method() if is_super else None
        if method is None or not isinstance(method.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return False
        first = first_parameter(method.node)
        rebound = first is not None and len(method.names.get(first.arg, [])) > 1
        return method.node.name in RUN_METHODS and not rebound

    # Looking without calling

    def _is_only_looked_at(self, node: ast.AST, scope: Scope) -> bool:
        parent = self._module.parents[node]
        if isinstance(parent, ast.Attribute):
            return parent.attr in _DESCRIPTIONS
        if isinstance(parent, ast.Call) and node in parent.args:
            return self._only_looks(parent, scope)
        if isinstance(parent, ast.Compare):
            return all(isinstance(operator, (ast.Is, ast.IsNot)) for operator in parent.ops)
        if isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not):
            return True
        if isinstance(parent, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and parent.value is node:
            return self._name_is_only_looked_at(parent, scope)
        return False

    def _name_is_only_looked_at(self, node: ast.Assign | ast.AnnAssign | ast.NamedExpr, scope: Scope) -> bool:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if isinstance(node, ast.NamedExpr) or not isinstance(scope.node, FunctionNode) or scope.elsewhere:
            return False
        names = {target.id for target in targets if isinstance(target, ast.Name)}
        uses = [use for use in ast.walk(scope.node) if isinstance(use, ast.Name) and use.id in names]
        loads = [use for use in uses if isinstance(use.ctx, ast.Load)]
        tested = [use for use in loads if self._is_only_looked_at(use, scope)]
        return len(names) == len(targets) and len(tested) == len(loads)

    def _only_looks(self, call: ast.Call, scope: Scope) -> bool:
        functions = self._resolver.value(call.func, scope)
        return bool(functions) and all(isinstance(atom, External) and only_looks(atom.dotted) for atom in functions)

    # By name

    def _call(self, node: ast.Call, scope: Scope) -> Iterator[Site]:
        functions = {atom.dotted for atom in self._resolver.value(node.func, scope) if isinstance(atom, External)}
        attribute = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        passed = {atom.dotted for part in node.args for atom in self._externals(part, scope)}
        if functions & _TAKES_BY_NAME and len(node.args) > 1:
            yield from self._by_name(node, node.args[0], node.args[1], scope)
        elif attribute in _LOOKS_UP_BY_NAME and node.args:
            target = node.args[0] if len(node.args) > 1 else node.func.value  # type: ignore[attr-defined]
            yield from self._by_name(node, target, node.args[-1], scope)
        elif functions & _MAKES_CALLERS:
            yield from self._caller(node, scope)
        elif functions & _RUNS_TEXT and node.args:
            if any(_RUN_IN_TEXT.search(text) for text in self._resolver.texts(node.args[0], scope)):
                yield self._site(node, Rule.RUN_BY_NAME, "a string that calls run is evaluated")
        elif attribute in {"get", "pop", "__getitem__"} and node.args:
            yield from self._from_dict(node, node.func.value, node.args[0], scope)  # type: ignore[attr-defined]
        elif passed & (_TAKES_BY_NAME | _MAKES_CALLERS):
            for part in node.args:
                if self._texts_within(part, scope) & RUN_METHODS:
                    yield self._site(node, Rule.RUN_BY_NAME, "a method named run is looked up by its name")

    def _externals(self, node: ast.expr, scope: Scope) -> list[External]:
        if not isinstance(node, (ast.Name, ast.Attribute)):
            return []
        return [atom for atom in self._resolver.value(node, scope) if isinstance(atom, External)]

    def _texts_within(self, node: ast.expr, scope: Scope) -> set[str]:
        return self._resolver.texts(node, scope)

    def _by_name(self, node: ast.Call, target: ast.expr, key: ast.expr, scope: Scope) -> Iterator[Site]:
        value = self._resolver.value(key, scope)
        names = {atom.text for atom in value if isinstance(atom, Text)}
        taken = sorted(names & RUN_METHODS)
        is_spelled_out = bool(value) and all(isinstance(atom, Text) for atom in value)
        rule = self._verdict(target, taken[0] if taken else "run", scope)
        if taken and rule is not None and not self._is_only_looked_at(node, scope):
            yield self._site(node, Rule.RUN_BY_NAME, f"{taken[0]} of {_shown(target)} is taken by its name")
        elif not taken and not is_spelled_out and rule is Rule.DIRECT_RUN and not self._is_self(target, scope):
            yield self._site(node, Rule.RUN_BY_NAME, f"a method of {_shown(target)} is taken by an unknown name")

    @staticmethod
    def _is_self(target: ast.expr, scope: Scope) -> bool:
        return isinstance(target, ast.Name) and scope.method(target.id) is not None

    def _caller(self, node: ast.Call, scope: Scope) -> Iterator[Site]:
        for part in node.args[:1] or node.args:
            value = self._resolver.value(part, scope)
            names = {last for atom in value if isinstance(atom, Text) for last in atom.text.split(".")}
            if names & RUN_METHODS or not all(isinstance(atom, Text) for atom in value):
                yield self._site(node, Rule.RUN_BY_NAME, f"{_shown(node)} calls a method by its name")

    def _from_dict(self, node: ast.AST, holder: ast.expr, key: ast.expr, scope: Scope) -> Iterator[Site]:
        target = self._owner_of_dict(holder, scope)
        taken = self._resolver.texts(key, scope) & RUN_METHODS if target is not None else set()
        if target is not None and taken and self._verdict(target, min(taken), scope) is not None:
            yield self._site(node, Rule.RUN_BY_NAME, f"{min(taken)} of {_shown(target)} is taken from its dictionary")

    def _owner_of_dict(self, holder: ast.expr, scope: Scope) -> ast.expr | None:
        if isinstance(holder, ast.Attribute) and holder.attr == "__dict__":
            return holder.value
        if isinstance(holder, ast.Call) and holder.args:
            names = {atom.dotted for atom in self._externals(holder.func, scope)}
            if names & {"builtins.vars", "inspect.getmembers"}:
                return holder.args[0]
            if names & {"builtins.dict"}:
                return self._owner_of_dict(holder.args[0], scope)
        return None

    def _pattern(self, node: ast.AST, cls: ast.expr, names: frozenset[str], scope: Scope) -> Iterator[Site]:
        for name in sorted(names):
            is_any = External("builtins.object") in self._resolver.value(cls, scope)
            if is_any or self._verdict(cls, name, scope) is not None:
                yield self._site(node, Rule.RUN_BY_NAME, f"{name} of {_shown(cls)} is taken by a pattern")

    # The worker's own call

    def _worker_call(self, node: ast.Name | ast.Attribute, scope: Scope) -> Iterator[Site]:
        if self._module.place.is_sdk:
            return
        name = node.id if isinstance(node, ast.Name) else node.attr
        known = {*WORKER_CALLS, "call_once", "run_plugin"}
        if name not in known and not (isinstance(node, ast.Name) and self._is_alias(name, scope, known)):
            return
        for atom in self._resolver.value(node, scope):
            ours = isinstance(atom, Function) and atom.scope.module.place.is_sdk
            if ours or (isinstance(atom, External) and atom.dotted in _WORKER_CALLS):
                yield self._site(node, Rule.WORKER_CALL, f"{_shown(node)} is the worker's own call of a plugin")
                return

    @staticmethod
    def _is_alias(name: str, scope: Scope, known: set[str]) -> bool:
        found = next((around.names[name] for around in scope.ancestry() if name in around.names), [])
        return any(binding.member in known for binding in found)

    def _site(self, node: ast.AST, rule: Rule, message: str) -> Site:
        line = getattr(node, "end_lineno", 1) if isinstance(node, ast.Attribute) else getattr(node, "lineno", 1)
        return Site(node, Finding(self._module.place.path, line, rule, message))


def _shown(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
