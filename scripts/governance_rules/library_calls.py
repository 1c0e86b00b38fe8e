"""What calling a function or class of another library gives."""

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import types
from .atoms import (
    NOTHING,
    PLAIN,
    PLUGIN,
    UNKNOWN,
    Function,
    Gate,
    Object,
    Value,
    is_look_up,
    is_plugin_class_name,
    named,
    union,
)
from .layout import GATE_CLASS
from .libraries import is_opaque, is_pass_through
from .scopes import Scope

if TYPE_CHECKING:
    from .resolver import Resolver


def result(resolver: "Resolver", dotted: str, node: ast.Call, scope: Scope) -> Value:
    """Return what a call of ``dotted`` gives. What is handed a plugin may give it back."""
    special = _SPECIAL.get(dotted)
    if special is not None and node.args:
        return special(resolver, node, scope)
    name = dotted.rpartition(".")[2]
    if is_plugin_class_name(name) or (is_look_up(name) and not is_opaque(dotted)):
        return PLUGIN
    if name == GATE_CLASS:
        return frozenset({Gate()})
    if is_opaque(dotted):
        return UNKNOWN
    arguments = resolver.arguments(node, scope)
    if is_pass_through(dotted):
        return arguments or PLAIN
    made = union(*(resolver.returned(atom) for atom in arguments if isinstance(atom, Function)))
    return PLAIN | ((arguments | made) & PLUGIN)


def _import(resolver: "Resolver", node: ast.Call, scope: Scope) -> Value:
    texts = resolver.texts(node.args[0], scope)
    return union(*(resolver.project.imported(text, scope.module) for text in texts)) or UNKNOWN


def _getattr(resolver: "Resolver", node: ast.Call, scope: Scope) -> Value:
    if len(node.args) < 2:
        return UNKNOWN
    holder = resolver.value(node.args[0], scope)
    texts = resolver.texts(node.args[1], scope)
    default = resolver.value(node.args[2], scope) if len(node.args) > 2 else NOTHING
    found = [named(resolver.attribute(holder, text), text) for text in sorted(texts)]
    return union(default, *found) if texts else union(default, holder & PLUGIN or UNKNOWN)


def _type(resolver: "Resolver", node: ast.Call, scope: Scope) -> Value:
    if len(node.args) != 1:
        return UNKNOWN
    return frozenset(atom.of if isinstance(atom, Object) else atom for atom in resolver.value(node.args[0], scope))


def _cast(resolver: "Resolver", node: ast.Call, scope: Scope) -> Value:
    value = union(*(resolver.value(part, scope) for part in node.args[1:]))
    return resolver.declared(types.object_of(resolver, node.args[0], scope), value)


_SPECIAL: dict[str, Callable[["Resolver", ast.Call, Scope], Value]] = {
    "builtins.__import__": _import,
    "builtins.getattr": _getattr,
    "builtins.type": _type,
    "importlib.import_module": _import,
    "typing.cast": _cast,
    "typing_extensions.cast": _cast,
}
