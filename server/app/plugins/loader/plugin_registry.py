"""Every plugin that was found: what it is, whether it can run, and its execution figures.

Safe under threads. Figures are an immutable record that a writer replaces under the plugin's own lock, so a reader
takes what is there without waiting and never sees half an update.
"""

import dataclasses
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from app.governance.errors import PluginNotFound, PluginRefused
from app.governance.evidence import KEPT, Evidence
from app.governance.isolation import Isolation, IsolationLevel
from app.governance.lifecycle import Availability, Outcome, PluginState, derive_state
from sightgate.manifest import Manifest

RECENT_CALLS = 1_000
UNKNOWN = "unknown"


class Figures(NamedTuple):
    """What the executions of one plugin came to, since the server's start. Times are milliseconds."""

    success_count: int = 0
    error_count: int = 0
    cancelled_count: int = 0
    in_flight: int = 0
    total_ms: float = 0.0
    last_ms: float | None = None
    last_used: datetime | None = None
    last_outcome: PluginState = PluginState.IDLE


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """What is known of a plugin beside its figures. ``place`` says where it came from, for people."""

    manifest: Manifest
    origin: str = "embedded"
    place: str = ""
    options_check: Callable[[Mapping[str, Any]], None] | None = None
    result_check: Callable[[Mapping[str, Any]], None] | None = None
    declared: Mapping[str, Any] = field(default_factory=dict)
    granted: Mapping[str, Any] = field(default_factory=dict)
    isolation_level: IsolationLevel = IsolationLevel.NONE
    isolation: Isolation = field(default_factory=Isolation)


@dataclass(frozen=True, slots=True)
class AvailabilityRecord:
    availability: Availability = Availability.OK
    reason: str | None = None
    code: str = "plugin_unavailable"


class _Entry:
    def __init__(self, plugin: object | None, record: PluginRecord, availability: AvailabilityRecord) -> None:
        self.lock = threading.Lock()
        self.plugin = plugin
        self.record = record
        self.availability = availability
        self.figures = Figures()
        self.recent: deque[float] = deque(maxlen=RECENT_CALLS)
        self.evidence: deque[Evidence] = deque(maxlen=KEPT)


