"""What is going on in the server at this moment, for the figures of the last hour."""

import os

from app.observability.history import Load
from app.observability.process_memory import resident_bytes
from app.plugins.loader.plugin_registry import PluginRegistry
from app.services.execution.plugin_execution_service import PluginExecutionService
from app.services.plugin_management_service import PluginManagementService
from app.storage.errors import StorageError
from app.storage.store import JobStore


class ServerLoad:
    """Reads the registry, the queues, the workers and the store."""

    def __init__(
        self,
        registry: PluginRegistry,
        admission: PluginExecutionService,
        plugins: PluginManagementService,
        store: JobStore,
    ) -> None:
        self._registry = registry
        self._admission = admission
        self._plugins = plugins
        self._store = store

    async def read(self) -> Load:
        """Return the load now. A store that cannot be read leaves the number of waiting jobs open."""
        waiting_jobs = await self._waiting_jobs()  # first: a plugin may be removed meanwhile
        names = self._registry.list_plugins()
        pids = [pid for pool in self._plugins.pools().values() for pid in pool.pids()]
        return Load(
            plugins=names,
            waiting_calls=self._admission.waiting,
            waiting_jobs=waiting_jobs,
            in_flight=sum(self._registry.get_figures(name).in_flight for name in names),
            workers=len(pids),
            server_memory=resident_bytes((os.getpid(),)),
            worker_memory=resident_bytes(pids),
        )

    async def _waiting_jobs(self) -> int | None:
        try:
            return sum(row.count for row in await self._store.waiting())
        except StorageError:
            return None
