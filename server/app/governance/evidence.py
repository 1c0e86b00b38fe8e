"""What is kept of a worker that ended during a call, for whoever looks for the fault."""

from dataclasses import asdict, dataclass
from typing import Any

KEPT = 10
OUTPUT_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Evidence:
    """How it ended and what with: the code and its details (signal or exit code), the end of what the worker printed,
    the SHA-256 of the image (empty if several were in the worker together), the plugin's version, the time (ISO 8601,
    UTC).
    """

    code: str
    details: dict[str, Any]
    output: str
    image_sha256: str
    version: str
    at: str

    def to_data(self) -> dict[str, Any]:
        """Return the evidence as plain JSON data."""
        return asdict(self)
