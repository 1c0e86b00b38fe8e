"""What an expression can be: a set of atoms, as far as it matters whose ``run`` is called."""

import ast
import re
from dataclasses import dataclass

from .scopes import FunctionNode, Module, Scope


@dataclass(frozen=True)
class Plain:
    """A thing that cannot be a plugin: a number, a string, an object of another library."""


@dataclass(frozen=True)
class Unknown:
    """A thing that could be anything."""


@dataclass(frozen=True)
class Plugin:
    """A plugin, a plugin's class, or something that holds plugins."""


@dataclass(frozen=True)
class Gate:
    """A ToolRunner or its class. ``by_name`` if only the name says so."""

    by_name: bool = False


@dataclass(frozen=True)
class Text:
    """A string that the source spells out."""

    text: str


@dataclass(frozen=True)
class External:
    """A module, class or function of another code base, by its dotted name; builtins are ``builtins.x``."""

    dotted: str


@dataclass(frozen=True)
class OwnModule:
    module: Module


@dataclass(frozen=True)
class Class:
    """A class that is defined in the files read."""

    node: ast.ClassDef
    scope: Scope


@dataclass(frozen=True)
class Object:
    """An object of such a class, or a container of them."""

    of: Class


@dataclass(frozen=True)
class Function:
    """A function or method that is defined in the files read; ``scope`` is its own."""

    node: FunctionNode
    scope: Scope


Atom = Plain | Unknown | Plugin | Gate | Text | External | OwnModule | Class | Object | Function
Value = frozenset[Atom]

NOTHING: Value = frozenset()
PLAIN: Value = frozenset({Plain()})
UNKNOWN: Value = frozenset({Unknown()})
PLUGIN: Value = frozenset({Plugin()})

_PLUGIN_NAME = re.compile(
    r"(^|_)(plugin|tool)s?(_?(obj|object|inst|instance|class|cls|type|impl|handle|map|registry|list|by_name|\d+))?$"
    r"|(^|_)registry$",
    re.IGNORECASE,
)
_GATE_NAME = re.compile(r"^_*(tool_runner|toolrunner|gate)$", re.IGNORECASE)
_LOOK_UP = re.compile(
    r"^_*(get|find|load|look_?up|resolve|fetch|make|create|build|instantiate|select|pick|choose)_?"
    r"(plugin|tool)(_?(by_name|instance|class|object|for))?$|^_*(plugin|tool)_(for|by_name|named)$",
    re.IGNORECASE,
)
_PLUGIN_CLASS = re.compile(r"(Plugin|Tool)(Base|Protocol|ABC)?$")


def union(*values: Value) -> Value:
    return frozenset().union(*values)


def named(value: Value, name: str) -> Value:
    """Return the value, with what the name tells in place of what is not known."""
    if Unknown() not in value:
        return value
    if _PLUGIN_NAME.search(name) or _LOOK_UP.search(name):
        return (value - UNKNOWN) | PLUGIN
    if _GATE_NAME.search(name):
        return (value - UNKNOWN) | {Gate(by_name=True)}
    return value


def is_look_up(name: str) -> bool:
    return _LOOK_UP.search(name) is not None


def is_plugin_class_name(name: str) -> bool:
    return _PLUGIN_CLASS.search(name) is not None
