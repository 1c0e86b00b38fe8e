"""Whether a method named ``run`` can be a plugin's."""

import ast
from typing import TYPE_CHECKING

from . import types
from .atoms import Function, Plain

if TYPE_CHECKING:
    from .resolver import Resolver


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
    if parameter.arg == "payload" or parameter.annotation is None or function.scope.parent is None:
        return False
    wanted = types.object_of(resolver, parameter.annotation, function.scope.parent)
    is_dict = types.is_dict(resolver, parameter.annotation, function.scope.parent)
    return bool(wanted) and wanted <= {Plain()} and not is_dict


def _has_payload(parameters: list[ast.arg]) -> bool:
    return any(parameter.arg == "payload" for parameter in parameters)


def _is_static(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(decorator, ast.Name) and decorator.id == "staticmethod" for decorator in node.decorator_list)
