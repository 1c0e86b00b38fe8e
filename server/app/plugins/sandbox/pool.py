"""The workers of one plugin: started when needed, handed out in order, replaced when they end."""

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeGuard

import structlog

from app.governance.errors import CallEnded, PluginRefused
from app.governance.evidence import OUTPUT_CHARACTERS, Evidence, versions_with
from app.governance.execution_context import current_execution
from app.governance.image_digest import image_digest
from app.governance.isolation import Isolation
from app.governance.lifecycle import Availability
from app.plugins.sandbox.confinement import MAX_RESULT_BYTES, Confinement, WorkerSpec
from app.plugins.sandbox.home_loop import HomeLoop
from app.plugins.sandbox.standby import Standby, StandbyRules
from app.plugins.sandbox.worker_process import Call, WorkerProcess
from app.plugins.sandbox.worker_start import CannotStart, start_worker
from app.plugins.sandbox.workers import Workers
from sightgate.manifest import Limits, Manifest

log = structlog.get_logger("sightgate.workers")

LOOK_AT_MEMORY_EVERY = 32
# Told when no worker could be started, with the reason, and when one could be again.
AvailabilityListener = Callable[[Availability, str], None]
EvidenceListener = Callable[[Evidence], None]
# Told what a new worker tried and was denied.
IsolationListener = Callable[[Isolation], None]


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How a plugin's workers are run. Times are seconds; an idle worker ends after ``idle_s``.

    A worker is replaced after ``recycle_calls``, or when it keeps ``recycle_growth_mb`` MiB more than at first.
    """

    confinement: Confinement
    max_wait_s: float = 10.0
    start_timeout_s: float = 60.0
    idle_s: float = 600.0
    recycle_calls: int = 100_000
    recycle_growth_mb: int = 512
    max_result_bytes: int = MAX_RESULT_BYTES
    standby: StandbyRules = field(default_factory=StandbyRules)


@dataclass(slots=True)
class PoolFigures:
    """How many workers were started, and how many ended during a call, or by themselves between calls."""

    started: int = 0
    ended_in_call: int = 0
    ended_idle: int = 0


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """How the workers of one plugin are. ``restarts``, ``restart_in_s`` (seconds) and ``given_up`` tell of one that is
    kept ready.
    """

    running: int
    started: int
    ended_in_call: int
    ended_idle: int
    kept_ready: bool
    restarts: int
    restart_in_s: float | None
    given_up: bool


class ProcessWorkers(Workers):
    """Worker processes of one plugin, all on the home loop.

    A free worker goes to the caller that has waited longest. A worker that crashed, ran out of time or memory, or
    whose caller left is ended with all it started, and its place is free for a new one.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        manifest: Manifest,
        limits: Limits,
        home: HomeLoop,
        options: PoolOptions,
        on_availability: AvailabilityListener,
        on_evidence: EvidenceListener = lambda _: None,
        on_isolation: IsolationListener = lambda _: None,
    ) -> None:
        self.figures = PoolFigures()
        # Why no worker could be started when that was last tried; None if one could.
        self.unusable: tuple[Availability, str] | None = None
        # What the newest worker tried and was denied; None before the first.
        self.isolation: Isolation | None = None
        self.standby = Standby(options.standby, self.warm_up)
        self._spec = spec
        self._manifest = manifest
        self._limits = limits
        self._home = home
        self._options = options
        self._on_availability = on_availability
        self._on_evidence = on_evidence
        self._on_isolation = on_isolation
        # Names for calls that come without a context, and so without a name.
        self._numbers = itertools.count()
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._starting = 0
        self._waiting: deque[asyncio.Future[WorkerProcess | None]] = deque()
        self._reaper: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[Any]] = set()
        self._retired = False
        self._closed = False

    @property
    def capacity(self) -> int:
        return self._limits.workers

    @property
    def worker_count(self) -> int:
        return len(self._idle) + len(self._busy)

    @property
    def ready(self) -> bool:
        """Whether there is a worker, where one is to be kept ready."""
        return self.worker_count > 0 or not self.standby.wanted

    def health(self) -> WorkerHealth:
        """Return how many workers run and ended, and when one that is missing will be started again."""
        figures, standby, due_s = self.figures, self.standby, self.standby.restart_in_s()
        return WorkerHealth(
            self.worker_count,
            figures.started,
            figures.ended_in_call,
            figures.ended_idle,
            standby.wanted,
            standby.restarts,
            None if due_s is None else round(due_s, 3),
            standby.given_up and self.worker_count + self._starting == 0,
        )

    def pids(self) -> list[int]:
        """Return the process ids of the running workers."""
        return [worker.pid for worker in (*self._idle, *self._busy)]

    def run(self, payload: dict[str, Any]) -> Any:
        return self._home.run(self.run_async(payload))

    async def run_async(self, payload: dict[str, Any]) -> Any:
        context = current_execution()
        call_id = context.call_id if context is not None else f"call-{next(self._numbers)}"
        worker = await self._take()
        if context is not None:
            context.worker_pid = worker.pid
            if context.cancelled:  # while it waited for its worker, where `kill` could not find it
                self._give_back(worker)
                raise CallEnded("cancelled")
        try:
            result = await worker.call(Call(call_id, payload, context), self._limits.timeout_s)
        except (CallEnded, asyncio.CancelledError) as ended:
            self._let_go_of_ended(worker, ended)
            await self._keep_evidence(worker, ended, payload["image"])
            raise
        except BaseException:
            self._give_back(worker)
            raise
        self._give_back(worker)
        return result

    async def kill(self, call_id: str) -> bool:
        for worker in self._busy:
            if worker.serves(call_id):
                worker.cancel_calls()
                return True
        return False

    async def warm_up(self) -> None:
        """Start one worker now if there is none. Raises PluginRefused if it cannot be loaded."""
        if self.worker_count == 0:
            self._give_back(await self._take())

    def stay_ready(self) -> None:
        """Keep a worker ready from now on: one that ends is replaced before it is needed."""
        self.standby.want()
        self._look_for_standby()

    async def retire(self) -> None:
        """Another pool has taken over: finish the calls that come or came here, and keep no worker after them."""
        self._retired = True
        self.standby.close()
        idle, self._idle = self._idle, []
        await asyncio.gather(*(worker.stop() for worker in idle))

    async def close(self) -> None:
        """End all workers: idle ones by asking, busy ones by force. Waiting callers are refused."""
        self._closed = True
        self.standby.close()
        if self._reaper is not None:
            self._reaper.cancel()
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(PluginRefused("plugin_unavailable", "the plugin's workers are being ended"))
        idle, self._idle = self._idle, []
        for worker in self._busy:
            worker.cancel_calls()
        await asyncio.gather(
            *(worker.stop() for worker in idle), *(worker.end() for worker in self._busy), *self._ending
        )

    async def _take(self) -> WorkerProcess:
        if self._closed:
            raise PluginRefused("plugin_unavailable", "the plugin's workers are being ended")
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                self._busy.add(worker)
                return worker
            self._bury(worker)
        if self.worker_count + self._starting < self._limits.workers:
            return await self._start()
        return await self._wait_for_worker()

    async def _wait_for_worker(self) -> WorkerProcess:
        turn: asyncio.Future[WorkerProcess | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._options.max_wait_s):
                worker = await turn
        except TimeoutError:
            said = f"no worker was free within {self._options.max_wait_s:g} s"
            raise PluginRefused("overloaded", said, limit_s=self._options.max_wait_s) from None
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and (given := turn.result()) is not None:
                self._give_back(given)
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(turn)
        return worker if worker is not None else await self._take()

    async def _start(self) -> WorkerProcess:
        self._starting += 1
        worker: WorkerProcess | None = None
        options = self._options
        try:
            worker = await start_worker(self._spec, self._manifest, options.confinement, options.start_timeout_s)
        except CannotStart as failed:
            if not failed.passes:
                self.unusable = failed.availability, failed.reason
                self._on_availability(failed.availability, failed.reason)
            raise PluginRefused("plugin_unavailable", failed.reason) from failed
        finally:
            self._starting -= 1
            if worker is None:
                self._wake_one(None)
                self._look_for_standby()
        self.figures.started += 1
        self.standby.started()
        self.isolation = worker.isolation
        self._on_isolation(worker.isolation)
        if self.unusable is not None:
            self.unusable = None
            self._on_availability(Availability.OK, "")
        worker.on_gone = self._on_gone
        self._busy.add(worker)
        return worker

    def _give_back(self, worker: WorkerProcess) -> None:
        if not worker.alive:
            self._bury(worker)
            return
        if not self._closed and self._is_worn_out(worker):
            self._busy.discard(worker)
            self._in_background(worker.stop())
            self._wake_one(None)
            self._look_for_standby(by_itself=False)
            return
        if not self._closed and self._wake_one(worker):
            return
        self._busy.discard(worker)
        if self._closed or self._retired:
            self._in_background(worker.stop())
            return
        worker.idle_since = time.monotonic()
        self._idle.append(worker)
        if self._reaper is None:
            self._reaper = asyncio.get_running_loop().call_later(self._options.idle_s, self._reap)

    def _is_worn_out(self, worker: WorkerProcess) -> bool:
        """Tell whether a worker has served long enough, or keeps much more memory than at first."""
        if worker.calls >= self._options.recycle_calls:
            return True
        return worker.calls % LOOK_AT_MEMORY_EVERY == 0 and worker.grown_mb() > self._options.recycle_growth_mb

    def _wake_one(self, worker: WorkerProcess | None) -> bool:
        """Hand a worker, or the free place of one, to the caller that has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(worker)
                return True
        return False

    def _let_go_of_ended(self, worker: WorkerProcess, ended: BaseException, calls: int = 1) -> None:
        self.figures.ended_in_call += 1
        if isinstance(ended, CallEnded):
            log.warning(
                "worker ended",
                plugin=self._spec.plugin,
                pid=worker.pid,
                code=ended.code,
                calls=calls,
                output=worker.output(),
                **ended.details,
            )
        self._busy.discard(worker)
        self._wake_one(None)
        self._look_for_standby(by_itself=ended_by_itself(ended))

    async def _keep_evidence(self, worker: WorkerProcess, ended: BaseException, image: bytes | None) -> None:
        """Tell how a worker ended by itself, and of which image; None if it had several."""
        if not ended_by_itself(ended):
            return
        evidence = Evidence(
            ended.code,
            dict(ended.details),
            worker.output(OUTPUT_CHARACTERS),
            await image_digest(image) if image is not None else "",
            versions_with(self._manifest.version),
            datetime.now(UTC).isoformat(),
        )
        self._on_evidence(evidence)

    def _on_gone(self, worker: WorkerProcess) -> None:
        """An idle worker ended by itself: clean up behind it now, not when it would be needed."""
        if worker in self._idle:
            self._idle.remove(worker)
            self._bury(worker)

    def _bury(self, worker: WorkerProcess) -> None:
        """Forget a worker that ended while nobody called it."""
        self.figures.ended_idle += 1
        plugin, output = self._spec.plugin, worker.output()
        log.warning("idle worker ended", plugin=plugin, pid=worker.pid, how=worker.fault, output=output)
        self._busy.discard(worker)
        self._in_background(worker.end())
        self._wake_one(None)
        self._look_for_standby()

    def _look_for_standby(self, *, by_itself: bool = True) -> None:
        if self.standby.wanted and self.worker_count + self._starting == 0:
            self.standby.missing(by_itself=by_itself)

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._ending.add(task)  # the loop itself keeps no task alive
        task.add_done_callback(self._ending.discard)

    def _reap(self) -> None:
        self._reaper = None
        oldest = time.monotonic() - self._options.idle_s
        expired = [worker for worker in self._idle if worker.idle_since <= oldest]
        if self.standby.wanted and len(expired) == self.worker_count:
            expired.pop().idle_since = time.monotonic()
        self._idle = [worker for worker in self._idle if worker not in expired]
        for worker in expired:
            self._in_background(worker.stop())
        if self._idle:
            self._reaper = asyncio.get_running_loop().call_later(
                max(1.0, self._idle[0].idle_since - oldest), self._reap
            )


def ended_by_itself(ended: object) -> TypeGuard[CallEnded]:
    """Tell whether a call's outcome is the end of its worker, and of no caller's doing."""
    return isinstance(ended, CallEnded) and ended.code not in ("cancelled", "deadline_exceeded")
