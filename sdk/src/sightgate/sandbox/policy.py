"""What a worker may do, as data that the server sends."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Policy:
    """What is granted to one worker.

    ``enforce``: whether to apply anything. ``read``, ``write``: paths beside those that every worker needs.
    ``network``, ``processes``: whether sockets, and new processes, are allowed. ``user``: the numeric user to become,
    or None. ``memory_mb``: MiB of private memory, 0 for no limit; ``file_mb``: MiB of the largest file it may write.
    ``canary``: a file that it must not be able to read.
    """

    enforce: bool = True
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    network: bool = False
    processes: bool = False
    user: int | None = None
    memory_mb: int = 0
    file_mb: int = 1024
    canary: str = ""

    def to_data(self) -> dict[str, Any]:
        """Return the policy as plain JSON data."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Policy":
        """Read a policy that the server sent."""
        return cls(**{**data, "read": tuple(data["read"]), "write": tuple(data["write"])})
