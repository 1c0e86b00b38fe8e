"""Results as plain JSON data: None, bool, int, float, str, lists, and dicts with string keys."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from enum import Enum
from typing import Any, TypeAlias

from sightgate.errors import InvalidResult
from sightgate.results import Part

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_DEPTH = 64

_EXACT = frozenset({str, int, float, bool, type(None)})
_NUMPY_DIRECT_KINDS = frozenset("biu")


def to_plain(value: object) -> Any:
    """Return `value` as plain JSON data, sharing nothing mutable with it.

    Taken apart: dataclasses, dicts, lists, tuples, sets (sorted), enums (by value), date, datetime and time (ISO 8601),
    Pydantic models (`model_dump(mode="json", by_alias=True)`), and whatever has NumPy's `tolist` or `item`. A result
    part leaves out the fields that are None. NaN and infinity stay as they are: the caller judges them.
    Raises TypeError for any other type and for a dict key that is no string, and ValueError for a value that contains
    itself or that is nested more than 64 levels deep; the message names the place.
    """
    try:
        return _plain(value, ())
    except _RefusedError as refused:
        raise refused.kind(f"{refused.reason} (at {refused.place()})") from None


class _RefusedError(Exception):
    """Carries a refusal outwards while the levels it passes add their part of the path."""

    def __init__(self, kind: type[TypeError] | type[ValueError], reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.steps: list[str] = []

    def at(self, step: str) -> _RefusedError:
        self.steps.append(step)
        return self

    def place(self) -> str:
        path = "".join(reversed(self.steps)).removeprefix(".")
        return f"{path[:200]}…" if len(path) > 200 else path or "the top"


_Ancestors: TypeAlias = tuple[int, ...]


def _plain(value: object, above: _Ancestors) -> Json:
    kind = type(value)
    if kind in _EXACT:
        return value  # type: ignore[return-value]
    if isinstance(value, dict):
        return _plain_dict(value.items(), _enter(value, above))
    if isinstance(value, list | tuple):
        return _plain_list(value, _enter(value, above))
    if isinstance(value, Enum):
        return _plain(value.value, above)
    if isinstance(value, str | int | float):
        return _exact_scalar(value)
    return _plain_object(value, above)


def _plain_object(value: object, above: _Ancestors) -> Json:
    if isinstance(value, type | bytes | bytearray | memoryview):
        raise _not_json(value)
    if dataclasses.is_dataclass(value):
        return _plain_dataclass(value, _enter(value, above))
    if isinstance(value, set | frozenset):
        return _sorted(_plain_list(value, _enter(value, above)))
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return _plain_foreign(value, above)


def _plain_foreign(value: object, above: _Ancestors) -> Json:
    model_dump = getattr(value, "model_dump", None)
    if callable(model_dump):
        return _unwrapped(value, lambda: model_dump(mode="json", by_alias=True), above)
    tolist, item = getattr(value, "tolist", None), getattr(value, "item", None)
    if callable(tolist):
        return _plain_array(value, tolist, above)
    if callable(item):
        return _unwrapped(value, item, above)
    raise _not_json(value)


def _plain_array(value: object, tolist: Callable[[], object], above: _Ancestors) -> Json:
    dtype = getattr(value, "dtype", None)
    kind, size = getattr(dtype, "kind", None), getattr(dtype, "itemsize", 0)
    shallow = len(above) + getattr(value, "ndim", MAX_DEPTH) <= MAX_DEPTH
    if shallow and (kind in _NUMPY_DIRECT_KINDS or (kind == "f" and size <= 8)):
        # Such a list holds exact Python numbers only; walking a million of them again would take most of the time.
        return tolist()  # type: ignore[return-value]
    return _unwrapped(value, tolist, above)


def _unwrapped(value: object, unwrap: Callable[[], object], above: _Ancestors) -> Json:
    inner = unwrap()
    if any(hasattr(inner, name) for name in ("tolist", "item", "model_dump")):
        # What unwraps to yet another wrapper (NumPy's longdouble gives itself) might never end.
        raise _not_json(value)
    return _plain(inner, above)


def _plain_dataclass(value: object, above: _Ancestors) -> Json:
    assert dataclasses.is_dataclass(value)
    members = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
    if isinstance(value, Part):
        members = ((name, member) for name, member in members if member is not None)
    return _plain_dict(members, above)


def _plain_dict(items: Iterable[tuple[object, object]], above: _Ancestors) -> dict[str, Json]:
    plain: dict[str, Json] = {}
    for key, member in items:
        if not isinstance(key, str):
            raise _RefusedError(TypeError, f"a key must be a string, not {type(key).__name__}")
        name = key.value if isinstance(key, Enum) else str.__str__(key)
        try:
            plain[name] = _plain(member, above)
        except _RefusedError as refused:
            raise refused.at(f".{name}") from None
    return plain


def _plain_list(items: Iterable[object], above: _Ancestors) -> list[Json]:
    plain: list[Json] = []
    try:
        for member in items:
            plain.append(_plain(member, above))  # noqa: PERF401 - the length tells which member was refused
    except _RefusedError as refused:
        raise refused.at(f"[{len(plain)}]") from None
    return plain


def _enter(container: object, above: _Ancestors) -> _Ancestors:
    if id(container) in above:
        raise _RefusedError(ValueError, "the value contains itself, a cycle")
    if len(above) >= MAX_DEPTH:
        raise _RefusedError(ValueError, f"the value is nested more than {MAX_DEPTH} levels deep")
    return (*above, id(container))


def _exact_scalar(value: str | float) -> Json:
    # Subclasses such as numpy.float64 and numpy.str_ become the exact built-in type, whatever they override.
    if isinstance(value, str):
        return str.__str__(value)
    return int.__int__(value) if isinstance(value, int) else float.__float__(value)


def _sorted(items: list[Json]) -> list[Json]:
    if all(isinstance(item, int | float) for item in items):
        return sorted(items)  # type: ignore[type-var]
    return sorted(items, key=json.dumps)


def _not_json(value: object) -> _RefusedError:
    kind = value if isinstance(value, type) else type(value)
    text = f"the class {kind.__qualname__}" if kind is value else kind.__qualname__
    return _RefusedError(TypeError, f"{text} is not JSON data")


class PlainResult(dict[str, Any]):
    """A result that is plain JSON data already, so that nobody walks it again."""


def plain_result(raw: object) -> PlainResult:
    """Return a result as plain JSON data. Raises InvalidResult unless it is an object with at least one key."""
    if type(raw) is PlainResult:
        return raw
    try:
        plain = to_plain(raw)
    except (TypeError, ValueError) as unusable:
        raise InvalidResult(f"the result is not JSON: {unusable}") from unusable
    if not isinstance(plain, dict) or not plain:
        said = "an empty dict" if isinstance(plain, dict) else type(raw).__name__
        raise InvalidResult(f"a plugin must return a dict with at least one key, not {said}")
    return PlainResult(plain)
