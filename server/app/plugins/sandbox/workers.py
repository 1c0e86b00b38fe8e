"""What stands behind a plugin that does not run in the server: a pool of workers."""

from abc import ABC, abstractmethod
from typing import Any


class Workers(ABC):
    """A handle on the workers of one plugin, which the registry holds in the plugin's place.

    Nominal, because the gate asks at every call whether it holds one. Implementations: ``ProcessWorkers`` (local
    processes). Embedded objects need none: the gate calls them on ``EmbeddedThreads``.
    """

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many calls run at once."""

    @abstractmethod
    def run(self, payload: dict[str, Any]) -> Any:
        """Run one call and wait. Raises GovernedError, and RuntimeError on the pool's own event-loop thread."""

    @abstractmethod
    async def run_async(self, payload: dict[str, Any]) -> Any:
        """Run one call. Raises GovernedError if the call has no result."""

    @abstractmethod
    async def kill(self, call_id: str) -> bool:
        """End the call and the worker it runs on; tells whether there was such a call."""

    @abstractmethod
    async def close(self) -> None:
        """End all workers."""
