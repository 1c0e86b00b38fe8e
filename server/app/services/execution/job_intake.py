"""Accepts durable jobs: what was asked becomes rows and blobs on disk, all or none."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from app.governance.errors import RequestError
from app.governance.image_digest import image_digest
from app.governance.job_lifecycle import JobStatus
from app.governance.retry import RetryPolicy
from app.services.execution.job_inputs import JobInputs
from app.services.execution.job_terms import Accepted, AcceptedBatch, JobTerms, Submission, fingerprint
from app.services.job_events import JobEvents
from app.services.job_management_service import input_lost, not_kept
from app.storage.errors import BlobLost, DependencyMissing, KeyConflict, KeyUsed
from app.storage.job_ids import new_job_id
from app.storage.records import Batch, IdempotencyKey, Job, JobInput, NewJob
from app.storage.store import JobStore

# Longer than any plugin's name: what a caller invents is found unknown, but not kept at any length.
MAX_PLUGIN_NAME = 200

Payload = Mapping[str, Any]
PolicyOf = Callable[[str], RetryPolicy]

_ONE_JOB, _BATCH = "POST /v1/jobs", "POST /v1/jobs/batch"


class Dispatcher(Protocol):
    """Is told of jobs before they are handed to the store, and when they are stored."""

    def expect(self, jobs: Sequence[NewJob]) -> None: ...

    def added(self, jobs: Sequence[Job]) -> None: ...


class JobIntake:
    """Makes jobs."""

    def __init__(
        self,
        store: JobStore,
        inputs: JobInputs,
        events: JobEvents,
        policy_of: PolicyOf,
        dispatcher: Dispatcher,
    ) -> None:
        self._store = store
        self._inputs = inputs
        self._events = events
        self._policy_of = policy_of
        self._dispatcher = dispatcher

    async def accept(self, asked: Submission, payload: Payload) -> Accepted:
        """Accept one job, of one plugin; it and its input are on disk when this returns.

        Raises RequestError for terms that cannot be met, StorageError.
        """
        (plugin,) = asked.plugins
        job = self._make(asked, plugin)
        kept = await self._inputs.keep(payload)
        self._remember(job, payload, kept, asked.terms)
        try:
            stored = await self._add(
                [NewJob(job, [kept], asked.terms.after)], _key(_ONE_JOB, asked, [_image_of(payload, kept)])
            )
        except KeyUsed as used:
            self._inputs.forget(job.id)
            return await self._replayed(used.existing_id)
        return Accepted(stored[0].id, stored[0].status)

    async def find_replayed(self, asked: Submission, payload: Payload) -> Accepted | None:
        """Return the job that an earlier request with the same key made. The payload may have a ``source`` alone.

        Raises RequestError ``idempotency_conflict``, StorageError.
        """
        existing = await self._find(_key(_ONE_JOB, asked, [await _image_sent(payload)]))
        return None if existing is None else await self._replayed(existing)

    async def find_replayed_batch(self, asked: Submission, payloads: Sequence[Payload]) -> AcceptedBatch | None:
        """Do the same for a batch."""
        images = [await _image_sent(payload) for payload in payloads]
        existing = await self._find(_key(_BATCH, asked, images))
        return None if existing is None else await self._replayed_batch(existing)

    async def accept_batch(self, asked: Submission, payloads: Sequence[Payload]) -> AcceptedBatch:
        """Accept a job for each image and plugin. Raises as `accept` does."""
        kept = await self._inputs.keep_all(payloads)
        batch = Batch(new_job_id(), asked.owner, datetime.now(UTC), len(asked.plugins) * len(payloads))
        new: list[NewJob] = []
        for payload, image in zip(payloads, kept, strict=True):
            for plugin in asked.plugins:
                job = self._make(asked, plugin, batch.id)
                self._remember(job, payload, image, asked.terms)
                new.append(NewJob(job, [image], asked.terms.after))
        images = [_image_of(payload, image) for payload, image in zip(payloads, kept, strict=True)]
        try:
            stored = await self._add(new, _key(_BATCH, asked, images), batch)
        except KeyUsed as used:
            for one in new:
                self._inputs.forget(one.job.id)
            return await self._replayed_batch(used.existing_id)
        return AcceptedBatch(batch.id, [job.id for job in stored])

    async def find_copy(self, job_id: str, key: str) -> Accepted | None:
        """Return the copy of a job that an earlier request with the same key made; the job itself may be gone.

        Raises StorageError.
        """
        existing = await self._find(_copy_key(job_id, key))
        return None if existing is None else await self._replayed(existing)

    async def accept_copy(self, job: Job, key: str | None = None) -> Accepted:
        """Accept a new job with the input, options and terms of another. It needs no other job and has no deadline.

        Raises RequestError ``not_found`` if the input was not kept, or is lost; StorageError.
        """
        kept: Sequence[JobInput] = await self._store.inputs(job.id)
        if not kept:
            raise not_kept(job.id)
        try:
            await self._inputs.touch(kept)
        except BlobLost as lost:
            raise input_lost(job.id, lost) from lost
        copy = Job(
            id=new_job_id(),
            plugin=job.plugin,
            status=JobStatus.PENDING,
            created_at=datetime.now(UTC),
            durable=True,
            options=job.options,
            owner=job.owner,
            priority=job.priority,
            retry=job.retry or self._policy_of(job.plugin),
            webhook=job.webhook,
            copy_of=job.id,
        )
        try:
            stored = await self._add([NewJob(copy, kept)], None if key is None else _copy_key(job.id, key))
        except KeyUsed as used:
            return await self._replayed(used.existing_id)
        return Accepted(stored[0].id, stored[0].status)

    def _make(self, asked: Submission, plugin: str, batch_id: str | None = None) -> Job:
        terms, deadline_s = asked.terms, asked.deadline_s
        terms.check(asked.timeout_s)
        now = datetime.now(UTC)
        return Job(
            id=new_job_id(),
            plugin=plugin[:MAX_PLUGIN_NAME],
            status=JobStatus.PENDING,
            created_at=now,
            durable=True,
            options=asked.options.get(plugin, {}),
            owner=asked.owner,
            parent_id=batch_id,
            priority=terms.priority,
            deadline=now + timedelta(seconds=deadline_s) if deadline_s is not None else None,
            not_before=now + timedelta(seconds=terms.delay_s) if terms.delay_s else None,
            after_rule=terms.after_rule,
            retry=terms.policy(self._policy_of(plugin)),
            webhook=terms.webhook,
        )

    async def _find(self, key: IdempotencyKey | None) -> str | None:
        try:
            return None if key is None else await self._store.find_key(key)
        except KeyConflict:
            raise _conflict() from None

    async def _replayed(self, job_id: str) -> Accepted:
        before = await self._store.get(job_id)
        return Accepted(job_id, before.status if before is not None else JobStatus.PENDING, replayed=True)

    async def _replayed_batch(self, batch_id: str) -> AcceptedBatch:
        return AcceptedBatch(batch_id, await self._store.batch_jobs(batch_id, list(JobStatus)), replayed=True)

    def _remember(self, job: Job, payload: Payload, kept: JobInput, terms: JobTerms) -> None:
        # Before it is stored: it may be claimed before its caller knows of it.
        if not terms.delay_s and not terms.after:
            self._inputs.remember(job.id, payload, kept)

    async def _add(
        self, new: Sequence[NewJob], key: IdempotencyKey | None, batch: Batch | None = None
    ) -> Sequence[Job]:
        # Shielded: a caller that hangs up must not leave it open whether its jobs are accepted and known here.
        return await asyncio.shield(self._add_and_tell(new, key, batch))

    async def _add_and_tell(
        self, new: Sequence[NewJob], key: IdempotencyKey | None, batch: Batch | None
    ) -> Sequence[Job]:
        self._dispatcher.expect(new)
        try:
            stored = await self._store.add(new, key=key, batch=batch)
        except KeyConflict:
            raise _conflict() from None
        except DependencyMissing as missing:
            said = f"there is no job {missing.job_ids[0][:64]!r}, which this one is to run after"
            raise RequestError("job_not_found", said, field="after") from None
        if self._events.watched:
            for job in stored:
                self._events.changed(job)
        self._dispatcher.added(stored)
        return stored


def _conflict() -> RequestError:
    said = "this Idempotency-Key was used with another request; use a new key for another request"
    return RequestError("idempotency_conflict", said)


def _image_of(payload: Payload, kept: JobInput) -> Sequence[str]:
    """Return what tells the image from another: where it came from if it was fetched, else its digest and type."""
    source = payload.get("source")
    return [str(source)] if source is not None else [kept.blob, kept.media_type]


async def _image_sent(payload: Payload) -> Sequence[str]:
    """Return the same of an image that is not kept."""
    source = payload.get("source")
    if source is not None:
        return [str(source)]
    return [await image_digest(payload["image"]), str(payload.get("mime_type") or "")]


def _copy_key(job_id: str, key: str) -> IdempotencyKey:
    # The id says all that is asked for, and whose it is: nothing else can differ between two requests with the key.
    return IdempotencyKey(f"POST /v1/jobs/{job_id}/requeue", key, job_id)


def _key(route: str, asked: Submission, images: Sequence[Sequence[str]]) -> IdempotencyKey | None:
    """Return the caller's key with the fingerprint of all that is asked for; ``images`` tell each from any other."""
    if asked.terms.key is None:
        return None
    limit = str(asked.timeout_s)
    what = [(plugin, asked.options.get(plugin, {}), [*image, limit]) for image in images for plugin in asked.plugins]
    return IdempotencyKey(f"{route} {asked.owner or ''}", asked.terms.key, fingerprint(what, asked.terms))
