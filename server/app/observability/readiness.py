"""Whether the server can serve, as a record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Readiness:
    """``reasons`` say why the server is not ready; ``plugins`` tells of each whether it can be called."""

    reasons: Sequence[str]
    plugins: Mapping[str, bool]

    @property
    def ready(self) -> bool:
        return not self.reasons
