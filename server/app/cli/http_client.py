"""Asks a running server, and turns what can go wrong into the command's own failures."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx

from app.cli.backend import JsonObject
from app.cli.failures import CliError, Refused


class HttpClient:
    """A client of one server."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.max_body_bytes = 0

    async def ask(self, method: str, path: str, **how: Any) -> JsonObject:
        """Return the answer of a route. Raises Refused for an error that the server tells, CliError otherwise."""
        return self._read(await self._request(method, path, **how))

    async def ask_once(self, key: str | None, method: str, path: str) -> JsonObject:
        """Ask a route that is to do a thing only once for each ``key``; ``replayed`` in the answer tells that it was
        done before. Raises as `ask` does.
        """
        response = await self._request(method, path, headers={} if key is None else {"Idempotency-Key": key})
        return {**self._read(response), "replayed": "Idempotency-Replayed" in response.headers}

    async def greet(self) -> None:
        """Learn what the server takes. Raises CliError if what answers is no Sightgate, or wants another key."""
        response = await self._request("GET", "/v1/server")
        limit = self._read(response).get("max_body_bytes")
        if not isinstance(limit, int):
            raise self._stranger(response)
        self.max_body_bytes = limit

    @asynccontextmanager
    async def lines(self, path: str, **how: Any) -> AsyncIterator[AsyncIterator[str]]:
        """Read the answer of a route line by line, as it comes. Raises as `ask` does."""
        with self._told():
            async with self._http.stream("GET", path, **how) as response:
                if not response.is_success:
                    await response.aread()
                    self._read(response)
                yield response.aiter_lines()

    async def _request(self, method: str, path: str, **how: Any) -> httpx.Response:
        with self._told():
            return await self._http.request(method, path, **how)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as failed:
            said = str(failed) or type(failed).__name__
            raise CliError(f"the server at {self._http.base_url} does not answer: {said}") from failed

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
        error = answer.get("detail")
        if not isinstance(error, Mapping) or not isinstance(error.get("details"), Mapping):
            raise self._stranger(response)
        raise Refused(error)

    def _stranger(self, response: httpx.Response) -> CliError:
        return CliError(f"what answers at {self._http.base_url} is no Sightgate (HTTP {response.status_code})")
