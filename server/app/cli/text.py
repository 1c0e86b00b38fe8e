"""Values as short text for people."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

LONGEST = 200
FEW = 12


def clean(text: object) -> str:
    """Return text safe to show: what a plugin or a file name says can hold no terminal control sequence."""
    shown = "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in str(text))
    return shown.encode(errors="replace").decode()


def short(value: Any) -> str:
    """Return any JSON value in a few words."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, str):
        return _cut(clean(value)) or '""'
    if not value:
        return "none"
    if isinstance(value, Mapping):
        return _cut(clean(json.dumps(value, ensure_ascii=False)))
    return _list(value)


def number(value: float) -> str:
    """Return a number with at most three decimals, or in powers of ten where that would lose it."""
    if isinstance(value, int) or value == 0:
        return str(int(value))
    if not math.isfinite(value) or not 1e-3 <= abs(value) < 1e15:
        return f"{value:.3g}"
    return f"{value:.3f}".rstrip("0").rstrip(".")


def milliseconds(value: float | None) -> str:
    """Return a time in milliseconds; in seconds, or its two largest units, where it is long: 3 min 5 s, 4 d 3 h."""
    if value is None:
        return "-"
    if value < 60_000:
        return f"{value / 1000:.2f} s" if value >= 1000 else f"{value:.1f} ms"
    rest, parts = round(value / 1000), []
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        amount, rest = divmod(rest, seconds)
        parts.append((amount, unit))
    first = next(place for place, (amount, _) in enumerate(parts) if amount)
    return " ".join(f"{amount} {unit}" for amount, unit in parts[first : first + 2] if amount)


def local_time(iso: str | None) -> str:
    """Return an ISO 8601 time in this machine's own time zone, to the second."""
    if iso is None:
        return "-"
    moment = datetime.fromisoformat(iso)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def is_points(value: Any) -> bool:
    """Tell whether a value is a list of points, each with x and y."""
    return _is_list(value) and bool(value) and all(isinstance(p, Mapping) and {"x", "y"} <= p.keys() for p in value)


def _list(value: Sequence[Any]) -> str:
    if is_points(value):
        return _points(value)
    if len(value) > FEW and all(isinstance(item, (int, float)) for item in value):
        return f"{len(value)} numbers, {number(min(value))} to {number(max(value))}"
    if any(isinstance(item, Mapping) or _is_list(item) for item in value):
        return _cut(clean(json.dumps(value, ensure_ascii=False)))
    return _cut(", ".join(short(item) for item in value))


def _points(points: Sequence[Mapping[str, float]]) -> str:
    xs, ys = [point["x"] for point in points], [point["y"] for point in points]
    corners = f"({min(xs):.0f}, {min(ys):.0f}) to ({max(xs):.0f}, {max(ys):.0f})"
    return corners if len(points) == 4 else f"{len(points)} points in {corners}"


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
