"""Whether a class has a plugin's ``run``, and whether a method can be one."""

import ast
from typing import TYPE_CHECKING

from . import types
from .atoms import Atom, Class, External, Function, Plugin, Unknown, Value, is_plugin_class_name, union

if TYPE_CHECKING:
    from .resolver import Resolver

_MAPPINGS = frozenset({"Any", "Dict", "Mapping", "MutableMapping", "TypedDict", "TypeVar", "dict", "object"})


def has_plugin_run(resolver: "Resolver", of: Class, method: str) -> bool | None:
    """Whether a class's method is a plugin's run; None if the class is not known to have it."""
    bindings, outside = resolver.lookup(of, method)
    if any(
        isinstance(atom, Plugin) or (isinstance(atom, External) and is_plugin_class_name(atom.dotted))
        for atom in outside
    ):
        return True
    members = union(*(resolver.binding(binding) for binding in bindings))
    if not members:
        return False if outside and Unknown() not in outside and not _only_typing(outside) else None
    found = {takes_payload(resolver, atom) if isinstance(atom, Function) else None for atom in members}
    return True if True in found else None if None in found else False


def _only_typing(outside: Value) -> bool:
    bare = ("typing.", "typing_extensions.", "abc.", "builtins.object", "enum.")
    return all(isinstance(atom, External) and atom.dotted.startswith(bare) for atom in outside)


def takes_payload(resolver: "Resolver", function: Function) -> bool:
    """Whether a method can be called with one payload, and its annotation does not say that it wants another thing."""
    if isinstance(function.node, ast.Lambda) or function.scope.parent is None:
        return True
    arguments = function.node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    if not _is_static(function.node):
        positional = positional[1:]
    required = len(positional) - len(arguments.defaults)
    if required > 1 or any(default is None for default in arguments.kw_defaults):
        return required <= 1 and _has_payload(arguments.kwonlyargs)
    if not positional:
        return arguments.vararg is not None or arguments.kwarg is not None or _has_payload(arguments.kwonlyargs)
    return not _wants_another_thing(resolver, positional[0], function)


def _wants_another_thing(resolver: "Resolver", parameter: ast.arg, function: Function) -> bool:
    """Whether the annotation names a type that no dict is: a plugin's payload is always a dict."""
    if parameter.arg == "payload" or parameter.annotation is None or function.scope.parent is None:
        return False
    kinds = types.kinds_of(resolver, parameter.annotation, function.scope.parent)
    return bool(kinds) and not any(_may_be_a_dict(resolver, kind) for kind in kinds)


def _may_be_a_dict(resolver: "Resolver", kind: Atom) -> bool:
    if isinstance(kind, Class):
        bases = [atom.dotted for atom in resolver.ancestors(kind) if isinstance(atom, External)]
        return any(base.rpartition(".")[2] in _MAPPINGS for base in bases)
    return not isinstance(kind, External) or kind.dotted.rpartition(".")[2] in _MAPPINGS


def _has_payload(parameters: list[ast.arg]) -> bool:
    return any(parameter.arg == "payload" for parameter in parameters)


def _is_static(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(decorator, ast.Name) and decorator.id == "staticmethod" for decorator in node.decorator_list)
