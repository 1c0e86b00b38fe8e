"""JSON Schema 2020-12 from annotated types, and (from `sightgate.parsing`) JSON data as those types.

Understood: dataclasses, TypedDicts (Required, NotRequired), Pydantic models, Optional and Union, Literal, Enum, bool,
int, float, str, None, Any, list, tuple, set, frozenset, dict with string keys, Sequence and Mapping, datetime, date,
time, NewType, `type` aliases, and Annotated with `sightgate.Field`. Types may be nested and recursive.
"""

from __future__ import annotations

import collections.abc
import json
import typing
from dataclasses import MISSING
from datetime import date, datetime, time
from enum import Enum
from typing import Any, Literal, TypeAlias

from sightgate.annotations import (
    Annotation,
    Member,
    is_alias,
    is_dataclass_type,
    is_model,
    is_typed_dict,
    members,
    model_schema,
    origin_of,
    peel,
    union_branches,
)
from sightgate.fields import Field
from sightgate.parsing import parse
from sightgate.plain import to_plain
from sightgate.results import Part

__all__ = ["DIALECT", "Mode", "Schema", "json_schema", "parse"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema: TypeAlias = dict[str, Any]
Mode: TypeAlias = Literal["validation", "serialization"]

_SCALARS: dict[object, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    None: {"type": "null"},
    type(None): {"type": "null"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    Any: {},
    object: {},
}
_LISTS = (list, collections.abc.Sequence, collections.abc.MutableSequence)
_SETS = (set, frozenset, collections.abc.Set)
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_NUMPY_TYPES = {"bool": "boolean", "bool_": "boolean", "integer": "integer", "floating": "number", "ndarray": "array"}
_NUMBER_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_BOUNDS = {
    "integer": _NUMBER_BOUNDS,
    "number": _NUMBER_BOUNDS,
    "string": {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"},
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
}
_BOUND_NAMES = ("ge", "le", "gt", "lt", "min_length", "max_length", "pattern")


def json_schema(annotation: Annotation, mode: Mode = "validation") -> Schema:
    """Return the JSON Schema of an annotated type, with `$defs` for the types in it.

    `validation` describes what `parse` accepts, for options: defaults are shown and may be left out, unknown keys are
    refused. `serialization` describes what `to_plain` gives, for results: fields with defaults are there, result parts
    lack their empty fields, and more keys may come (a result may hold a subclass of what was declared).
    Raises TypeError for what has no JSON Schema, such as bytes, and for a Field that does not fit its type.
    """
    writer = _Writer(mode)
    return {"$schema": DIALECT, **writer.root(annotation)}


class _Writer:
    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.definitions: dict[str, Schema] = {}
        self.names: dict[object, str] = {}
        self.references: dict[str, int] = {}

    def root(self, annotation: Annotation) -> Schema:
        schema = self.schema(annotation)
        name = str(schema.pop("$ref", "")).removeprefix("#/$defs/")
        if name:
            # A client that makes a form of it wants the object itself at the root, not a reference to it.
            recursive = self.references[name] > 1
            schema = {**(self.definitions[name] if recursive else self.definitions.pop(name)), **schema}
        return {**schema, "$defs": self.definitions} if self.definitions else schema

    def schema(self, annotation: Annotation) -> Schema:
        bare, said = peel(annotation)
        return _with_field(self._bare(bare), said)

    def _bare(self, bare: Annotation) -> Schema:
        if is_model(bare) or is_dataclass_type(bare) or is_typed_dict(bare) or is_alias(bare):
            return self._reference(bare)
        if branches := union_branches(bare):
            return {"anyOf": [self.schema(branch) for branch in branches]}
        origin = origin_of(bare)
        if origin is Literal:
            return _choices(typing.get_args(bare))
        if isinstance(bare, type) and issubclass(bare, Enum):
            return _choices(tuple(bare))
        if origin is None and _hashable(bare) and bare in _SCALARS:
            return dict(_SCALARS[bare])
        return self._container(bare, origin or bare, typing.get_args(bare))

    def _container(self, bare: Annotation, origin: Annotation, arguments: tuple[Annotation, ...]) -> Schema:
        if origin is tuple:
            return self._tuple(arguments, bare)
        if origin in _LISTS:
            return {"type": "array", **self._items(arguments)}
        if origin in _SETS:
            return {"type": "array", "uniqueItems": True, **self._items(arguments)}
        if origin in _DICTS:
            return self._dict(arguments)
        if self.mode == "serialization" and (kind := _numpy_type(origin)):
            return {"type": kind}
        raise TypeError(f"{_name(bare)} has no JSON Schema")

    def _items(self, arguments: tuple[Annotation, ...]) -> Schema:
        items = self.schema(arguments[0]) if arguments else {}
        return {"items": items} if items else {}

    def _tuple(self, arguments: tuple[Annotation, ...], bare: Annotation) -> Schema:
        if bare is tuple or arguments[1:] == (...,):
            return {"type": "array", **self._items(arguments)}
        count = len(arguments)
        items = {"prefixItems": [self.schema(item) for item in arguments]} if arguments else {}
        return {"type": "array", **items, "items": False, "minItems": count, "maxItems": count}

    def _dict(self, arguments: tuple[Annotation, ...]) -> Schema:
        if not arguments:
            return {"type": "object"}
        key, value = self.schema(arguments[0]), self.schema(arguments[1])
        if key.get("type") != "string":
            raise TypeError(f"the keys of a dict must be strings, not {_name(arguments[0])}")
        names = {} if key == {"type": "string"} else {"propertyNames": key}
        return {"type": "object", **names, "additionalProperties": value}

    def _reference(self, bare: Annotation) -> Schema:
        if bare not in self.names:
            name = self._free_name(bare.__name__)
            self.names[bare] = name
            self.references[name] = 0
            self.definitions[name] = {}
            self.definitions[name].update(self._definition(bare, name))
        name = self.names[bare]
        self.references[name] += 1
        return {"$ref": f"#/$defs/{name}"}

    def _free_name(self, wanted: str) -> str:
        taken = sum(name.split("-")[0] == wanted for name in self.definitions)
        return f"{wanted}-{taken + 1}" if taken else wanted

    def _definition(self, bare: Annotation, name: str) -> Schema:
        if is_alias(bare):
            return self.schema(bare.__value__)
        if is_model(bare):
            return self._model(bare, name)
        return self._object(bare)

    def _object(self, owner: Annotation) -> Schema:
        shown = [member for member in members(owner) if self._is_shown(member)]
        required = [member.name for member in shown if self._is_required(owner, member)]
        return {
            "title": owner.__name__,
            **_description(owner),
            "type": "object",
            "properties": {member.name: self._property(owner, member) for member in shown},
            **({"required": required} if required else {}),
            **({"additionalProperties": False} if self.mode == "validation" else {}),
        }

    def _is_shown(self, member: Member) -> bool:
        return self.mode == "serialization" or member.settable or member.is_constant

    def _is_required(self, owner: Annotation, member: Member) -> bool:
        if self.mode == "validation" or is_typed_dict(owner):
            return member.required
        return not (issubclass(owner, Part) and _may_be_none(member))

    def _property(self, owner: Annotation, member: Member) -> Schema:
        annotation = member.annotation
        if self.mode == "serialization" and issubclass(owner, Part) and _may_be_none(member):
            schema = _without_null(self.schema(annotation))
        else:
            schema = self.schema(annotation)
        if self.mode == "serialization" or (default := member.default_value()) is MISSING:
            return schema
        return {**schema, "default": _default(owner, member, default)}

    def _model(self, model: Annotation, name: str) -> Schema:
        schema = model_schema(model, self.mode, f"{name}.")
        inner = schema.pop("$defs")
        self.definitions.update(inner)
        if self.mode == "validation":
            for definition in (schema, *inner.values()):
                if "properties" in definition:
                    definition.setdefault("additionalProperties", False)
        return schema


def _with_field(schema: Schema, said: Field) -> Schema:
    wanted = {name: bound for name in _BOUND_NAMES if (bound := getattr(said, name)) is not None}
    for branch in schema.get("anyOf", [schema]):
        keywords = _BOUNDS.get(branch.get("type", ""), {})
        branch.update({keywords[name]: bound for name, bound in wanted.items() if name in keywords})
    possible = {name for branch in schema.get("anyOf", [schema]) for name in _BOUNDS.get(branch.get("type", ""), {})}
    if misplaced := sorted(set(wanted) - possible):
        raise TypeError(f"Field({misplaced[0]}=…) does not fit {json.dumps(schema)[:200]}")
    if said.description is not None:
        schema["description"] = said.description
    if said.examples:
        schema["examples"] = to_plain(said.examples)
    return schema


def _choices(choices: tuple[object, ...]) -> Schema:
    values = [choice.value if isinstance(choice, Enum) else choice for choice in choices]
    kinds = [_SCALARS.get(type(value), {}).get("type") for value in values]
    if None in kinds or not all(isinstance(value, str | int | float | None) for value in values):
        raise TypeError(f"the choices {values!r:.200} are not all JSON scalars")
    chosen: Schema = {"const": values[0]} if len(values) == 1 else {"enum": values}
    return {"type": kinds[0], **chosen} if len(set(kinds)) == 1 else chosen


def _default(owner: type, member: Member, value: object) -> object:
    try:
        plain = to_plain(value)
        json.dumps(plain, allow_nan=False)
    except (TypeError, ValueError) as unusable:
        raise TypeError(f"the default of {owner.__qualname__}.{member.name} is not JSON: {unusable}") from unusable
    return plain


def _description(owner: type) -> Schema:
    text = (owner.__doc__ or "").strip().split("\n\n")[0]
    # A dataclass without a docstring gets its own signature as one.
    if not text or text.startswith(f"{owner.__name__}("):
        return {}
    return {"description": " ".join(text.split())}


def _may_be_none(member: Member) -> bool:
    return type(None) in union_branches(peel(member.annotation)[0])


def _without_null(schema: Schema) -> Schema:
    left = [branch for branch in schema.pop("anyOf") if branch != {"type": "null"}]
    return {**left[0], **schema} if len(left) == 1 else {"anyOf": left, **schema}


def _numpy_type(origin: Annotation) -> str | None:
    # NumPy is the plugin's, not ours to import: its types are known by their names.
    names = [base.__name__ for base in getattr(origin, "__mro__", ()) if base.__module__ == "numpy"]
    return next((_NUMPY_TYPES[name] for name in names if name in _NUMPY_TYPES), None)


def _hashable(bare: Annotation) -> bool:
    return isinstance(bare, collections.abc.Hashable)


def _name(annotation: Annotation) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
