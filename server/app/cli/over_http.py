"""The backend that asks a running server."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx

from app.cli.backend import Analysis, JobQuery, Jobs, JsonObject
from app.cli.failures import CliError, Refused

CONNECT_TIMEOUT_S = 5.0

# A server that listens on all addresses is reached on this machine's own.
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@asynccontextmanager
async def connect(address: str, key: str | None) -> AsyncIterator["OverHttp"]:
    """Talk to the server at ``address``. The gate's own limits end every call, so reading has no time limit here."""
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT_S)
    # No proxy of the environment: the server is on this machine.
    async with httpx.AsyncClient(
        base_url=_reachable(address), headers=headers, timeout=timeout, trust_env=False
    ) as http:
        yield OverHttp(http)


class OverHttp:
    """A Backend over Sightgate's HTTP API."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def analyze(self, plugin: str, image: bytes, options: JsonObject) -> Analysis:
        """Send the image as a raw body. A failure of the image or the plugin is in the answer."""
        query = {"plugin": plugin, "options": json.dumps(options)}
        return await self._analyze(params=query, content=image, headers={"Content-Type": "application/octet-stream"})

    async def analyze_url(self, plugin: str, url: str, options: JsonObject) -> Analysis:
        """Let the server fetch the image. A failure of the URL, the image or the plugin is in the answer."""
        return await self._analyze(json={"plugin": plugin, "image_url": url, "options": options})

    async def _analyze(self, **how: Any) -> Analysis:
        try:
            answer = await self._ask("POST", "/v1/analyze", **how)
        except Refused as refused:
            return Analysis(error=refused.error, job_id=refused.error.get("details", {}).get("job_id"))
        return Analysis(answer["result"], job_id=answer["job_id"], running_ms=answer["running_ms"])

    async def list_plugins(self) -> Sequence[JsonObject]:
        """Return the row of every plugin."""
        rows: Sequence[JsonObject] = (await self._ask("GET", "/v1/plugins"))["plugins"]
        return rows

    async def show_plugin(self, name: str) -> JsonObject:
        """Return one plugin's row."""
        return await self._ask("GET", f"/v1/plugins/{quote(name, safe='')}")

    async def reload(self, plugin: str) -> bool:
        """Have a plugin's code loaded anew; returns False if there is no such plugin any more."""
        try:
            await self._ask("POST", f"/v1/plugins/{quote(plugin, safe='')}/reload")
        except Refused as refused:
            if refused.error.get("details", {}).get("code") != "plugin_not_found":
                raise
            return False
        return True

    async def list_jobs(self, query: JobQuery) -> Jobs:
        """Return one page of jobs."""
        asked = {"status": query.status, "plugin": query.plugin, "cursor": query.cursor, "limit": query.limit}
        given = {name: value for name, value in asked.items() if value is not None}
        answer = await self._ask("GET", "/v1/jobs", params=given)
        return Jobs(answer["jobs"], answer["next_cursor"])

    async def show_job(self, job_id: str) -> JsonObject:
        """Return one job with its result."""
        return await self._ask("GET", f"/v1/jobs/{quote(job_id, safe='')}")

    async def _ask(self, method: str, path: str, **how: Any) -> JsonObject:
        try:
            response = await self._http.request(method, path, **how)
        except httpx.HTTPError as failed:
            said = str(failed) or type(failed).__name__
            raise CliError(f"the server at {self._http.base_url} does not answer: {said}") from failed
        return self._read(response)

    def _read(self, response: httpx.Response) -> JsonObject:
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise CliError(f"the server at {self._http.base_url} wants its API key; set SIGHTGATE_API_KEY to it")
        try:
            answer = response.json()
        except ValueError as broken:
            raise self._stranger(response) from broken
        if not isinstance(answer, Mapping):
            raise self._stranger(response)
        if response.is_success:
            return answer
        if not isinstance(answer.get("detail"), Mapping):
            raise self._stranger(response)
        raise Refused(answer["detail"])

    def _stranger(self, response: httpx.Response) -> CliError:
        return CliError(f"what answers at {self._http.base_url} is no Sightgate (HTTP {response.status_code})")


def _reachable(address: str) -> str:
    url = httpx.URL(address)
    return str(url.copy_with(host=_WILDCARDS.get(url.host, url.host)))
