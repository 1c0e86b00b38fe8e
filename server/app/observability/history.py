"""The figures of the last hour, for charts, without a database: what Metrics counts, looked at every few seconds.

Nothing is added to a call. A sample holds what happened since the sample before, so that a chart needs no arithmetic;
the newest ``KEPT`` samples are held, those of plugins for as long as the plugin is known.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from app.observability.totals import BUCKETS_S, PluginTotals

KEPT = 360
_NOTHING = PluginTotals()


@dataclass(frozen=True, slots=True)
class Load:
    """What is going on at one moment. Memory is resident bytes, None where this system does not tell."""

    plugins: Collection[str] = ()
    waiting_calls: int = 0
    waiting_jobs: int | None = None
    in_flight: int = 0
    workers: int = 0
    server_memory: int | None = None
    worker_memory: int | None = None


@dataclass(frozen=True, slots=True)
class CallSample:
    """What the calls of one plugin, or of all, came to since the sample before. Rates are per second, times ms."""

    calls: float
    errors: Mapping[str, float]
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class ServerSample:
    """One moment of the server: its clock (Unix seconds), its calls since the one before, and its load now."""

    time: float
    calls: CallSample
    load: Load


@dataclass(frozen=True, slots=True)
class PluginSeries:
    """A plugin's samples, oldest first, and their times (Unix seconds)."""

    times: Sequence[float]
    calls: Sequence[CallSample]


@dataclass(slots=True)
class _Looked:
    """What was counted when the figures were last looked at, and when (seconds of a clock that never jumps)."""

    at: float
    totals: Mapping[str, PluginTotals] = field(default_factory=dict)


class History:
    """Takes a sample every ``every_s`` seconds from `start` to `stop`, on the event loop."""

    def __init__(
        self,
        totals: Callable[[], Mapping[str, PluginTotals]],
        load: Callable[[], Awaitable[Load]],
        every_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.every_s = every_s
        self._totals = totals
        self._load = load
        self._clock = clock
        self._server: deque[ServerSample] = deque(maxlen=KEPT)
        self._plugins: dict[str, deque[tuple[float, CallSample]]] = {}
        self._last = _Looked(clock())
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to take samples."""
        self._last = _Looked(self._clock(), self._totals())
        self._task = asyncio.get_running_loop().create_task(self._keep_looking(), name="history")

    async def stop(self) -> None:
        """Take no more samples; those that are there stay."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def server(self) -> Sequence[ServerSample]:
        """Return the server's samples, oldest first."""
        return tuple(self._server)

    def plugin(self, name: str) -> PluginSeries:
        """Return a plugin's samples; none if it is not known, or was not there at a sample yet."""
        held = tuple(self._plugins.get(name, ()))
        return PluginSeries([at for at, _ in held], [calls for _, calls in held])

    async def sample(self) -> None:
        """Look once, and keep what was seen."""
        load = await self._load()
        looked = _Looked(self._clock(), self._totals())
        passed = max(looked.at - self._last.at, 1e-9)
        now = time.time()
        since = {name: total.since(self._last.totals.get(name, _NOTHING)) for name, total in looked.totals.items()}
        self._server.append(ServerSample(now, call_sample(_sum(since.values()), passed), load))
        for name in load.plugins:
            kept = self._plugins.setdefault(name, deque(maxlen=KEPT))
            kept.append((now, call_sample(since.get(name, _NOTHING), passed)))
        for name in self._plugins.keys() - set(load.plugins):
            del self._plugins[name]
        self._last = looked

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(self.every_s)
            await self.sample()


def call_sample(since: PluginTotals, passed_s: float) -> CallSample:
    """Return the sample for what was counted within ``passed_s`` seconds."""
    p50, p95, p99 = (quantile_ms(since.buckets, share) for share in (0.50, 0.95, 0.99))
    errors = {kind: count / passed_s for kind, count in since.errors.items() if count}
    return CallSample(since.calls / passed_s, errors, p50, p95, p99)


def quantile_ms(buckets: Sequence[float], share: float) -> float | None:
    """Return the time below which ``share`` of the calls lie, in ms, or None without calls.

    Within a bucket the calls are taken to lie evenly, as Prometheus' ``histogram_quantile`` does; above the last bound
    the bound itself is given.
    """
    total = sum(buckets)
    if not total:
        return None
    wanted, below, lower = share * total, 0.0, 0.0
    for count, upper in zip(buckets, BUCKETS_S, strict=False):
        if count and below + count >= wanted:
            return 1000 * (lower + (upper - lower) * (wanted - below) / count)
        below, lower = below + count, upper
    return 1000.0 * BUCKETS_S[-1]


def _sum(parts: Collection[PluginTotals]) -> PluginTotals:
    total = _NOTHING
    for part in parts:
        total = total.plus(part)
    return total
