"""The durable jobs that this server runs: one task each, from its claim to the record of how it ended."""

import asyncio
import contextlib
import dataclasses
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Protocol

import structlog

from app.governance.execution_context import ExecutionContext, set_current_execution
from app.governance.job_lifecycle import IllegalTransition, JobStatus
from app.services.execution.call_context import context_of
from app.services.execution.job_inputs import InputUnreadable, JobInputs
from app.services.execution.job_outcome import JobOutcome, answered_call, as_ended, ended_call, faulty
from app.services.execution.next_attempt import NextAttempt
from app.services.execution.plugin_execution_service import PluginExecutionService
from app.services.execution.unreadable_inputs import UNREAD, ReadLater, UnreadableInputs
from app.services.job_events import JobEvents
from app.services.job_results import JobResults
from app.storage.errors import JobMissing, LeaseLost, NotStorable, StorageError
from app.storage.records import Change, Job, JobEnd, Released
from app.storage.store import JobStore

log = structlog.get_logger("sightgate.jobs")

# Between two tries to write down how a job ended.
FIRST_REST_S, LONGEST_REST_S = 0.1, 5.0


class Fate(Enum):
    """Why a run is ended from outside."""

    CANCEL = "cancel"
    HAND_BACK = "hand back"
    LOST = "lost"


class JobObserver(Protocol):
    """Is told of every attempt and every end of a durable job. Must not raise."""

    def attempted(self, plugin: str, outcome: str) -> None: ...

    def job_ended(self, plugin: str, status: str, seconds: float) -> None: ...


@dataclass(slots=True)
class Run:
    """One attempt at a job in this process. ``since`` is on the loop's clock: its lease is at least as old."""

    job: Job
    since: float
    context: ExecutionContext
    at_its_desk: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[JobOutcome | None] | None" = None
    fate: Fate | None = None
    begun: bool = False
    loading_ms: float = 0.0
    called: bool = False
    settling: bool = False


