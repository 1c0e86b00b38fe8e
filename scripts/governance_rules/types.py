"""What an annotation says about the objects it describes."""

import ast
from typing import TYPE_CHECKING

from .atoms import (
    NOTHING,
    PLAIN,
    PLUGIN,
    UNKNOWN,
    Atom,
    Class,
    External,
    Gate,
    Object,
    Plain,
    Plugin,
    Value,
    is_plugin_class_name,
    union,
)
from .layout import GATE_CLASS
from .scopes import How, Scope

if TYPE_CHECKING:
    from .resolver import Resolver

_SAYS_NOTHING = frozenset(
    {
        "builtins.object",
        "builtins.type",
        "builtins.dict",
        "builtins.list",
        "builtins.tuple",
        "builtins.set",
        "builtins.frozenset",
        "typing.Any",
        "typing.Dict",
        "typing.List",
        "typing.Tuple",
        "typing.Set",
        "typing.Type",
        "typing.TypeVar",
        "typing.Protocol",
        "typing.Callable",
        "typing_extensions.Any",
        "types.ModuleType",
        "types.SimpleNamespace",
    }
)
_FIRST_ONLY = frozenset({"Annotated", "Final", "ClassVar", "Required", "NotRequired", "ReadOnly"})


def object_of(resolver: "Resolver", node: ast.AST, scope: Scope) -> Value:
    """Return what an object annotated so can be; a container counts as what it holds."""
    return resolver.once(("type", node), lambda: _object_of(resolver, node, scope))


def _object_of(resolver: "Resolver", node: ast.AST, scope: Scope) -> Value:
    match node:
        case ast.Constant(value=None):
            return NOTHING
        case ast.Constant(value=str(text)):
            return _quoted(resolver, text, scope)
        case ast.Name() | ast.Attribute():
            return _named(resolver, node, scope)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return union(object_of(resolver, left, scope), object_of(resolver, right, scope))
        case ast.Subscript(value=base, slice=inside):
            return _subscripted(resolver, base, inside, scope)
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return union(*(object_of(resolver, part, scope) for part in parts))
        case ast.Starred(value=inner):
            return object_of(resolver, inner, scope)
    return UNKNOWN


def _quoted(resolver: "Resolver", text: str, scope: Scope) -> Value:
    try:
        return object_of(resolver, ast.parse(text.strip(), mode="eval").body, scope)
    except (SyntaxError, ValueError, RecursionError):
        return UNKNOWN


def _named(resolver: "Resolver", node: ast.Name | ast.Attribute, scope: Scope) -> Value:
    if isinstance(node, ast.Name):
        alias = alias_of(node.id, scope)
        if alias is not None:
            return object_of(resolver, *alias)
    found = resolver.value(node, scope)
    aliases = [_alias_elsewhere(resolver, node, scope)] if found and _is_no_type(found) else []
    if aliases and aliases[0] is not None:
        return object_of(resolver, *aliases[0])
    return union(*(_of_atom(resolver, atom, scope) for atom in found)) or UNKNOWN


def alias_of(name: str, scope: Scope) -> tuple[ast.AST, Scope] | None:
    """Return the expression that a type alias stands for, and its scope; None if the name is no alias."""
    for around in scope.ancestry():
        bindings = around.names.get(name)
        if bindings and (around is scope or not around.is_class):
            binding = bindings[0]
            simple = len(bindings) == 1 and binding.how in {How.VALUE, How.ANNOTATED}
            if simple and isinstance(binding.node, (ast.Subscript, ast.BinOp, ast.Constant, ast.Name, ast.Attribute)):
                return binding.node, binding.scope
            return None
    return None


def _alias_elsewhere(resolver: "Resolver", node: ast.AST, scope: Scope) -> tuple[ast.AST, Scope] | None:
    """Return the expression of a type alias that another module of ours defines."""
    for module, name in resolver.origins(node, scope):
        if (alias := alias_of(name, module.scope)) is not None:
            return alias
    return None


def _is_no_type(found: Value) -> bool:
    return not any(isinstance(atom, (Class, External)) for atom in found)


