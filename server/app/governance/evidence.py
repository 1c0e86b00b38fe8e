"""What is kept of a worker that ended during a call, for whoever looks for the fault."""

import platform
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from typing import Any

KEPT = 10
OUTPUT_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Evidence:
    """How it ended and what with: the code and its details (signal or exit code), the end of what the worker printed,
    the SHA-256 of the image (empty if several were in the worker together), the versions of what ran, the time (ISO
    8601, UTC).
    """

    code: str
    details: dict[str, Any]
    output: str
    image_sha256: str
    versions: dict[str, str]
    at: str

    def to_data(self) -> dict[str, Any]:
        """Return the evidence as plain JSON data."""
        return asdict(self)


def versions_with(plugin: str) -> dict[str, str]:
    """Return the versions of what a plugin of this version runs on, and its own."""
    return {"plugin": plugin, **_versions_here()}


@cache
def _versions_here() -> dict[str, str]:
    server = metadata.version("sightgate-server")
    return {"sightgate": server, "python": platform.python_version(), "system": platform.platform(terse=True)}
