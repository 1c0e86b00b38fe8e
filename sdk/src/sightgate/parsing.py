"""JSON data as values of annotated types, strictly: nothing is guessed, and every refusal names the field."""

from __future__ import annotations

import collections.abc
import math
import re
import typing
from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeVar, overload

from sightgate.annotations import (
    Annotation,
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
from sightgate.errors import InputError, InvalidOptions, counted
from sightgate.fields import Field

MAX_DEPTH = 64

T = TypeVar("T")


@overload
def parse(annotation: type[T], data: object) -> T: ...
@overload
def parse(annotation: Annotation, data: object) -> Any: ...
def parse(annotation: Annotation, data: object) -> Any:
    """Return JSON data as a value of the annotated type.

    As in JSON Schema, 1.0 is an integer, 1 is a number and true is neither; text is never read as a number. Of a union
    the first branch that fits is taken. A ValueError raised by a dataclass's `__post_init__` is a refusal too.
    Raises InvalidOptions with `field` (such as `regions[0].x`) in its details, and TypeError for a type that
    `json_schema` does not know either.
    """
    return _value(annotation, data, Place())


class Place(tuple[str, ...]):
    """Where in the data we are, as the steps from the top."""

    __slots__ = ()

    def __truediv__(self, step: str) -> Place:
        if len(self) >= MAX_DEPTH:
            raise self.refusal(f"is nested more than {MAX_DEPTH} levels deep")
        return Place((*self, step))

    def refusal(self, reason: str) -> InvalidOptions:
        field = "".join(self).removeprefix(".")
        shown = f"{field[:200]}…" if len(field) > 200 else field
        return InvalidOptions(f"{shown} {reason}" if field else f"the options: {reason}", field=shown)


def _value(annotation: Annotation, data: object, place: Place) -> Any:
    bare, said = peel(annotation)
    value = _bare(bare, data, place)
    _check(said, data, place)
    return value


def _bare(bare: Annotation, data: object, place: Place) -> Any:
    if is_dataclass_type(bare):
        return _dataclass(bare, data, place)
    if branches := union_branches(bare):
        return _union(branches, data, place)
    if is_typed_dict(bare):
        return _members(bare, data, place)
    if is_model(bare):
        return _model(bare, data, place)
    if is_alias(bare):
        return _value(bare.__value__, data, place)
    origin = origin_of(bare)
    if origin is Literal:
        return _choice(typing.get_args(bare), data, place)
    if isinstance(bare, type) and issubclass(bare, Enum):
        return _choice(tuple(bare), data, place)
    if reader := (_READERS.get(bare) if isinstance(bare, collections.abc.Hashable) else None):
        return reader(data, place)
    return _container(bare, origin or bare, typing.get_args(bare), data, place)


def _container(
    bare: Annotation, origin: Annotation, arguments: tuple[Annotation, ...], data: object, place: Place
) -> Any:
    if origin is tuple:
        return _tuple(arguments, bare, data, place)
    if make := _LISTS.get(origin):
        return make(_items(arguments, data, place))
    if make := _SETS.get(origin):
        return _unique(make, _items(arguments, data, place), place)
    if origin in _DICTS:
        return _dict(arguments, data, place)
    raise TypeError(f"{bare!r} cannot be read from JSON")


def _dataclass(owner: type, data: object, place: Place) -> Any:
    values = _members(owner, data, place)
    settable = {member.name for member in members(owner) if member.settable}
    try:
        return owner(**{name: value for name, value in values.items() if name in settable})
    except InputError:
        raise
    except ValueError as refused:
        raise place.refusal(str(refused)[:500]) from refused


def _members(owner: type, data: object, place: Place) -> dict[str, object]:
    known = {member.name: member for member in members(owner) if member.settable or member.is_constant}
    given = _object(data, place)
    if unknown := next((name for name in given if name not in known), None):
        raise (place / _step(unknown)).refusal(f"is not known; there is {', '.join(known) or 'nothing to set'}")
    if missing := next((name for name, member in known.items() if member.required and name not in given), None):
        raise (place / f".{missing}").refusal("is required")
    return {name: _value(known[name].annotation, value, place / f".{name}") for name, value in given.items()}


def _union(branches: tuple[Annotation, ...], data: object, place: Place) -> Any:
    refusals: list[InvalidOptions] = []
    for branch in branches:
        if (peel(branch)[0] in (None, type(None))) != (data is None):
            continue
        try:
            return _value(branch, data, place)
        except InvalidOptions as refused:
            refusals.append(refused)
    if len(refusals) == 1:
        raise refusals[0]
    raise place.refusal(f"fits none of the types allowed here: {'; '.join(str(said) for said in refusals)}"[:500])


def _model(model: Annotation, data: object, place: Place) -> Any:
    allowed = _model_keys(model)
    given = _object(data, place) if allowed is not None else {}
    if allowed is not None and (unknown := next((name for name in given if name not in allowed), None)):
        raise (place / _step(unknown)).refusal(f"is not known; there is {', '.join(sorted(allowed))}")
    try:
        return model.model_validate(data)
    except InputError:
        raise
    except ValueError as refused:
        raise _model_refusal(refused, place) from refused


@cache
def _model_keys(model: Annotation) -> frozenset[str] | None:
    schema = model_schema(model, "validation")
    open_ended = schema.get("additionalProperties", False) is not False
    return None if open_ended or "properties" not in schema else frozenset(schema["properties"])


def _model_refusal(refused: ValueError, place: Place) -> InvalidOptions:
    # Pydantic's ValidationError tells each fault apart; the first is enough to mend the call.
    errors = getattr(refused, "errors", None)
    first = errors(include_url=False)[0] if callable(errors) else {}
    for step in first.get("loc", ()):
        place = place / (f"[{step}]" if isinstance(step, int) else _step(step))
    return place.refusal(str(first.get("msg", refused))[:500])


def _object(data: object, place: Place) -> dict[str, object]:
    if not isinstance(data, dict):
        raise _unlike("an object", data, place)
    return data


def _array(data: object, place: Place) -> list[object]:
    if not isinstance(data, list):
        raise _unlike("an array", data, place)
    return data


def _items(arguments: tuple[Annotation, ...], data: object, place: Place) -> list[Any]:
    item = arguments[0] if arguments else Any
    return [_value(item, value, place / f"[{index}]") for index, value in enumerate(_array(data, place))]


def _tuple(arguments: tuple[Annotation, ...], bare: Annotation, data: object, place: Place) -> tuple[Any, ...]:
    if bare is tuple or arguments[1:] == (...,):
        return tuple(_items(arguments, data, place))
    given = _array(data, place)
    if len(given) != len(arguments):
        raise place.refusal(f"must have exactly {counted(len(arguments), 'item')}, not {len(given)}")
    pairs = enumerate(zip(arguments, given, strict=True))
    return tuple(_value(item, value, place / f"[{index}]") for index, (item, value) in pairs)


def _unique(make: Callable[[Iterable[Any]], Any], items: list[Any], place: Place) -> Any:
    made = make(items)
    if len(made) != len(items):
        raise place.refusal("must not hold an item twice")
    return made


def _dict(arguments: tuple[Annotation, ...], data: object, place: Place) -> dict[Any, Any]:
    given = _object(data, place)
    if not arguments:
        return dict(given)
    key, item = arguments
    return {_value(key, name, place / _step(name)): _value(item, given[name], place / _step(name)) for name in given}


def _choice(choices: tuple[Any, ...], data: object, place: Place) -> Any:
    values = [choice.value if isinstance(choice, Enum) else choice for choice in choices]
    for choice, value in zip(choices, values, strict=True):
        if value == data and isinstance(value, bool) == isinstance(data, bool):
            return choice
    raise place.refusal(f"must be {' or '.join(_shown(value) for value in values)}, not {_shown(data)}"[:500])


def _bool(data: object, place: Place) -> bool:
    if not isinstance(data, bool):
        raise _unlike("true or false", data, place)
    return data


def _int(data: object, place: Place) -> int:
    if isinstance(data, int) and not isinstance(data, bool):
        return data
    if isinstance(data, float) and data.is_integer():
        return int(data)
    raise _unlike("a whole number", data, place)


def _float(data: object, place: Place) -> float:
    if isinstance(data, bool) or not isinstance(data, int | float):
        raise _unlike("a number", data, place)
    try:
        number = float(data)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise place.refusal("must be a finite number")
    return number


def _str(data: object, place: Place) -> str:
    if not isinstance(data, str):
        raise _unlike("a string", data, place)
    return data


def _none(data: object, place: Place) -> None:
    if data is not None:
        raise _unlike("null", data, place)


def _any(data: object, place: Place) -> object:
    return data


def _moment(kind: type[date] | type[time], name: str) -> Callable[[object, Place], object]:
    def read(data: object, place: Place) -> object:
        try:
            return kind.fromisoformat(_str(data, place))
        except ValueError:
            raise place.refusal(f"must be {name} as ISO 8601 writes it, not {_shown(data)}") from None

    return read


_READERS: dict[object, Callable[[object, Place], object]] = {
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
    None: _none,
    type(None): _none,
    Any: _any,
    object: _any,
    datetime: _moment(datetime, "a date and time"),
    date: _moment(date, "a date"),
    time: _moment(time, "a time"),
}
_LISTS: dict[object, Callable[[list[Any]], Any]] = dict.fromkeys(
    (list, collections.abc.Sequence, collections.abc.MutableSequence), list
)
_SETS: dict[object, Callable[[Iterable[Any]], Any]] = {set: set, frozenset: frozenset, collections.abc.Set: frozenset}
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def _check(said: Field, data: object, place: Place) -> None:
    if isinstance(data, int | float) and not isinstance(data, bool):
        _check_number(said, data, place)
    elif isinstance(data, str | list | dict):
        _check_length(said, data, place)
    if said.pattern is not None and isinstance(data, str) and not re.search(said.pattern, data):
        raise place.refusal(f"must match the pattern {said.pattern}")


def _check_number(said: Field, number: float, place: Place) -> None:
    if said.ge is not None and not number >= said.ge:
        raise place.refusal(f"must be at least {said.ge}, not {_shown(number)}")
    if said.le is not None and not number <= said.le:
        raise place.refusal(f"must be at most {said.le}, not {_shown(number)}")
    if said.gt is not None and not number > said.gt:
        raise place.refusal(f"must be more than {said.gt}, not {_shown(number)}")
    if said.lt is not None and not number < said.lt:
        raise place.refusal(f"must be less than {said.lt}, not {_shown(number)}")


def _check_length(said: Field, data: str | list[object] | dict[str, object], place: Place) -> None:
    unit = "character" if isinstance(data, str) else "item"
    if said.min_length is not None and len(data) < said.min_length:
        raise place.refusal(f"must have at least {counted(said.min_length, unit)}, not {len(data)}")
    if said.max_length is not None and len(data) > said.max_length:
        raise place.refusal(f"must have at most {counted(said.max_length, unit)}, not {len(data)}")


def _unlike(wanted: str, data: object, place: Place) -> InvalidOptions:
    return place.refusal(f"must be {wanted}, not {_shown(data)}")


def _step(name: object) -> str:
    return f".{name!s:.60}"


def _shown(data: object) -> str:
    """Return a short text for a value a stranger sent, in JSON's words."""
    if data is None or isinstance(data, bool):
        return {None: "null", True: "true", False: "false"}[data]
    if isinstance(data, str):
        return repr(data[:40]) + ("…" if len(data) > 40 else "")
    if isinstance(data, int) and data.bit_length() > 200:
        return "a very large number"
    if isinstance(data, int | float):
        return repr(data)
    if isinstance(data, dict | list):
        return "an object" if isinstance(data, dict) else "an array"
    return type(data).__name__
