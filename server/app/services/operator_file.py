"""``plugins.toml``: the operator's say over plugins, a table for each."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.governance.retry import RetryPolicy
from sightgate.manifest import Limits, ManifestError, check_name, check_permissions


class OperatorFileError(ValueError):
    """``plugins.toml`` cannot be used; the message names the table and the field."""


@dataclass(frozen=True, slots=True)
class OperatorSay:
    """What ``plugins.toml`` says of one plugin. ``limits`` are the most it may have.

    ``retry`` holds the fields of the retry policy of its jobs that differ from the settings.
    """

    enabled: bool = True
    config: Mapping[str, Any] = field(default_factory=dict)
    grant: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    retry: Mapping[str, Any] = field(default_factory=dict)
    interpreter: str | None = None
    warm: bool = False


_TYPES: Mapping[str, type] = {
    "enabled": bool,
    "config": dict,
    "grant": dict,
    "limits": dict,
    "retry": dict,
    "interpreter": str,
    "warm": bool,
}


def read_operator_file(path: Path) -> dict[str, OperatorSay]:
    """Return what the file says, by plugin name; nothing if there is no file. Raises OperatorFileError."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as broken:  # a number may have too many digits, an array be too deep
        raise OperatorFileError(f"{path.name} cannot be read: {broken}") from broken
    return {name: _read_table(path.name, name, table) for name, table in tables.items()}


def _read_table(file: str, name: str, table: object) -> OperatorSay:
    if not isinstance(table, dict):
        raise OperatorFileError(f"{file}: {name} must be a table, [{name}]")
    for key, value in table.items():
        wanted = _TYPES.get(key)
        if wanted is None:
            raise OperatorFileError(f"{file}: [{name}] has no setting {key!r}; it has {', '.join(_TYPES)}")
        if not isinstance(value, wanted):
            raise OperatorFileError(f"{file}: {name}.{key} must be a {wanted.__name__}, not {type(value).__name__}")
    try:
        json.dumps(table.get("config", {}), allow_nan=False)
    except (TypeError, ValueError) as wrong:  # TOML has dates and NaN, which cannot be handed to a worker
        raise OperatorFileError(f"{file}: {name}.config must be JSON: {wrong}; write dates as text") from wrong
    try:
        check_name(name)
        Limits.from_data(table.get("limits", {}))
        check_permissions(table.get("grant", {}))
        RetryPolicy.from_json(table.get("retry", {}))
    except (ManifestError, ValueError) as wrong:
        raise OperatorFileError(f"{file}: [{name}]: {wrong}") from wrong
    return OperatorSay(**table)
