"""The two calls that the server makes for its callers: fetch a body, post a body."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from app.outbound.bodies import read_within
from app.outbound.errors import CallFailed, UrlRefused
from app.outbound.pinned import PinnedTransport
from app.outbound.targets import TargetRules

MAX_REDIRECTS = 5
CONNECT_S = 5.0
USER_AGENT = "Sightgate"

_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A body, and the media type that its server gave it, if it did."""

    data: bytes
    media_type: str | None


class OutboundHttp:
    """HTTP/1.1 without cookies, credentials, proxies of the environment, or a second look-up of a name.

    Redirects are followed by `fetch` alone, each judged as the first URL was. Certificates are verified by ``tls``; as
    a default by the usual authorities, or by those of SSL_CERT_FILE.
    """

    def __init__(self, rules: TargetRules, tls: ssl.SSLContext | None = None) -> None:
        self._rules = rules
        self._transport = PinnedTransport(rules, tls or httpx.create_ssl_context())

    async def fetch(self, url: str, *, max_bytes: int, timeout_s: float) -> Fetched:
        """Return the body at a URL, within a time in all. Raises UrlRefused, CallFailed, AnswerTooLarge."""
        async with _within(timeout_s):
            next_url = self._rules.parse(url)
            for _ in range(MAX_REDIRECTS + 1):
                headers = {"Accept": "image/*, */*;q=0.5", "Accept-Encoding": "identity"}
                async with self._sent(httpx.Request("GET", next_url, headers=_with_ours(headers))) as response:
                    if response.status_code in _REDIRECTS:
                        next_url = self._redirected(next_url, response.headers.get("location", ""))
                        continue
                    if response.status_code != httpx.codes.OK:
                        status = response.status_code
                        raise CallFailed(f"the URL answers with status {status}", status)
                    data = await read_within(response, max_bytes)
                    return Fetched(data, response.headers.get("content-type"))
        raise UrlRefused(f"the URL redirects more than {MAX_REDIRECTS} times")

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float) -> int:
        """Send a body; return the status of the answer, whose own body is not read. Raises UrlRefused, CallFailed."""
        async with _within(timeout_s):
            request = httpx.Request("POST", self._rules.parse(url), headers=_with_ours(headers), content=body)
            async with self._sent(request) as response:
                status = response.status_code
        return status

    async def check(self, url: str, *, timeout_s: float) -> None:
        """Raise UrlRefused if the URL may not be called now, CallFailed if that cannot be told."""
        async with _within(timeout_s):
            await self._rules.find(self._rules.parse(url))

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    def _redirected(self, url: httpx.URL, location: str) -> httpx.URL:
        try:
            joined = str(url.join(location))
        except (httpx.InvalidURL, UnicodeError):
            raise UrlRefused("the URL redirects to what is no URL") from None
        target = self._rules.parse(joined)
        if url.scheme == "https" and target.scheme != "https":
            raise UrlRefused("the URL redirects from https to http")
        return target

    @asynccontextmanager
    async def _sent(self, request: httpx.Request) -> AsyncIterator[httpx.Response]:
        # The time in all is the limit; of the single steps only connecting has its own, so that there is a next try.
        request.extensions = {"timeout": {"connect": CONNECT_S}}
        try:
            response = await self._transport.handle_async_request(request)
            try:
                yield response
            finally:
                await response.aclose()
        except httpx.TransportError as failed:
            raise CallFailed(_said_of(failed)) from failed


def _with_ours(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {**headers, "User-Agent": USER_AGENT, "Connection": "close"}


def _said_of(failed: httpx.TransportError) -> str:
    """Return a sentence that tells nothing of what answered, or whether anything did."""
    cause: BaseException | None = failed
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "the URL's host has no certificate that proves it"
        cause = cause.__cause__ or cause.__context__
    return "the URL could not be reached, or its answer is broken"


@asynccontextmanager
async def _within(timeout_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise CallFailed(f"the URL did not answer within {timeout_s:g} s") from None
