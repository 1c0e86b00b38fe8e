"""Jobs, asked of services in this process. Nothing runs meanwhile: no server is on the data folder."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from app import wiring
from app.cli.backend import Jobs, JsonObject
from app.cli.batch_images import read_images
from app.cli.failures import CliError, Refused
from app.governance.error_envelope import build_error_envelope
from app.governance.errors import GovernedError, RequestError
from app.services.execution.analysis_execution_service import AnalysisRequest, BatchRequest, UploadedImage
from app.services.execution.job_terms_data import terms_from
from app.services.job_filters import JobQuery
from app.services.job_management_service import batch_view


class JobsInProcess:
    """A JobsBackend over services of this process."""

    def __init__(self, gate: wiring.Sightgate) -> None:
        self._gate = gate

    async def list(self, query: JobQuery, cursor: str | None, limit: int) -> Jobs:
        """Return one page of jobs."""
        with told():
            page = await self._gate.jobs.list_jobs(query, cursor=cursor, limit=limit)
        return Jobs(page.jobs, page.next_cursor)

    async def show(self, job_id: str) -> JsonObject:
        """Return one job with its result."""
        with told():
            return await self._gate.jobs.show(job_id)

    async def counts(self, query: JobQuery) -> Mapping[str, int]:
        """Return how many jobs there are, by status."""
        with told():
            return {status.value: count for status, count in (await self._gate.jobs.counts(query)).items()}

    async def submit(self, plugin: str, image: bytes, options: JsonObject, terms: JsonObject) -> JsonObject:
        """Accept a job; the next server that starts runs it."""
        with told():
            self._check_size(image)
            request = AnalysisRequest(plugin, UploadedImage(image, None), dict(options))
            accepted = await self._gate.analysis_execution.submit(request, terms_from(terms))
        return {"id": accepted.job_id, "status": accepted.status.value}

    async def submit_batch(
        self, plugins: Sequence[str], images: Sequence[Path], options: JsonObject, terms: JsonObject
    ) -> JsonObject:
        """Accept a batch; the next server that starts runs it."""
        sent = [UploadedImage(image, None) for image in await read_images(images, self._gate.settings.max_body_bytes)]
        with told():
            request = BatchRequest(plugins, sent, {name: dict(options) for name in plugins})
            batch = await self._gate.analysis_execution.submit_batch(request, terms_from(terms))
        return {"id": batch.batch_id, "total": len(batch.job_ids), "jobs": list(batch.job_ids)}

    async def batch(self, batch_id: str) -> JsonObject:
        """Return how far a batch has come."""
        with told():
            return batch_view(await self._gate.jobs.batch(batch_id))

    async def cancel(self, job_id: str) -> JsonObject:
        """Cancel a job; one that a server which died was running waits again, and can be cancelled at once."""
        with told():
            await self._gate.job_execution.recover()
            return await self._gate.job_execution.cancel(job_id)

    async def cancel_batch(self, batch_id: str) -> JsonObject:
        """Cancel what is left of a batch, as `cancel` does."""
        with told():
            await self._gate.job_execution.recover()
            return batch_view(await self._gate.job_execution.cancel_batch(batch_id))

    async def requeue(self, job_id: str, key: str | None) -> JsonObject:
        """Accept a new job with the input and options of another; the same ``key`` gives the same one again."""
        with told():
            accepted = await self._gate.job_execution.requeue(job_id, key=key)
        told_of_it = {"id": accepted.job_id, "status": accepted.status.value, "copy_of": job_id}
        return {**told_of_it, "replayed": accepted.replayed}

    async def export(self, query: JobQuery) -> AsyncIterator[JsonObject]:
        """Yield jobs with their results, oldest first."""
        with told():
            async for job in self._gate.jobs.export(query):
                yield job

    async def purge(self, query: JobQuery) -> int:
        """Remove jobs that have ended; return how many."""
        with told():
            return await self._gate.jobs.purge(query)

    async def events(self, job_id: str) -> AsyncIterator[JsonObject]:
        """Yield what has happened to a job that has ended; to others nothing happens while no server runs."""
        with told():
            job = await self._gate.jobs.show(job_id)
            if job["ended_at"] is None:
                raise CliError("no server runs on this data folder, so nothing happens to the job; start one first")
            async for event in self._gate.job_streams.job(job_id, None):
                yield {"event": event.name, "data": event.data}

    async def batch_events(self, batch_id: str) -> AsyncIterator[JsonObject]:
        """Yield the end of a batch whose jobs have all ended; to others nothing happens while no server runs."""
        batch = await self.batch(batch_id)
        if batch["done"] < batch["total"]:
            raise CliError("no server runs on this data folder, so nothing happens to the batch; start one first")
        yield {"event": "end", "data": batch}

    def _check_size(self, image: bytes) -> None:
        limit = self._gate.settings.max_body_bytes
        if len(image) > limit:
            raise RequestError("body_too_large", f"the image is larger than {limit} bytes", limit_bytes=limit)


@contextmanager
def told() -> Iterator[None]:
    """Turn what Sightgate refuses into the command's own failure."""
    try:
        yield
    except GovernedError as refused:
        raise Refused(build_error_envelope(refused, None)["error"]) from refused