class JobRuns:
    """Runs claimed jobs, and ends them from outside. ``on_room`` is called whenever another job might start."""

    def __init__(
        self,
        store: JobStore,
        plugins: PluginExecutionService,
        inputs: JobInputs,
        results: JobResults,
        events: JobEvents,
        observer: JobObserver,
        on_room: Callable[[], None],
        on_ran: Callable[[str, float, float], None],
        on_ended: Callable[[Job], None],
    ) -> None:
        self._store = store
        self._plugins = plugins
        self._inputs = inputs
        self._results = results
        self._events = events
        self._observer = observer
        self._on_room = on_room
        self._on_ran = on_ran
        self._on_ended = on_ended
        self._next_attempt = NextAttempt(store, plugins)
        self._unreadable = UnreadableInputs(store, inputs)
        self._runs: dict[str, Run] = {}
        self._last: dict[str, Run] = {}
        self._loading: Counter[str] = Counter()
        self._uncalled = 0
        self._closing = asyncio.Event()

    def begin(self, job: Job) -> "asyncio.Task[JobOutcome | None]":
        """Run a job that was claimed. Its task returns None if it did not end: it waits again, or is another's."""
        loop = asyncio.get_running_loop()
        self.lose([job.id])  # an attempt of ours that outlived its lease, and whose job came back to us
        context = context_of(job, self._told_progress)
        run = self._runs[job.id] = Run(job, loop.time(), context)
        before, self._last[job.plugin] = self._last.get(job.plugin), run
        self._loading[job.plugin] += 1
        self._uncalled += 1
        if self._events.watched:
            self._events.changed(job)
        run.task = loop.create_task(self._run(run, before))
        return run.task

    def task_of(self, job_id: str) -> "asyncio.Task[JobOutcome | None] | None":
        """Return the task of a job that runs here."""
        run = self._runs.get(job_id)
        return run.task if run is not None else None

    def ids(self) -> Collection[str]:
        """Return the ids of the jobs that are held here."""
        return list(self._runs)

    def loading(self, plugin: str) -> int:
        """Return how many jobs of a plugin have been claimed and are not in its queue yet."""
        return self._loading[plugin]

    async def most_readable(self, room: int) -> int:
        """Return how many of ``room`` jobs may be begun, as far as their inputs can be read here."""
        return await self._unreadable.most(room)

    @property
    def unreadable(self) -> bool:
        """Whether inputs cannot be read here now, as far as is known."""
        return self._unreadable.known

    @property
    def uncalled(self) -> int:
        """How many jobs are before or in their plugin's call."""
        return self._uncalled

    @property
    def unsettled(self) -> int:
        """How many jobs are held here in all, those whose end is being written included."""
        return len(self._runs)

    async def cancel(self, job_id: str) -> bool:
        """End a job that runs here as cancelled; tells whether there is one. Its task goes on to write that down."""
        run = self._runs.get(job_id)
        if run is None:
            return False
        run.fate = Fate.CANCEL
        if not run.called and not await self._plugins.kill(run.job.plugin, job_id):
            self._interrupt(run)  # it waits for its input, a seat or a worker, or its plugin is on a thread
        return True

    def lose(self, job_ids: Collection[str]) -> None:
        """These jobs are another server's now: end the calls, write nothing."""
        for job_id in job_ids:
            run = self._runs.get(job_id)
            if run is not None and run.fate is not Fate.LOST:
                log.warning("a job's lease was lost; its call is ended", job=job_id, plugin=run.job.plugin)
                run.fate = Fate.LOST
                self._interrupt(run)

    def held_since(self, moment: float) -> Collection[str]:
        """Return the jobs that were claimed before a moment on the loop's clock."""
        return [job_id for job_id, run in self._runs.items() if run.since < moment]

    async def finish(self, within_s: float) -> None:
        """Wait until all runs have ended, at most so many seconds."""
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=max(0.0, within_s))

    async def hand_back(self) -> None:
        """End what still runs, and let it wait for the next server."""
        self._closing.set()
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        for run in list(self._runs.values()):
            if run.fate is None:
                run.fate = Fate.HAND_BACK
                self._interrupt(run)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _interrupt(self, run: Run) -> None:
        # A task that is cancelled before its first step would not clean up behind itself; it looks at its fate first.
        if run.task is not None and run.begun and not run.settling:
            run.task.cancel()

    def _told_progress(self, job_id: str, done: float, total: float, message: str) -> None:
        self._events.progressed(job_id, done, total, message)
        run = self._runs.get(job_id)
        progress = self._events.progress_of(job_id)
        if self._store.shared and run is not None and progress is not None:
            self._store.announce(Change(job_id, "progress", run.job.plugin, data=progress.to_data()))

    async def _run(self, run: Run, before: Run | None) -> JobOutcome | None:
        job = run.job
        run.begun = True
        try:
            try:
                outcome = await self._attempt(run, before)
            finally:
                run.settling = True
                self._leave_desk(run)
            return await self._settle(run, outcome)
        except Exception as fault:  # the dispatcher's boundary: a fault of ours in one job must not stop the others
            log.exception("a job could not be run", job=job.id)
            return await self._end(run, faulty(job, fault))
        finally:
            if self._runs.get(job.id) is run:
                del self._runs[job.id]
            if self._last.get(job.plugin) is run:
                del self._last[job.plugin]
            self._events.forget(job.id)
            self._on_room()

    async def _attempt(self, run: Run, before: Run | None) -> JobOutcome | ReadLater:
        """Call the plugin. What ends the run from outside ends here, with the worker gone."""
        job = run.job
        if job.cancel_requested or run.fate is not None:
            return ended_call(job, "cancelled")
        try:
            try:
                payload = await self._inputs.payload_of(job)
            except StorageError as failed:  # the job store did not tell where it lies
                return self._unreadable.away(job, failed)
            except InputUnreadable as unread:
                later = await self._unreadable.after(job, unread)
                if later is not None:
                    return later
                log.error("a job's input is lost", job=job.id, reason=str(unread))
                return faulty(job, unread.cause)
            if before is not None:  # inputs are read side by side; calls are made in the order of the claims
                await before.at_its_desk.wait()
            self._sit_down(run)
            set_current_execution(run.context)
            result, envelope = await self._plugins.execute_async(job.plugin, payload, patient=True)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if run.fate is None or task is None:
                raise
            task.uncancel()
            return ended_call(job, "cancelled", run.context)
        self._on_ran(job.plugin, run.loading_ms, run.context.running_ms)
        return answered_call(job, result, envelope, run.context)

    def _sit_down(self, run: Run) -> None:
        if not run.at_its_desk.is_set():
            run.at_its_desk.set()
            run.loading_ms = (asyncio.get_running_loop().time() - run.since) * 1000
            self._loading[run.job.plugin] -= 1

    def _leave_desk(self, run: Run) -> None:
        self._sit_down(run)
        run.called = True
        self._uncalled -= 1
        self._on_room()

    async def _settle(self, run: Run, outcome: JobOutcome | ReadLater) -> JobOutcome | None:
        """Write down what became of the attempt: the job's end, or that it waits again."""
        if run.fate is Fate.LOST:
            return None
        if isinstance(outcome, ReadLater):
            await self._put_back(run, UNREAD, outcome.code, outcome.not_before)
            return None
        code = outcome.code
        if code == "cancelled" and run.fate is not Fate.CANCEL and not run.job.cancel_requested:
            # Nobody asked for its end: this server stops, or its worker was ended for another reason.
            how = "handed_back" if run.fate is Fate.HAND_BACK else "interrupted"
            await self._put_back(run, how, None if how == "handed_back" else "interrupted", None)
            return None
        if outcome.rests:  # it was claimed as the rest began: its place is in the store, as that of all others
            await self._put_back(run, "handed_back", None, None)
            return None
        if code is not None and code != "cancelled":
            again = await self._next_attempt.after(run.job, code)
            if again is not None:
                await self._put_back(run, again.outcome, code, again.not_before)
                return None
        return await self._end(run, outcome)

    async def _put_back(self, run: Run, outcome: str, code: str | None, not_before: datetime | None) -> None:
        job = run.job
        ended: list[Released] = []

        async def write() -> None:
            released = await self._store.put_back(
                job.id,
                job.attempt,
                outcome=outcome,
                error_code=code,
                not_before=not_before,
                worker_pid=run.context.worker_pid,
            )
            if released is not None:  # somebody had asked to cancel it: it has ended instead
                ended.append(released)

        if not await self._until_written(run, write):
            return
        if ended:
            self._observer.attempted(job.plugin, JobStatus.CANCELLED.value)
            self.tell_end(as_ended(job, ended_call(job, "cancelled", run.context).to_end()), ended[0])
            return
        self._observer.attempted(job.plugin, outcome)
        self._events.forget(job.id)
        log.info("a job waits again", job=job.id, plugin=job.plugin, attempt=job.attempt, outcome=outcome, code=code)
        if self._events.watched:
            waiting = dataclasses.replace(job, status=JobStatus.PENDING, not_before=not_before, lease_owner=None)
            self._events.changed(waiting)

    async def _end(self, run: Run, outcome: JobOutcome) -> JobOutcome | None:
        job = run.job
        ended: list[tuple[JobEnd, Released]] = []
        ended_at = datetime.now(UTC)

        def end_of(how: JobOutcome, blob: str | None = None) -> JobEnd:
            # Its time is one in all tries to write it: so the store knows it again if a commit broke unanswered.
            worker = run.context.worker_pid
            return how.to_end(blob, attempt=job.attempt, worker_pid=worker, ended_at=ended_at)

        async def write() -> None:
            blob = await self._results.put(outcome.result) if self._results.is_large(outcome.result_bytes) else None
            end = end_of(outcome, blob)
            try:
                ended.append((end, await self._store.end(end)))
            except NotStorable as unfit:
                fault = end_of(faulty(job, unfit))
                ended.append((fault, await self._store.end(fault)))

        if not await self._until_written(run, write):
            return None
        end, released = ended[-1]
        self._observer.attempted(job.plugin, end.status.value)
        self.tell_end(as_ended(job, end), released)
        return outcome

    def tell_end(self, job: Job, released: Released) -> None:
        """Tell all who want to know that a durable job has ended, and what that did to others."""
        for ended in (job, *released.failed):
            if ended.ended_at is not None:
                took_s = (ended.ended_at - ended.created_at).total_seconds()
                self._observer.job_ended(ended.plugin, ended.status.value, took_s)
            if self._events.watched:
                self._events.changed(ended)
            self._on_ended(ended)
        self._on_room()  # what needed it may run now, or has a time that nobody waits for yet

    def tell_broken_off(self, plugins: Iterable[str]) -> None:
        """Count attempts that ended because their server died: one for each plugin named."""
        for plugin in plugins:
            self._observer.attempted(plugin, "interrupted")

    async def _until_written(self, run: Run, write: Callable[[], Awaitable[None]]) -> bool:
        """Write, again and again while the store does not answer; False if the job is not this server's any more."""
        rest_s = FIRST_REST_S
        while run.fate is not Fate.LOST:
            try:
                await write()
                return True
            except (LeaseLost, IllegalTransition, JobMissing) as gone:
                log.warning("what became of a job was not written", job=run.job.id, reason=str(gone))
                return False
            except StorageError as failed:
                log.error("what became of a job cannot be written yet", job=run.job.id, reason=str(failed))
                if self._closing.is_set():
                    return False  # its lease runs out, or the next start finds it
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(rest_s):
                        await self._closing.wait()
                rest_s = min(rest_s * 2, LONGEST_REST_S)
        return False
