"""The server's settings, and what ``plugins.toml`` may say."""

import types
from dataclasses import fields
from pathlib import Path
from typing import Literal, Union, get_args, get_origin, get_type_hints

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from app.services.operator_file import OperatorSay
from app.settings import Settings
from reference_tables.markdown import code, table, words

_NAMES: dict[object, str] = {Path: "path", SecretStr: "text", str: "text", type(None): "none"}
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}

_SAID = {
    "enabled": "Whether the plugin may be called. What was set over the API wins.",
    "config": "Handed to the plugin's `load(config)` and `unavailable(config)`. Its keys are the plugin's own. "
    "Absolute paths in it may be read by its workers.",
    "grant": "The permissions that it may have; see [manifest](manifest.md#permissions).",
    "retry": "How its jobs are tried again, where the request does not say: `max_attempts`, `codes`, `backoff_s`, "
    "`factor`, `max_backoff_s`, `jitter`.",
    "limits": "The most it may have. Limits that the plugin declares higher are cut to these; lower ones stay.",
    "interpreter": "Path of the Python that runs its workers; the server's own if not given. The SDK must be "
    "installed there. The table is named by the plugin's file stem or entry point.",
    "warm": "Start a worker when the server starts, not at the first call, and keep one: it is started again when it "
    "ends.",
}


def settings() -> str:
    """Name, type, default and meaning of every setting."""
    rows = [
        (
            code(f"SIGHTGATE_{name.upper()}"),
            code(name),
            _type(field.annotation),
            _default(field),
            _meaning(field),
        )
        for name, field in Settings.model_fields.items()
    ]
    return table(("variable", "setting", "type", "default", "meaning"), rows)


def operator_file() -> str:
    """What a table of ``plugins.toml`` may hold."""
    hints = get_type_hints(OperatorSay)
    empty = OperatorSay()
    rows = [
        (code(field.name), _type(hints[field.name]), _plain(getattr(empty, field.name)), words(_SAID, field.name))
        for field in fields(OperatorSay)
    ]
    return table(("key", "type", "default", "meaning"), rows)


def _type(annotation: object) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(code(value) for value in get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(_type(branch) for branch in get_args(annotation) if branch is not type(None))
    if get_origin(annotation) is not None:
        return "table"
    return _NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(field: FieldInfo) -> str:
    return _plain(field.default)


def _plain(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, dict):
        return "empty"
    return code(value)


def _meaning(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {getattr(rule, name):g}"
        for rule in field.metadata
        for name, sign in _BOUNDS.items()
        if getattr(rule, name, None) is not None
    ]
    return f"{field.description} ({', '.join(bounds)})" if bounds else str(field.description)
