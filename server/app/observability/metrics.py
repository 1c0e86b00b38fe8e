"""Figures for Prometheus, and the one log line of each execution."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest

from app.governance.execution_context import ExecutionContext
from app.governance.lifecycle import Outcome
from app.observability.totals import BUCKETS_S, PluginTotals, read_totals

log = structlog.get_logger("sightgate.execution")

JOB_BUCKETS_S = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400)
OVERLONG = "unknown"

Gauges = Callable[[], Iterable[Metric]]
AsyncGauges = Callable[[], Awaitable[Iterable[Metric]]]


class Metrics:
    """Counts every execution and refusal. ``gauges`` are read at each scrape."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, known_plugin: Callable[[str], bool]) -> None:
        self._known_plugin = known_plugin
        self._registry = CollectorRegistry()
        self._executions = Counter(
            "sightgate_executions",
            "Executions, by plugin and outcome code.",
            ("plugin", "outcome"),
            registry=self._registry,
        )
        self._refusals = Counter(
            "sightgate_refusals", "Calls refused before the gate, by code.", ("plugin", "code"), registry=self._registry
        )
        self._duration = Histogram(
            "sightgate_execution_duration_seconds",
            "Time inside the gate.",
            ("plugin",),
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._image_urls = Counter(
            "sightgate_image_urls",
            "Images fetched from a URL, by `success` or the error's code.",
            ("outcome",),
            registry=self._registry,
        )
        self._deliveries = Counter(
            "sightgate_webhook_deliveries",
            "Calls of webhooks: `delivered`, `failed` (tried again), `given_up`.",
            ("outcome",),
            registry=self._registry,
        )
        self._attempts = Counter(
            "sightgate_job_attempts",
            "Ended attempts at durable jobs, by outcome.",
            ("plugin", "outcome"),
            registry=self._registry,
        )
        self._job_duration = Histogram(
            "sightgate_job_duration_seconds",
            "Time from a durable job's acceptance to its end.",
            ("plugin", "status"),
            buckets=JOB_BUCKETS_S,
            registry=self._registry,
        )
        self._async_gauges: list[AsyncGauges] = []
        self._children: dict[tuple[str, str], tuple[Counter, Histogram]] = {}

    def add_gauges(self, gauges: Gauges) -> None:
        """Add figures that are read when Prometheus asks."""
        self._registry.register(_Collector(gauges))

    def add_async_gauges(self, gauges: AsyncGauges) -> None:
        """Add figures that must be waited for when Prometheus asks."""
        self._async_gauges.append(gauges)

    def executed(
        self,
        plugin: str,
        outcome: Outcome,
        elapsed_ms: float,
        envelope: dict[str, Any],
        context: ExecutionContext | None,
    ) -> None:
        """Count one execution and log its line; a failure is logged with the whole envelope."""
        code = envelope["error"]["details"]["code"] if envelope else "success"
        counter, histogram = self._children_of(plugin, code)
        counter.inc()
        histogram.observe(elapsed_ms / 1000)
        job = context.call_id if context is not None else None
        if envelope:
            error_type = envelope["error"]["type"]
            if error_type == "InternalError":
                write = log.error
            else:  # what callers do wrong, or call off, is no news of the plugin
                write = log.info if outcome in (Outcome.REFUSED, Outcome.CANCELLED) else log.warning
            write(
                "execution",
                plugin=plugin,
                job=job,
                state=outcome.value,
                ms=round(elapsed_ms, 3),
                error_type=error_type,
                **envelope,
            )
        else:
            log.info("execution", plugin=plugin, job=job, state=outcome.value, ms=round(elapsed_ms, 3), error_type=None)

    def refused(self, plugin: str, code: str) -> None:
        """Count one refusal; it is no execution."""
        self._refusals.labels(self._label(plugin), code).inc()
        log.info("refused", plugin=plugin[:200], code=code)

    def fetched(self, code: str | None) -> None:
        """Count one image named by URL; ``code`` is None if it was fetched."""
        self._image_urls.labels(code or "success").inc()

    def called_webhook(self, outcome: str) -> None:
        """Count one call of a webhook."""
        self._deliveries.labels(outcome).inc()

    def totals(self) -> Mapping[str, PluginTotals]:
        """Return what was counted so far by plugin, unknown names as one."""
        return read_totals(self._executions, self._refusals, self._duration)

    def attempted(self, plugin: str, outcome: str) -> None:
        """Count the end of one attempt at a durable job."""
        self._attempts.labels(self._label(plugin), outcome).inc()

    def job_ended(self, plugin: str, status: str, seconds: float) -> None:
        """Count the end of a durable job."""
        self._job_duration.labels(self._label(plugin), status).observe(max(0.0, seconds))

    def render(self) -> bytes:
        """Return the figures that are there at once, in Prometheus' text format."""
        return generate_latest(self._registry)

    async def render_all(self) -> bytes:
        """Return all figures. What cannot be told now (the database is away) is left out."""
        awaited = CollectorRegistry()
        for gauges in self._async_gauges:
            try:
                families = list(await gauges())
            except Exception as failed:  # the other figures are wanted most when something fails
                log.warning("figures left out", reason=str(failed))
                continue
            awaited.register(_Collector(partial(iter, families)))
        return self.render() + generate_latest(awaited)

    def _label(self, plugin: str) -> str:
        return plugin if self._known_plugin(plugin) else OVERLONG

    def _children_of(self, plugin: str, code: str) -> tuple[Counter, Histogram]:
        # Looking a child up by its labels costs more than counting; unknown names share one, so labels are bounded.
        children = self._children.get((plugin, code))
        if children is None:
            name = self._label(plugin)
            children = self._executions.labels(name, code), self._duration.labels(name)
            if name is not OVERLONG:
                self._children[plugin, code] = children
        return children


class _Collector:
    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        yield from self._gauges()


def gauge(name: str, text: str, values: dict[str, float]) -> GaugeMetricFamily:
    """Return a gauge with one value for each plugin."""
    family = GaugeMetricFamily(name, text, labels=("plugin",))
    for plugin, value in values.items():
        family.add_metric((plugin,), value)
    return family


def counter(name: str, text: str, values: dict[str, float]) -> CounterMetricFamily:
    """Return a counter with one value for each plugin."""
    family = CounterMetricFamily(name, text, labels=("plugin",))
    for plugin, value in values.items():
        family.add_metric((plugin,), value)
    return family
