"""The backend that asks a running server."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx

from app.cli.backend import Analysis, JsonObject
from app.cli.failures import Refused
from app.cli.http_client import HttpClient
from app.cli.jobs_over_http import JobsOverHttp

CONNECT_TIMEOUT_S = 5.0

# A server that listens on all addresses is reached on this machine's own.
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@asynccontextmanager
async def connect(address: str, key: str | None) -> AsyncIterator["OverHttp"]:
    """Talk to the server at ``address``. The gate's own limits end every call, so reading has no time limit here.

    Raises CliError if that is no Sightgate.
    """
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT_S)
    # No proxy of the environment: the server is on this machine.
    async with httpx.AsyncClient(
        base_url=_reachable(address), headers=headers, timeout=timeout, trust_env=False
    ) as http:
        client = HttpClient(http)
        await client.greet()
        yield OverHttp(client)


class OverHttp:
    """A Backend over Sightgate's HTTP API."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self.jobs = JobsOverHttp(client)

    async def analyze(self, plugin: str, image: bytes, options: JsonObject) -> Analysis:
        """Send the image as a raw body. A failure of the image or the plugin is in the answer."""
        query = {"plugin": plugin, "options": json.dumps(options)}
        return await self._analyze(params=query, content=image, headers={"Content-Type": "application/octet-stream"})

    async def analyze_url(self, plugin: str, url: str, options: JsonObject) -> Analysis:
        """Let the server fetch the image. A failure of the URL, the image or the plugin is in the answer."""
        return await self._analyze(json={"plugin": plugin, "image_url": url, "options": options})

    async def _analyze(self, **how: Any) -> Analysis:
        try:
            answer = await self._client.ask("POST", "/v1/analyze", **how)
        except Refused as refused:
            return Analysis(error=refused.error, job_id=refused.error.get("details", {}).get("job_id"))
        return Analysis(answer["result"], job_id=answer["job_id"], running_ms=answer["running_ms"])

    async def list_plugins(self) -> Sequence[JsonObject]:
        """Return the row of every plugin."""
        rows: Sequence[JsonObject] = (await self._client.ask("GET", "/v1/plugins"))["plugins"]
        return rows

    async def show_plugin(self, name: str) -> JsonObject:
        """Return one plugin's row."""
        return await self._client.ask("GET", f"/v1/plugins/{quote(name, safe='')}")

    async def reload(self, plugin: str) -> bool:
        """Have a plugin's code loaded anew; returns False if there is no such plugin any more."""
        try:
            await self._client.ask("POST", f"/v1/plugins/{quote(plugin, safe='')}/reload")
        except Refused as refused:
            if refused.error.get("details", {}).get("code") != "plugin_not_found":
                raise
            return False
        return True


def _reachable(address: str) -> str:
    url = httpx.URL(address)
    return str(url.copy_with(host=_WILDCARDS.get(url.host, url.host)))
