"""Takes up durable jobs as soon as they may run and there is a seat for them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from app.services.execution.job_outcome import error_of
from app.services.execution.job_runs import JobRuns
from app.services.execution.pace import Pace
from app.services.execution.plugin_execution_service import PluginExecutionService
from app.storage.errors import StorageError
from app.storage.records import Job, NewJob
from app.storage.store import JobStore

log = structlog.get_logger("sightgate.jobs")

# A plugin that rests says so to nobody when it may be called again; and a message of another server can be lost.
LOOK_AGAIN_S = 1.0
# Before it looks again for what is due and was not done: another server may hold it.
DUE_AGAIN_S = 0.01
# Before it looks at the clock again while a time is waited for: it may be set, or the machine have slept.
CLOCK_AGAIN_S = 10.0
AFTER_FAULT_S = 1.0
STOP_S = 3.0
# On a shared store: deadlines of jobs whose server died before it could look at them.
EXPIRE_EVERY_S = 5.0
# Ends that wait for the disk do not keep others from running, up to here.
MOST_UNSETTLED = 1_024


@dataclass(frozen=True, slots=True)
class DispatchRules:
    """How many jobs run at once over all plugins; how long a claim holds without renewal, seconds."""

    at_once: int = 64
    lease_s: float = 15.0


class JobDispatcher:
    """Sleeps until it is woken: by a new job, by a seat that is free, or by the time of a job that was delayed.

    ``on_ended`` is told of jobs that ended without having run.
    """

    def __init__(
        self,
        store: JobStore,
        plugins: PluginExecutionService,
        runs: JobRuns,
        rules: DispatchRules,
        on_ended: Callable[[Sequence[Job]], None],
    ) -> None:
        self._store = store
        self._plugins = plugins
        self._runs = runs
        self._rules = rules
        self._on_ended = on_ended
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._pace = Pace()
        # When the next waiting job may run or has waited too long, as far as is known. The past: look at once.
        self._due: datetime | None = datetime.min.replace(tzinfo=UTC)
        self._expired_at = 0.0
        # A seat may become free, or inputs be readable again, and nobody says so.
        self._looks_again = False
        # More waits than there is room for: new jobs must not go before others of a higher priority, or older ones.
        self._crowded = False
        # Plugins of jobs that may run at once: there is no need to look for those. Of jobs that are being stored here,
        # and, by job, of those that were and have not been claimed.
        self._expected: set[str] = set()
        self._fresh: dict[str, str] = {}
        self._looked = False

    def start(self) -> None:
        """Begin to take up jobs."""
        self._task = asyncio.get_running_loop().create_task(self._dispatch())

    async def stop(self) -> None:
        """Take up nothing more. What runs goes on."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            # Not cut short in the middle of a claim: those jobs would wait for their lease to run out.
            await asyncio.wait({self._task}, timeout=STOP_S)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def running(self) -> bool:
        """Whether jobs are being taken up."""
        return self._task is not None and not self._task.done()

    def wake(self) -> None:
        """Something changed that may let a job run."""
        self._wake.set()

    def expect(self, jobs: Sequence[NewJob]) -> None:
        """Jobs are handed to the store next: a claim that is handed over behind them is made in their transaction."""
        self._expected.update(new.job.plugin for new in jobs if not new.after and new.job.not_before is None)
        self._wake.set()

    def added(self, jobs: Sequence[Job]) -> None:
        """Jobs were stored here. Said before what a claim behind them brings."""
        for moment in (moment for job in jobs for moment in (job.not_before, job.deadline) if moment is not None):
            self._due = moment if self._due is None else min(self._due, moment)
        if ended := [job for job in jobs if job.ended_at is not None]:  # what they need had ended, and not well
            self._on_ended(ended)
        waiting = (job for job in jobs if job.ended_at is None and not job.blocked and job.not_before is None)
        self._fresh.update((job.id, job.plugin) for job in waiting)
        self._wake.set()

    def lease_until(self) -> datetime:
        """Return until when a claim that is made now holds."""
        return datetime.now(UTC) + timedelta(seconds=self._rules.lease_s)

    def ran(self, plugin: str, loading_ms: float, call_ms: float) -> None:
        """A job's call has ended: learn how long it took from its claim to the queue for a seat, and in the gate."""
        self._pace.ran(plugin, loading_ms, call_ms)

    async def _dispatch(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                started = await self._dispatch_once()
                if not started and self._looked:
                    await self._rest()
            except StorageError as failed:
                log.error("the job store does not answer; trying again", reason=str(failed))
                await asyncio.sleep(AFTER_FAULT_S)
            except Exception:  # one of the four boundaries: the dispatcher must outlive any fault of ours
                log.exception("dispatcher fault")
                await asyncio.sleep(AFTER_FAULT_S)

    async def _dispatch_once(self) -> int:
        loop = asyncio.get_running_loop()
        began = loop.time()
        if self._is_due():
            await self._expire()
        room = max(0, self._rules.at_once - self._runs.uncalled)  # jobs that are waited for are begun beyond it
        if self._runs.unsettled >= MOST_UNSETTLED:
            room = 0
        room = await self._runs.most_readable(room)
        waiting = await self._find_waiting(room)
        self._looks_again = bool(waiting) or self._runs.unreadable
        wanted: dict[str, int] = {}
        for plugin in waiting:
            if self._store.shared and not self._plugins.can_run(plugin):
                continue  # its jobs wait for a server that has it, and can load it
            # A job whose input is being read has no seat yet; another one must not overtake it.
            ahead = self._pace.ahead(plugin, self._plugins.seats(plugin))
            seats = min(room, self._plugins.free_seats(plugin, ahead) - self._runs.loading(plugin))
            if seats > 0:
                wanted[plugin] = seats
        free: Mapping[str, int] = wanted
        if sum(wanted.values()) > room:
            self._crowded = True
            free = share(room, wanted, await self._store.turns(wanted))
        claimed = await self._store.claim(free, self.lease_until()) if free else ()
        for job in claimed:
            self._fresh.pop(job.id, None)
            self._runs.begin(job)
        if claimed:
            self._pace.claimed((loop.time() - began) * 1000)
        return len(claimed)

    async def _find_waiting(self, room: int) -> Collection[str]:
        """Return the plugins that jobs wait for: those of new jobs and, every other time at least, all."""
        fresh = self._expected.union(self._fresh.values())
        self._expected.clear()
        self._fresh.clear()  # without room too: as many may come as the disk holds, and the next look finds them
        if room > 0 and fresh and self._looked and not self._crowded:
            self._looked = False
            return fresh
        self._looked = True
        outlook = await self._store.outlook()
        self._crowded = room == 0 and bool(outlook.plugins)
        if not self._is_due():  # what has become due meanwhile is not what comes next
            self._due = outlook.next_due
        return outlook.plugins if room > 0 else ()  # without room: rest until something ends

    def _is_due(self) -> bool:
        if self._store.shared and asyncio.get_running_loop().time() - self._expired_at > EXPIRE_EVERY_S:
            return True
        return self._due is not None and self._due <= datetime.now(UTC)

    async def _expire(self) -> None:
        self._due, self._expired_at = None, asyncio.get_running_loop().time()
        self._on_ended(await self._store.expire(lambda job: error_of(job, "deadline_exceeded")))

    async def _rest(self) -> None:
        """Sleep until woken, or until the time of a job has come."""
        if self._wake.is_set() or self._stopping:
            return
        rest_s = LOOK_AGAIN_S if self._looks_again or self._store.shared else None
        if self._due is not None:
            until_due = min(max(DUE_AGAIN_S, (self._due - datetime.now(UTC)).total_seconds()), CLOCK_AGAIN_S)
            rest_s = until_due if rest_s is None else min(rest_s, until_due)
        # Not asyncio.wait_for: on Python 3.11 it loses a cancellation that comes with the wake-up.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(rest_s):
                await self._wake.wait()


def share(room: int, wanted: Mapping[str, int], turns: Sequence[str]) -> Mapping[str, int]:
    """Deal ``room`` among plugins that want more together: one to each in turn, until there is no more.

    ``turns`` holds all of them. A share for each: none waits for another's jobs to come to an end.
    """
    dealt: Counter[str] = Counter()
    while dealt.total() < room:
        for plugin in turns:
            if dealt[plugin] < wanted[plugin] and dealt.total() < room:
                dealt[plugin] += 1
    return dealt
