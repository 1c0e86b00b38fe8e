"""Jobs, asked of a running server."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from app.cli.backend import Jobs, JsonObject
from app.cli.batch_images import read_images
from app.cli.http_client import HttpClient
from app.services.job_filters import JobQuery


class JobsOverHttp:
    """A JobsBackend over Sightgate's HTTP API."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def list(self, query: JobQuery, cursor: str | None, limit: int) -> Jobs:
        """Return one page of jobs."""
        asked = _given(query) | {"limit": limit} | ({"cursor": cursor} if cursor is not None else {})
        answer = await self._client.ask("GET", "/v1/jobs", params=asked)
        return Jobs(answer["jobs"], answer["next_cursor"])

    async def show(self, job_id: str) -> JsonObject:
        """Return one job with its result."""
        return await self._client.ask("GET", _path(job_id))

    async def counts(self, query: JobQuery) -> Mapping[str, int]:
        """Return how many jobs there are, by status."""
        counts: Mapping[str, int] = (await self._client.ask("GET", "/v1/jobs/counts", params=_given(query)))["counts"]
        return counts

    async def submit(self, plugin: str, image: bytes, options: JsonObject, terms: JsonObject) -> JsonObject:
        """Send the image as a raw body to be run as a job."""
        asked = {"plugin": plugin, "options": json.dumps(options), **_as_text(terms)}
        headers = {"Content-Type": "application/octet-stream"}
        return await self._client.ask("POST", "/v1/jobs", params=asked, content=image, headers=headers)

    async def submit_batch(
        self, plugins: Sequence[str], images: Sequence[Path], options: JsonObject, terms: JsonObject
    ) -> JsonObject:
        """Send the images to be run as one batch."""
        fields = {"plugin": plugins, "options": json.dumps(dict.fromkeys(plugins, options)), **_as_text(terms)}
        files = [("image", ("image", image)) for image in await read_images(images, self._client.max_body_bytes)]
        return await self._client.ask("POST", "/v1/jobs/batch", data=fields, files=files)

    async def batch(self, batch_id: str) -> JsonObject:
        """Return how far a batch has come."""
        return await self._client.ask("GET", _batch_path(batch_id))

    async def cancel(self, job_id: str) -> JsonObject:
        """Cancel a job."""
        return await self._client.ask("DELETE", _path(job_id))

    async def cancel_batch(self, batch_id: str) -> JsonObject:
        """Cancel what is left of a batch."""
        return await self._client.ask("DELETE", _batch_path(batch_id))

    async def requeue(self, job_id: str, key: str | None) -> JsonObject:
        """Accept a new job with the input and options of another; the same ``key`` gives the same one again."""
        return await self._client.ask_once(key, "POST", f"{_path(job_id)}/requeue")

    async def export(self, query: JobQuery) -> AsyncIterator[JsonObject]:
        """Yield jobs with their results, oldest first."""
        async with self._client.lines("/v1/jobs/export", params=_given(query)) as lines:
            async for line in lines:
                yield json.loads(line)

    async def purge(self, query: JobQuery) -> int:
        """Remove jobs that have ended; return how many."""
        asked = _given(query) or {"all": True}
        removed: int = (await self._client.ask("POST", "/v1/jobs/purge", params=asked))["removed"]
        return removed

    async def events(self, job_id: str) -> AsyncIterator[JsonObject]:
        """Yield what happens to a job until it has ended."""
        async for event in self._events(_path(job_id)):
            yield event

    async def batch_events(self, batch_id: str) -> AsyncIterator[JsonObject]:
        """Yield how far a batch has come until all its jobs have ended."""
        async for event in self._events(_batch_path(batch_id)):
            yield event

    async def _events(self, path: str) -> AsyncIterator[JsonObject]:
        name = ""
        async with self._client.lines(f"{path}/events") as lines:
            async for line in lines:
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    yield {"event": name, "data": json.loads(value)}


def _path(job_id: str) -> str:
    return f"/v1/jobs/{quote(job_id, safe='')}"


def _batch_path(batch_id: str) -> str:
    return f"/v1/batches/{quote(batch_id, safe='')}"


def _given(query: JobQuery) -> dict[str, Any]:
    return {name: value for name, value in asdict(query).items() if value is not None}


def _as_text(terms: JsonObject) -> dict[str, Any]:
    return {name: json.dumps(value) if isinstance(value, dict) else value for name, value in terms.items()}
