"""Reading the annotations of option and result types: what both the schema and the parser need to know of them."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import MISSING, dataclass
from functools import cache
from typing import Annotated, Any, Literal, NewType, NotRequired, Required, TypeAlias, Union

from sightgate.fields import Field

# Annotations are whatever an author may write: classes, generic aliases, unions, special forms.
Annotation: TypeAlias = Any


def origin_of(annotation: Annotation) -> Annotation:
    """Return what stands before the brackets of an annotation such as `list[int]`, or None if it has none."""
    origin: Annotation = typing.get_origin(annotation)
    return origin


@dataclass(frozen=True)
class Member:
    """One field of a dataclass or a key of a TypedDict. `settable` is False for a dataclass field with init=False."""

    name: str
    annotation: Annotation
    required: bool
    settable: bool
    # dataclasses.MISSING where there is none; it cannot be a default here, since dataclasses takes it for "no default".
    default: object
    default_factory: object

    @property
    def is_constant(self) -> bool:
        """Say whether only one of a few given values may stand here, as in the `type` of a result part."""
        return origin_of(peel(self.annotation)[0]) is Literal

    def default_value(self) -> object:
        """Return the default, made anew where there is a factory, or dataclasses.MISSING."""
        return self.default_factory() if callable(self.default_factory) else self.default


def peel(annotation: Annotation) -> tuple[Annotation, Field]:
    """Return the bare type of an annotation, and what the Fields around it say together (the outermost wins)."""
    said = Field()
    while True:
        if origin_of(annotation) is Annotated:
            for extra in reversed(annotation.__metadata__):
                said = said.merged_with(extra) if isinstance(extra, Field) else said
            annotation = annotation.__origin__
        elif origin_of(annotation) in (Required, NotRequired):
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        else:
            return annotation, said


def union_branches(annotation: Annotation) -> tuple[Annotation, ...]:
    """Return the branches of a Union or an Optional, or nothing if the annotation is neither."""
    if origin_of(annotation) in (Union, types.UnionType):
        return typing.get_args(annotation)
    return ()


def is_typed_dict(annotation: Annotation) -> bool:
    """Say whether this is a TypedDict class, of `typing` or of `typing_extensions`."""
    return isinstance(annotation, type) and issubclass(annotation, dict) and hasattr(annotation, "__required_keys__")


def is_dataclass_type(annotation: Annotation) -> bool:
    """Say whether this is a dataclass (the class, not an instance)."""
    return isinstance(annotation, type) and dataclasses.is_dataclass(annotation) and not is_model(annotation)


def is_model(annotation: Annotation) -> bool:
    """Say whether this is a Pydantic model class, by what it can do: Pydantic is the plugin's, not ours to import."""
    needed = ("model_json_schema", "model_validate")
    return isinstance(annotation, type) and all(callable(getattr(annotation, name, None)) for name in needed)


def model_schema(model: Annotation, mode: str, prefix: str = "") -> dict[str, Any]:
    """Return the schema that a Pydantic model has of itself, the model at the root, its `$defs` named with a prefix."""
    schema: dict[str, Any] = model.model_json_schema(mode=mode, ref_template=f"#/$defs/{prefix}{{model}}")
    definitions = {f"{prefix}{name}": definition for name, definition in schema.pop("$defs", {}).items()}
    if root := schema.pop("$ref", None):
        # Of a recursive model Pydantic gives a reference only.
        schema = {**definitions[root.removeprefix("#/$defs/")], **schema}
    return {**schema, "$defs": definitions}


def is_alias(annotation: Annotation) -> bool:
    """Say whether this was made by a `type X = ...` statement (or the backport of TypeAliasType)."""
    return type(annotation).__name__ == "TypeAliasType"


@cache
def members(owner: type) -> tuple[Member, ...]:
    """Return the members of a dataclass or TypedDict in order; raises TypeError if a name in them is not known."""
    hints = _hints(owner)
    if is_typed_dict(owner):
        return tuple(
            Member(name, hint, _key_required(owner, name, hint), True, MISSING, MISSING) for name, hint in hints.items()
        )
    return tuple(_dataclass_member(field, hints[field.name]) for field in dataclasses.fields(owner))


def _dataclass_member(field: dataclasses.Field[object], hint: Annotation) -> Member:
    required = field.init and field.default is MISSING and field.default_factory is MISSING
    return Member(field.name, hint, required, field.init, field.default, field.default_factory)


def _key_required(owner: Any, name: str, hint: Annotation) -> bool:
    # With `from __future__ import annotations` the class itself has not seen Required and NotRequired.
    while origin_of(hint) is Annotated:
        hint = hint.__origin__
    origin = origin_of(hint)
    return origin is Required or (origin is not NotRequired and name in owner.__required_keys__)


def _hints(owner: type) -> dict[str, Annotation]:
    try:
        return typing.get_type_hints(owner, include_extras=True)
    except NameError:
        # A class inside a function does not find its own name among the module's.
        pass
    try:
        return typing.get_type_hints(owner, localns={owner.__name__: owner}, include_extras=True)
    except NameError as unknown:
        said = f"an annotation of {owner.__qualname__} cannot be resolved: {unknown}; define the name in its module"
        raise TypeError(said) from unknown
