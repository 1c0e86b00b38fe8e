"""The figures that are read when Prometheus asks."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from app.observability.metrics import counter, gauge
from app.plugins.loader.plugin_registry import PluginRegistry
from app.services.job_events import JobEvents
from app.services.plugin_management_service import PluginManagementService
from app.storage.store import JobStore


class ServerGauges:
    """Reads the registry, the workers, the store and the event streams."""

    def __init__(
        self, registry: PluginRegistry, plugins: PluginManagementService, store: JobStore, events: JobEvents
    ) -> None:
        self._registry = registry
        self._plugins = plugins
        self._store = store
        self._events = events

    def read(self) -> Iterator[Metric]:
        """Return what is known without asking the database."""
        rows = self._registry.all_status()
        pools = self._plugins.pools()
        yield gauge("sightgate_in_flight", "Calls inside the gate.", {row["name"]: row["in_flight"] for row in rows})
        usable = {row["name"]: float(row["state"] not in ("FAILED", "UNAVAILABLE")) for row in rows}
        yield gauge("sightgate_plugin_usable", "1 if the plugin can be called.", usable)
        workers = {name: float(pool.worker_count) for name, pool in pools.items()}
        yield gauge("sightgate_workers", "Running worker processes.", workers)
        started = {name: float(pool.figures.started) for name, pool in pools.items()}
        yield counter("sightgate_worker_starts", "Worker processes that were started.", started)
        ended = {name: float(pool.figures.ended_in_call) for name, pool in pools.items()}
        yield counter("sightgate_worker_ends", "Workers that crashed or were ended during a call.", ended)
        unknown = {"unknown": float(self._registry.unknown_count)}
        yield counter("sightgate_unknown_plugin_calls", "Executions that named no known plugin.", unknown)
        said = "Records of waiting calls that could not be stored."
        yield CounterMetricFamily("sightgate_lost_records", said, value=self._store.lost_records)
        said = "Readers of server-sent events."
        yield GaugeMetricFamily("sightgate_event_streams", said, value=self._events.watchers)

    async def read_waiting(self) -> Iterable[Metric]:
        """Return what waits, by plugin; names that no plugin has share one label. Raises StorageError."""
        now = datetime.now(UTC)
        known = set(self._registry.list_plugins())
        depth: dict[str, float] = dict.fromkeys(known, 0.0)
        age: dict[str, float] = dict.fromkeys(known, 0.0)
        for waiting in await self._store.waiting():
            name = waiting.plugin if waiting.plugin in known else "unknown"
            oldest_s = (now - waiting.oldest).total_seconds() if waiting.oldest is not None else 0.0
            depth[name] = depth.get(name, 0.0) + waiting.count
            age[name] = max(age.get(name, 0.0), oldest_s)
        return (
            gauge("sightgate_jobs_waiting", "Durable jobs that wait, delayed and blocked ones included.", depth),
            gauge("sightgate_jobs_oldest_waiting_seconds", "Age of the oldest durable job that waits.", age),
        )
