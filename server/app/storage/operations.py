"""What the job store asks of whoever writes, one thing each, with its outcome."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from app.storage.records import Batch, IdempotencyKey, Job, JobEnd, NewJob
from app.storage.statement import Steps


class Operation:
    """One thing asked of the writer. Its outcome is ``result``, or ``failure`` if that is set.

    ``durable``: its commit must survive a power cut, if the setting says so.
    """

    __slots__ = ("durable", "failure", "result", "waiter")

    def __init__(self, durable: bool = False) -> None:
        self.durable = durable
        self.waiter: asyncio.Future[Any] | None = None
        self.result: object = None
        self.failure: Exception | None = None


class InsertJob(Operation):
    """Store the row of a call that somebody waits for."""

    __slots__ = ("job",)

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job


class AddJobs(Operation):
    """Store accepted jobs, all or none. The result is the jobs as they are stored."""

    __slots__ = ("batch", "jobs", "key")

    def __init__(self, jobs: Sequence[NewJob], key: IdempotencyKey | None = None, batch: Batch | None = None) -> None:
        super().__init__(durable=True)
        self.jobs = jobs
        self.key = key
        self.batch = batch

    @property
    def target(self) -> str:
        """The id that the idempotency key stands for."""
        return self.batch.id if self.batch is not None else self.jobs[0].job.id


class EndJob(Operation):
    """Store how a job ended. The result is what that did to others: `Released`."""

    __slots__ = ("end",)

    def __init__(self, end: JobEnd, durable: bool = False) -> None:
        super().__init__(durable)
        self.end = end


class Ask(Operation):
    """Do the steps that ``function`` returns; what they return is the result."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], Steps[object]], durable: bool = False) -> None:
        super().__init__(durable)
        self.function = function
