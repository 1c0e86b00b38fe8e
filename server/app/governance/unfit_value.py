"""What is wrong with a value that the validating library refused, in our own words."""

from collections.abc import Mapping
from typing import Any

_WHOLE, _NUMBER, _SWITCH = "must be a whole number", "must be a number", "must be true or false"
# By the library's name for the kind of error; what it says of the limits is put in.
_WORDS: Mapping[str, str] = {
    "missing": "is missing",
    "bool_parsing": _SWITCH,
    "bool_type": _SWITCH,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "finite_number": _NUMBER,
    "greater_than_equal": "must be {ge} or more",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be {le} or less",
    "less_than": "must be less than {lt}",
    "too_short": "must have {min_length} characters or more",
    "string_too_short": "must have {min_length} characters or more",
    "string_too_long": "must have {max_length} characters or fewer",
    "string_pattern_mismatch": "must match {pattern}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "value_error": "{error}",
}


def describe(error: Mapping[str, Any]) -> str:
    """Return what is wrong, to stand after the value's name and a colon. ``error`` is one of ``ValidationError``'s."""
    return _WORDS.get(error["type"], "cannot be used").format_map(error.get("ctx") or {})
