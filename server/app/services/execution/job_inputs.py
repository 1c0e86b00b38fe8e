"""The inputs of durable jobs: into the blob store when a job is accepted, out of it when it runs."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from app.services.execution.recent_inputs import RecentInput, RecentInputs
from app.services.job_management_service import IMAGE_ROLE
from app.storage.blobs import Blobs, try_out
from app.storage.errors import BlobMissing, StorageError
from app.storage.reachability import Reachability
from app.storage.records import Job, JobInput
from app.storage.store import JobStore


class InputUnreadable(Exception):
    """The blob of a job's input could not be read; ``cause`` says why. The job store itself answered."""

    def __init__(self, cause: StorageError) -> None:
        self.cause = cause
        super().__init__(str(cause))


class JobInputs:
    """Keeps payloads and makes them again. Every method may raise StorageError."""

    def __init__(self, store: JobStore, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs
        self._recent = RecentInputs()
        self._place = Reachability(partial(try_out, blobs))
        # How many inputs were read from there.
        self.reads = 0

    async def keep(self, payload: Mapping[str, Any]) -> JobInput:
        """Store a payload's image; return the row that names it."""
        data = _image_of(payload)
        return JobInput(IMAGE_ROLE, str(payload.get("mime_type") or ""), await self._blobs.put(data), len(data))

    async def keep_all(self, payloads: Sequence[Mapping[str, Any]]) -> list[JobInput]:
        """Do the same for several, for little more than the price of one."""
        images = [_image_of(payload) for payload in payloads]
        digests = await self._blobs.put_many(images)
        return [
            JobInput(IMAGE_ROLE, str(payload.get("mime_type") or ""), digest, len(data))
            for payload, data, digest in zip(payloads, images, digests, strict=True)
        ]

    def remember(self, job_id: str, payload: Mapping[str, Any], kept: JobInput) -> None:
        """Hold a kept payload's image for a moment: its job is likely to run here at once."""
        self._recent.put(job_id, RecentInput(_image_of(payload), kept.media_type))

    def forget(self, job_id: str) -> None:
        """Hold a job's image no longer: it will not run."""
        self._recent.take(job_id)

    async def touch(self, kept: Sequence[JobInput]) -> None:
        """Store again what another job was given, so that no collector removes it before the new job names it."""
        for one in kept:
            await self._blobs.put(await self._blobs.get(one.blob))

    async def payload_of(self, job: Job) -> dict[str, Any]:
        """Return the payload that the job was accepted with. Raises InputUnreadable."""
        recent = self._recent.take(job.id)
        if recent is not None:
            return {"image": recent.image, "mime_type": recent.media_type, "options": dict(job.options)}
        for kept in await self._store.inputs(job.id):
            if kept.role == IMAGE_ROLE:
                try:
                    data = await self._blobs.get(kept.blob)
                except StorageError as failure:
                    raise InputUnreadable(failure) from failure
                self.reads += 1
                return {"image": data, "mime_type": kept.media_type, "options": dict(job.options)}
        raise InputUnreadable(BlobMissing())

    async def trouble(self) -> str | None:
        """Return why the place of the blobs does not work now, None if it does. All who ask at once share one look."""
        return await self._place.trouble()


def _image_of(payload: Mapping[str, Any]) -> bytes:
    image = payload.get("image")
    return image if isinstance(image, bytes) else b""