def _subscripted(resolver: "Resolver", base: ast.expr, inside: ast.expr, scope: Scope) -> Value:
    origin = resolver.value(base, scope)
    names = {atom.dotted.rpartition(".")[2] for atom in origin if isinstance(atom, External)}
    if names & {"Literal"}:
        return PLAIN
    if names & {"Callable"}:
        return UNKNOWN
    parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
    if names & _FIRST_ONLY:
        parts = parts[:1]
    # Of a mapping, the keys do not matter.
    if names & {"dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "DefaultDict", "OrderedDict"}:
        parts = parts[-1:]
    held = union(*(object_of(resolver, part, scope) for part in parts if not _is_ellipsis(part)))
    ours = [_of_atom(resolver, atom, scope) for atom in origin if isinstance(atom, (Class, Plugin, Gate))]
    return union(held, *ours) or PLAIN


def _is_ellipsis(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _of_atom(resolver: "Resolver", atom: Atom, scope: Scope) -> Value:
    match atom:
        case Class():
            return resolver.instance(atom)
        case External(dotted=dotted):
            return _of_external(dotted, scope)
        case Plugin() | Gate() | Plain():
            return frozenset({atom})
    return UNKNOWN


def _of_external(dotted: str, scope: Scope) -> Value:
    name = dotted.rpartition(".")[2]
    if name == "Self":
        around = next((outer for outer in scope.ancestry() if outer.is_class), None)
        if around is None or not isinstance(around.node, ast.ClassDef):
            return UNKNOWN
        return frozenset({Object(Class(around.node, around))})
    if dotted in _SAYS_NOTHING or dotted.startswith("collections.abc."):
        return UNKNOWN
    if name == GATE_CLASS:
        return frozenset({Gate()})
    return PLUGIN if is_plugin_class_name(name) else PLAIN


def is_dict(resolver: "Resolver", node: ast.AST | None, scope: Scope) -> bool:
    """Whether an annotation is ``dict``, with or without parameters, or an alias of one."""
    origin = _origin(resolver, node, scope)
    return origin is not None and origin[0] in {"builtins.dict", "typing.Dict"}


def is_pair_of_dicts(resolver: "Resolver", node: ast.AST | None, scope: Scope) -> bool:
    """Whether an annotation is ``tuple[dict, dict]``, parameterised or an alias."""
    origin = _origin(resolver, node, scope)
    if origin is None or origin[0] not in {"builtins.tuple", "typing.Tuple"} or len(origin[1]) != 2:
        return False
    return all(is_dict(resolver, part, origin[2]) for part in origin[1])


def is_string(resolver: "Resolver", node: ast.AST | None, scope: Scope) -> bool:
    origin = _origin(resolver, node, scope)
    return origin is not None and origin[0] == "builtins.str"


def kinds_of(resolver: "Resolver", node: ast.AST, scope: Scope) -> Value:
    """Return the classes that an annotation names, without their parameters: ``list[int] | None`` names ``list``."""
    if isinstance(node, ast.Constant) and node.value is None:
        return NOTHING
    if isinstance(node, ast.BinOp):
        return union(kinds_of(resolver, node.left, scope), kinds_of(resolver, node.right, scope))
    if isinstance(node, ast.Subscript):
        names = {
            atom.dotted.rpartition(".")[2] for atom in resolver.value(node.value, scope) if isinstance(atom, External)
        }
        if names & {"Optional", "Union", *_FIRST_ONLY}:
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            return union(*(kinds_of(resolver, part, scope) for part in (parts[:1] if names & _FIRST_ONLY else parts)))
    origin = _origin(resolver, node, scope)
    if origin is not None:
        return frozenset({External(origin[0])})
    return resolver.value(node, scope) if isinstance(node, (ast.Name, ast.Attribute)) else UNKNOWN


def _origin(
    resolver: "Resolver", node: ast.AST | None, scope: Scope, depth: int = 0
) -> tuple[str, list[ast.expr], Scope] | None:
    """Return an annotation's dotted origin and its parameters, aliases followed; None if there is no one origin."""
    if node is None or depth > 10:
        return None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return _origin(resolver, ast.parse(node.value.strip(), mode="eval").body, scope, depth + 1)
        except SyntaxError:
            return None
    if isinstance(node, ast.Subscript):
        base = _origin(resolver, node.value, scope, depth + 1)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return None if base is None else (base[0], list(parts), scope)
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return None
    alias = alias_of(node.id, scope) if isinstance(node, ast.Name) else None
    alias = alias or _alias_elsewhere(resolver, node, scope)
    if alias is not None:
        return _origin(resolver, *alias, depth + 1)
    found = resolver.value(node, scope)
    dotted = [atom.dotted for atom in found if isinstance(atom, External)]
    return (dotted[0], [], scope) if len(found) == 1 and dotted else None
