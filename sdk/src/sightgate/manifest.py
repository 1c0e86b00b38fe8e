"""What a plugin says of itself, as data: its name, version, limits, permissions and schemas."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sightgate.errors import SightgateError

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
PERMISSION_KINDS: Mapping[str, type] = {"network": list, "read": list, "write": list, "gpu": bool, "processes": bool}
MAX_TEXT = 4_000


class ManifestError(SightgateError):
    """What a plugin says of itself is not usable; the message says which field and why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one plugin may use: seconds a call, MiB of memory and of scratch folder a worker, worker processes, images a
    batch.
    """

    timeout_s: float = 30.0
    memory_mb: int = 1024
    scratch_mb: int = 1024
    workers: int = 1
    max_batch: int = 1
    batch_wait_ms: float = 0.0

    def to_data(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in _LIMIT_RANGES}

    def cut_to(self, most: Mapping[str, Any]) -> "Limits":
        """Return these limits, none above what ``most`` allows; raises ManifestError if ``most`` is malformed."""
        allowed = Limits.from_data(most)
        values = {name: min(getattr(self, name), getattr(allowed, name)) for name in most}
        return Limits.from_data({**self.to_data(), **values})

    @classmethod
    def from_data(cls, data: object) -> "Limits":
        """Merge limits given in part with the defaults; raises ManifestError for unknown or impossible ones."""
        if not isinstance(data, Mapping):
            raise ManifestError(f"limits must be a mapping, not {type(data).__name__}")
        for name, value in data.items():
            if name not in _LIMIT_RANGES:
                raise ManifestError(f"limits has no {name!r}; it has {', '.join(_LIMIT_RANGES)}")
            kind, low, high = _LIMIT_RANGES[name]
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not low <= value <= high or (kind is int and value != int(value)):
                raise ManifestError(f"limits.{name} must be {kind.__name__} from {low} to {high}, not {value!r:.60}")
        return cls(**{name: _LIMIT_RANGES[name][0](value) for name, value in data.items()})


_LIMIT_RANGES: dict[str, tuple[type, float, float]] = {
    "timeout_s": (float, 0.01, 86_400),
    "memory_mb": (int, 16, 1_048_576),
    "scratch_mb": (int, 1, 1_048_576),
    "workers": (int, 1, 256),
    "max_batch": (int, 1, 256),
    "batch_wait_ms": (float, 0, 10_000),
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where plugins come from. ``kind`` is ``path`` (of a file or package folder) or ``entry_point`` (module:class)."""

    kind: str
    value: str
    name: str = ""

    def to_data(self) -> dict[str, str]:
        return {"kind": self.kind, "value": self.value, "name": self.name}


@dataclass(frozen=True, slots=True)
class Manifest:
    """One plugin, described. ``options_schema`` and ``result_schema`` are JSON Schema 2020-12, or None if untyped."""

    name: str
    version: str = ""
    description: str = ""
    limits: Limits = field(default_factory=Limits)
    permissions: Mapping[str, Any] = field(default_factory=dict)
    options_schema: Mapping[str, Any] | None = None
    result_schema: Mapping[str, Any] | None = None

    def to_data(self) -> dict[str, Any]:
        """Return the manifest as plain JSON data."""
        return {
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "limits": self.limits.to_data(),
            "permissions": dict(self.permissions),
            "options_schema": self.options_schema,
            "result_schema": self.result_schema,
        }

    @classmethod
    def from_data(cls, data: object) -> "Manifest":
        """Read a manifest that a worker sent. Raises ManifestError naming the field that is wrong."""
        if not isinstance(data, Mapping):
            raise ManifestError("a manifest must be an object")
        unknown = set(data) - set(cls.__dataclass_fields__)
        if unknown:
            raise ManifestError(f"a manifest has no field {sorted(map(str, unknown))[0]!r:.60}")
        return cls(
            name=check_name(data.get("name")),
            version=_text(data, "version"),
            description=_text(data, "description"),
            limits=Limits.from_data(data.get("limits") or {}),
            permissions=check_permissions(data.get("permissions") or {}),
            options_schema=_schema(data, "options_schema"),
            result_schema=_schema(data, "result_schema"),
        )


def check_name(name: object) -> str:
    """Return a plugin's permanent name; raises ManifestError unless it is 1 to 64 of ``a-z 0-9 _ -``."""
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        raise ManifestError(
            f"name must be 1 to 64 lower-case letters, digits, '-' or '_', beginning with a letter or digit; "
            f"not {name!r:.80}"
        )
    return name


def check_permissions(permissions: object) -> dict[str, Any]:
    """Return the permissions a plugin asks for; raises ManifestError for unknown kinds and wrong types."""
    if not isinstance(permissions, Mapping):
        raise ManifestError(f"permissions must be a mapping, not {type(permissions).__name__}")
    for kind, value in permissions.items():
        wanted = PERMISSION_KINDS.get(kind)
        if wanted is None:
            raise ManifestError(f"there is no permission {kind!r:.60}; there are {', '.join(PERMISSION_KINDS)}")
        if not isinstance(value, wanted):
            raise ManifestError(f"permissions.{kind} must be a {wanted.__name__}, not {type(value).__name__}")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise ManifestError(f"permissions.{kind} must hold texts only")
    return dict(permissions)


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name) or ""
    if not isinstance(value, str):
        raise ManifestError(f"{name} must be a text, not {type(value).__name__}")
    if len(value) > MAX_TEXT:
        raise ManifestError(f"{name} is longer than {MAX_TEXT} characters")
    return value


def _schema(data: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    value = data.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise ManifestError(f"{name} must be a JSON Schema object, not {type(value).__name__}")
    return value
