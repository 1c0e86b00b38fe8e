"""How far a plugin is kept apart, named only from what its worker tried in vain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class IsolationLevel(StrEnum):
    """From least to most.

    NONE: an embedded object, in the server itself. PROCESS: a process of its own, which can be ended. SANDBOX: the
    kernel denies it the network, files outside its scratch folder, other processes and other programs.
    """

    NONE = "none"
    PROCESS = "process"
    SANDBOX = "sandbox"


# No quota of the kernel's can be had without owning the volume: the folder is looked at.
_SCRATCH = "watch"
_ORDER = tuple(IsolationLevel)
# What must be denied for the level SANDBOX, and the permission that may open it.
_CAPABILITIES: Mapping[str, str] = {
    "network": "network",
    "read_outside": "",
    "write_outside": "",
    "processes": "processes",
    "programs": "processes",
    "signals": "",
    "scheduling": "",
    "server_memory": "",
}


@dataclass(frozen=True, slots=True)
class Isolation:
    """What a worker reported: of each capability ``denied`` or ``open``; what could not be applied, in words.

    ``memory``, ``scratch``: what enforces the limit of its memory, and of the sum of its scratch folder.
    """

    tried: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()
    memory: str = "none"
    scratch: str = "none"

    def level(self, granted: Mapping[str, Any]) -> IsolationLevel:
        """Return the level that the facts allow; what the operator granted does not count against it."""
        if not self.tried:
            return IsolationLevel.NONE
        opened = [
            name
            for name, permission in _CAPABILITIES.items()
            if self.tried.get(name) != "denied" and not (permission and granted.get(permission))
        ]
        return IsolationLevel.PROCESS if opened else IsolationLevel.SANDBOX

    def short_of(self, least: IsolationLevel, granted: Mapping[str, Any]) -> str:
        """Say what keeps this from being at least that level; nothing if it is."""
        level = self.level(granted)
        if _ORDER.index(level) >= _ORDER.index(least):
            return ""
        opened = ", ".join(self.missing) or "its worker could do what must be denied"
        return f"its isolation is {level}, and at least {least} is wanted: {opened}"

    def to_data(self) -> dict[str, Any]:
        """Return the report as plain JSON data."""
        return {**self.tried, "memory": self.memory, "scratch": self.scratch, "missing": list(self.missing)}


def isolation_from(data: object, memory: str) -> Isolation:
    """Read a worker's report. One that cannot be read counts as nothing denied."""
    if not isinstance(data, Mapping):
        return Isolation({"report": "unreadable"}, ("the worker reported nothing",), memory, _SCRATCH)
    tried, missing = data.get("tried"), data.get("missing")
    facts = {str(name)[:40]: str(value)[:40] for name, value in tried.items()} if isinstance(tried, Mapping) else {}
    words = tuple(str(word)[:200] for word in missing[:20]) if isinstance(missing, list) else ()
    return Isolation(facts or {"report": "unreadable"}, words, memory, _SCRATCH)
