"""JSON as its standard has it: Python's reader takes NaN and Infinity too, which no other does."""

import json
from typing import Never


def read_json(text: str | bytes) -> object:
    """Return the value of a JSON text. Raises ValueError, and RecursionError where it is nested too deep."""
    value: object = json.loads(text, parse_constant=_refuse)
    return value


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is no JSON")
