"""What happens to jobs, as it happens: told to whoever watches, and to nobody if nobody does.

A watch holds no queue. It remembers what has changed since it was last read, and the newest state of each, so that a
slow reader costs no memory and misses states in between, never the last one.
"""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app.storage.records import Job

# Jobs that changed since a watch of all jobs was last read; beyond, it is told to look at the whole list again.
MOST_CHANGED = 1_000
MOST_PROGRESS = 10_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running job says it is: ``done`` of ``total`` units."""

    done: float
    total: float
    message: str

    def to_data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"done": self.done, "total": self.total, "message": self.message}


class Watch:
    """What one reader waits for. Ends when the hub closes. ``stale``: a row changed, and not only some progress."""

    def __init__(self) -> None:
        self.closed = False
        self.stale = True
        self._news = asyncio.Event()

    async def wait(self, within_s: float) -> bool:
        """Wait until there is news, or the hub closes; False if there is none within the time."""
        try:
            async with asyncio.timeout(within_s):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True

    async def pause(self, seconds: float) -> None:
        """Let news gather; not if there will be no more."""
        if not self.closed:
            await asyncio.sleep(seconds)

    def tell(self, *, stale: bool = True) -> None:
        """There is news."""
        self.stale = self.stale or stale
        self._news.set()

    def close(self) -> None:
        """There will be no more."""
        self.closed = self.stale = True
        self._news.set()


class AllWatch(Watch):
    """Watches every job. ``missed``: so much changed that the single changes are not known any more."""

    def __init__(self) -> None:
        super().__init__()
        self.missed = False
        self._changed: dict[str, Job | None] = {}

    def put(self, job_id: str, job: Job | None) -> None:
        """Note that a job changed; None if only its id is known."""
        self._changed[job_id] = job
        if len(self._changed) > MOST_CHANGED:
            self._changed.clear()
            self.missed = True
        self.tell()

    def miss(self) -> None:
        """Note that jobs changed or went, and nobody says which."""
        self.missed = True
        self.tell()

    def take(self) -> tuple[dict[str, Job | None], bool]:
        """Return what changed since this was last asked, and whether some of it was missed."""
        taken, self._changed = self._changed, {}
        missed, self.missed = self.missed, False
        return taken, missed


class JobEvents:
    """The hub. All of it on the event loop's own thread."""

    def __init__(self) -> None:
        self._progress: dict[str, Progress] = {}
        self._by_job: dict[str, set[Watch]] = {}
        self._by_batch: dict[str, set[Watch]] = {}
        self._all: set[AllWatch] = set()
        self._closed = False

    @property
    def watched(self) -> bool:
        """Whether anybody watches anything: what waiting calls do need not be told otherwise."""
        return bool(self._all or self._by_job or self._by_batch)

    @property
    def watchers(self) -> int:
        """How many watches there are."""
        return len(self._all) + sum(map(len, self._by_job.values())) + sum(map(len, self._by_batch.values()))

    def changed(self, job: Job) -> None:
        """A job has come, or has another status."""
        if job.ended_at is not None:
            self._progress.pop(job.id, None)
        self._tell(self._by_job, job.id)
        if job.parent_id is not None:
            self._tell(self._by_batch, job.parent_id)
        for watch in self._all:
            watch.put(job.id, job)

    def changed_elsewhere(self, job_id: str) -> None:
        """Another server has changed a job, of which only the id is known here."""
        self._tell(self._by_job, job_id)
        for batch_id in self._by_batch:
            self._tell(self._by_batch, batch_id)
        for watch in self._all:
            watch.put(job_id, None)

    def many_changed(self) -> None:
        """Jobs were removed, or changed without being told one by one."""
        for watches in (*self._by_job.values(), *self._by_batch.values()):
            for watch in watches:
                watch.tell()
        for every in self._all:
            every.miss()

    def progressed(self, job_id: str, done: float, total: float, message: str) -> None:
        """A running job tells how far it is. What is no finite number is left out."""
        if math.isfinite(done) and math.isfinite(total):
            self._progress[job_id] = Progress(done, total, message.encode(errors="replace").decode())
            if len(self._progress) > MOST_PROGRESS:  # of other servers' jobs, whose ends were not told
                del self._progress[next(iter(self._progress))]
            for watch in self._by_job.get(job_id, ()):
                watch.tell(stale=False)

    def forget(self, job_id: str) -> None:
        """A job does not run any more."""
        if self._progress:
            self._progress.pop(job_id, None)

    def progress_of(self, job_id: str) -> Progress | None:
        """Return the last that a running job told, if it did."""
        return self._progress.get(job_id)

    @contextmanager
    def watch_job(self, job_id: str) -> Iterator[Watch]:
        """Watch one job."""
        with self._watching(self._by_job, job_id) as watch:
            yield watch

    @contextmanager
    def watch_batch(self, batch_id: str) -> Iterator[Watch]:
        """Watch all jobs of a batch."""
        with self._watching(self._by_batch, batch_id) as watch:
            yield watch

    @contextmanager
    def watch_all(self) -> Iterator[AllWatch]:
        """Watch every job."""
        watch = AllWatch()
        self._all.add(watch)
        if self._closed:
            watch.close()
        try:
            yield watch
        finally:
            self._all.discard(watch)

    def close(self) -> None:
        """End all watches, and those that come."""
        self._closed = True
        keyed = (*self._by_job.values(), *self._by_batch.values())
        single: list[Watch] = [watch for watches in keyed for watch in watches]
        for watch in (*single, *self._all):
            watch.close()

    @contextmanager
    def _watching(self, watches: dict[str, set[Watch]], key: str) -> Iterator[Watch]:
        watch = Watch()
        watches.setdefault(key, set()).add(watch)
        if self._closed:
            watch.close()
        try:
            yield watch
        finally:
            watches[key].discard(watch)
            if not watches[key]:
                del watches[key]

    def _tell(self, watches: dict[str, set[Watch]], key: str) -> None:
        for watch in watches.get(key, ()):
            watch.tell()
