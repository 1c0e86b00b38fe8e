"""Check options and results against a plugin's JSON Schemas, compiled once."""

from collections.abc import Callable, Mapping
from typing import Any

import jsonschema_rs

from app.governance.errors import InputValidationError, OutputValidationError, shorten

Check = Callable[[Mapping[str, Any]], None]


class UnusableSchema(ValueError):
    """The schema is no valid JSON Schema 2020-12."""


def options_check(schema: Mapping[str, Any] | None) -> Check | None:
    """Return a check that raises InputValidationError ``invalid_options`` naming the field. Raises UnusableSchema."""
    validator = _compile(schema)
    if validator is None:
        return None

    def check(options: Mapping[str, Any]) -> None:
        if not _is_valid(validator, options):
            field, said = _first_fault(validator, options)
            raise InputValidationError("invalid_options", f"options{field}: {said}", field=f"options{field}")

    return check


def result_check(schema: Mapping[str, Any] | None) -> Check | None:
    """Return a check that raises OutputValidationError ``invalid_output``. Raises UnusableSchema."""
    validator = _compile(schema)
    if validator is None:
        return None

    def check(result: Mapping[str, Any]) -> None:
        if not _is_valid(validator, result):
            field, said = _first_fault(validator, result)
            raise OutputValidationError("invalid_output", f"result{field}: {said}", field=f"result{field}")

    return check


def _compile(schema: Mapping[str, Any] | None) -> Any:
    if schema is None:
        return None
    try:
        return jsonschema_rs.Draft202012Validator(dict(schema))
    except (ValueError, RecursionError) as broken:
        raise UnusableSchema(shorten(broken, 500)) from broken


def _is_valid(validator: Any, instance: Mapping[str, Any]) -> bool:
    try:
        return bool(validator.is_valid(instance))
    except ValueError:  # the instance holds what is no JSON; the walk over the fields says what
        return False


def _first_fault(validator: Any, instance: Mapping[str, Any]) -> tuple[str, str]:
    try:
        for fault in validator.iter_errors(instance):
            path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault.instance_path)
            return shorten(path, 200), shorten(fault.message, 500)
    except ValueError as unusable:
        return "", shorten(unusable, 500)
    return "", "it does not fit the schema"
