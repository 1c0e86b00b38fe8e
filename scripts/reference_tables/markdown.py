"""Markdown tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; a bar inside a cell is escaped."""
    lines = [_row(heads), "|" + "---|" * len(heads), *map(_row, rows)]
    return "\n".join(lines)


def words(texts: Mapping[str, T], name: str) -> T:
    """Return what was written about a name; ends the program with a line that says what is to be written."""
    if name not in texts:
        raise SystemExit(f"nothing is written about {name!r} yet: add a line to scripts/reference_tables")
    return texts[name]


def code(value: object) -> str:
    """Return a value set as code, or nothing for an empty one."""
    return f"`{value}`" if str(value) else ""


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in cells) + " |"
