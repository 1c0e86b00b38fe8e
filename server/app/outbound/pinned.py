"""A transport that connects to the addresses which were judged, and to nothing else."""

import ssl

import httpx

from app.outbound.targets import Target, TargetRules


class PinnedTransport(httpx.AsyncBaseTransport):
    """Sends each request to an address of its host that the rules allow, over a connection of its own.

    The request goes out for the address itself, so nothing below looks the host up a second time; the host stays in
    the Host header, and in TLS as the name that is asked for and verified. No connection is used twice: a second
    request to the same address may be for another host.
    """

    def __init__(self, rules: TargetRules, tls: ssl.SSLContext) -> None:
        self._rules = rules
        no_reuse = httpx.Limits(max_keepalive_connections=0)
        self._transport = httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=no_reuse)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Raises UrlRefused, CallFailed, httpx.TransportError."""
        self._rules.judge(request.url)
        target = await self._rules.find(request.url)
        failure: httpx.TransportError | None = None
        for address in target.addresses:
            try:
                return await self._transport.handle_async_request(_pinned(request, target, str(address)))
            except (httpx.ConnectError, httpx.ConnectTimeout) as failed:
                failure = failed
        assert failure is not None
        raise failure

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()


def _pinned(request: httpx.Request, target: Target, address: str) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,  # its Host is the host's name
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": target.host},
    )
