"""What an annotation may say of a field beyond its type."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class Field:
    """Bounds and documentation of one field, for use in `typing.Annotated`.

    `ge`, `le`, `gt`, `lt` bound a number. `min_length` and `max_length` count the characters of a string, the items
    of a list or the keys of a dict. `pattern` is searched in a string (anchor it with `^` and `$` to match the whole).
    `description` and `examples` are shown to people. Raises re.error if `pattern` is no regular expression.
    """

    ge: float | None = None
    le: float | None = None
    gt: float | None = None
    lt: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    description: str | None = None
    # `typing` hashes annotations, and examples may be lists or dicts.
    examples: tuple[object, ...] | list[object] = field(default=(), hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "examples", tuple(self.examples))
        if self.pattern is not None:
            re.compile(self.pattern)

    def merged_with(self, inner: Field) -> Field:
        """Return this field with what it leaves open taken from `inner`."""
        chosen = {f.name: getattr(self, f.name) for f in fields(self)}
        return Field(**{name: getattr(inner, name) if value in (None, ()) else value for name, value in chosen.items()})