class PluginRegistry:
    """The registry of one server process. Raises PluginNotFound (a KeyError) for unknown names where it says so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self.instance = uuid.uuid4().hex
        self.since = datetime.now(UTC)
        self._unknown = 0

    def register(self, name: str, plugin: object, replace: bool = False, *, record: PluginRecord | None = None) -> None:
        """Add a plugin: an embedded object, or a handle on its workers.

        Raises ValueError if the name is taken, unless ``replace`` is set: the figures are kept then. Raises TypeError
        if the plugin has no ``run``, ManifestError if the name is no plugin name.
        """
        if not callable(getattr(plugin, "run", None)):
            raise TypeError(f"the plugin {name!r} has no run method")
        self._put(name, plugin, record or PluginRecord(_manifest_of(name, plugin)), AvailabilityRecord(), replace)

    def register_unusable(self, record: PluginRecord, availability: Availability, reason: str) -> None:
        """Add or replace a row for a plugin that was found but cannot be called, with the reason."""
        self._put(record.manifest.name, None, record, AvailabilityRecord(availability, reason), replace=True)

    def unregister(self, name: str) -> None:
        """Forget a plugin and its figures. Raises PluginNotFound."""
        with self._lock:
            if self._entries.pop(name, None) is None:
                raise PluginNotFound(name)

    def get_plugin(self, name: str) -> Any:
        """Return the plugin. Raises PluginNotFound, or PluginRefused with the reason if it could not be loaded."""
        entry = self._entry(name)
        if entry.plugin is None:
            raise PluginRefused(entry.availability.code, entry.availability.reason or "")
        return entry.plugin

    def get_record(self, name: str) -> PluginRecord:
        """Return what is known of the plugin. Raises PluginNotFound."""
        return self._entry(name).record

    def get_availability(self, name: str) -> AvailabilityRecord:
        """Return whether the plugin can be called, and why not. Raises PluginNotFound."""
        return self._entry(name).availability

    def get_figures(self, name: str) -> Figures:
        """Return the plugin's figures as one consistent record. Raises PluginNotFound."""
        return self._entry(name).figures

    def list_plugins(self) -> list[str]:
        return sorted(self._entries)

    def knows(self, name: str) -> bool:
        """Tell whether a plugin has this name."""
        return name in self._entries

    def get_status(self, name: str) -> dict[str, Any] | None:
        """Return the plugin's row as plain JSON data, or None if no plugin has this name."""
        entry = self._entries.get(name)
        return None if entry is None else self._row(name, entry)

    def all_status(self) -> list[dict[str, Any]]:
        """Return a row for every plugin, by name."""
        return [self._row(name, entry) for name, entry in sorted(self._entries.items())]

    @property
    def unknown_count(self) -> int:
        """How many executions named a plugin that is not registered."""
        return self._unknown

    def started(self, name: str) -> None:
        """Count a call as in flight; ``update_execution_metrics`` takes it back."""
        entry = self._entries.get(name)
        if entry is not None:
            with entry.lock:
                (success, error, cancelled, in_flight, total_ms, last_ms, last_used, outcome) = entry.figures
                entry.figures = Figures(success, error, cancelled, in_flight + 1, total_ms, last_ms, last_used, outcome)

    def update_execution_metrics(self, plugin_name: str, state: str, elapsed_ms: float, had_error: bool) -> None:
        """Count the end of one execution that took ``elapsed_ms``. ``state`` is an Outcome.

        A name that is not registered makes no row; it is counted under ``unknown``.
        """
        entry = self._entries.get(plugin_name)
        if entry is None:
            with self._lock:
                self._unknown += 1
            return
        now = datetime.now(UTC)
        with entry.lock:
            (success, error, cancelled, in_flight, total_ms, _, _, last_outcome) = entry.figures
            if state == Outcome.CANCELLED:
                cancelled += 1
            elif had_error:
                error += 1
            else:
                success += 1
            if state in (Outcome.SUCCESS, Outcome.ERROR):
                last_outcome = PluginState(state)
            entry.recent.append(elapsed_ms)
            entry.figures = Figures(
                success, error, cancelled, max(0, in_flight - 1), total_ms + elapsed_ms, elapsed_ms, now, last_outcome
            )

    def set_availability(
        self, name: str, availability: Availability, reason: str | None, code: str = "plugin_unavailable"
    ) -> None:
        """Say whether a plugin can be called, and why not. ``code`` is what a caller is told. Raises PluginNotFound."""
        entry = self._entry(name)
        entry.availability = AvailabilityRecord(Availability(availability), reason, code)

    def set_isolation(self, name: str, isolation: Isolation) -> None:
        """Note what a worker of the plugin tried, with all that it is granted. Raises PluginNotFound."""
        entry = self._entry(name)
        with entry.lock:
            level = isolation.level(entry.record.granted)
            entry.record = dataclasses.replace(entry.record, isolation_level=level, isolation=isolation)

    def add_evidence(self, name: str, evidence: Evidence) -> None:
        """Keep what is known of a worker that ended during a call; the oldest is forgotten. Raises PluginNotFound."""
        self._entry(name).evidence.append(evidence)

    def _put(
        self, name: str, plugin: object | None, record: PluginRecord, availability: AvailabilityRecord, replace: bool
    ) -> None:
        with self._lock:
            known = self._entries.get(name)
            if known is None:
                self._entries[name] = _Entry(plugin, record, availability)
                return
            if not replace:
                raise ValueError(f"a plugin {name!r} is registered already")
            with known.lock:
                known.plugin, known.record, known.availability = plugin, record, availability

    def _entry(self, name: str) -> _Entry:
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            raise PluginNotFound(name) from None

    def _row(self, name: str, entry: _Entry) -> dict[str, Any]:
        figures, availability, record = entry.figures, entry.availability, entry.record
        calls = figures.success_count + figures.error_count + figures.cancelled_count
        recent = sorted(entry.recent.copy())
        return {
            "name": name,
            "state": derive_state(availability.availability, figures.in_flight, figures.last_outcome).value,
            "reason": availability.reason,
            "enabled": availability.code != "plugin_disabled",
            "success_count": figures.success_count,
            "error_count": figures.error_count,
            "cancelled_count": figures.cancelled_count,
            "in_flight": figures.in_flight,
            "last_execution_time_ms": figures.last_ms,
            "avg_execution_time_ms": figures.total_ms / calls if calls else None,
            "p50_execution_time_ms": percentile(recent, 0.50),
            "p95_execution_time_ms": percentile(recent, 0.95),
            "p99_execution_time_ms": percentile(recent, 0.99),
            "last_used": figures.last_used.isoformat() if figures.last_used else None,
            **record.manifest.to_data(),
            "origin": record.origin,
            "place": record.place,
            "declared": dict(record.declared),
            "granted": dict(record.granted),
            "isolation_level": record.isolation_level.value,
            "isolation": record.isolation.to_data(),
            "failures": [evidence.to_data() for evidence in reversed(entry.evidence.copy())],
            "instance": self.instance,
            "since": self.since.isoformat(),
        }


def percentile(ordered: list[float], share: float) -> float | None:
    """Return the value below or at which ``share`` of the ordered values lie (nearest rank), or None without values."""
    if not ordered:
        return None
    rank = -int(-len(ordered) * share // 1)  # the ceiling
    return ordered[max(0, rank - 1)]


@cache
def get_registry() -> PluginRegistry:
    """Return the process's one registry."""
    return PluginRegistry()


def _manifest_of(name: str, plugin: object) -> Manifest:
    said = {key: getattr(plugin, key, None) for key in ("version", "description", "limits", "permissions")}
    return Manifest.from_data({"name": name, **{key: value for key, value in said.items() if value}})
