"""From a URL to the addresses that may be called for it: parsed, judged, resolved once."""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import httpx
import structlog

from app.outbound.addresses import PUBLIC_ONLY, Address, AddressRules
from app.outbound.errors import CallFailed, UrlRefused

log = structlog.get_logger("sightgate.outbound")

MAX_URL_LENGTH = 8_192
# Of a host with many addresses, so many are tried.
MAX_ADDRESSES = 4

# A name in ASCII, or an IPv6 address. An IPv4 address looks like a name, in all of its notations.
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_PORTS = {"http": 80, "https": 443}
# The resolver could not be asked. Any other failure is the name's, and is told like an address that is not allowed:
# whoever guesses at internal names must not learn which there are.
_RESOLVER_FAILED = {socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_MEMORY, socket.EAI_SYSTEM}

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]


async def resolve_by_system(host: str, port: int) -> Sequence[Address]:
    """Return the addresses of a host, as the system's resolver gives them. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(place[0]) for *_, place in found]


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be called, and the addresses to call it at: no other look-up may follow."""

    url: httpx.URL
    host: str
    addresses: Sequence[Address]


@dataclass(frozen=True, slots=True)
class TargetRules:
    """What may be called: http and https, on some ports, at addresses that are public or allowed."""

    addresses: AddressRules = PUBLIC_ONLY
    ports: frozenset[int] = frozenset(_PORTS.values())
    resolve: Resolve = resolve_by_system

    def parse(self, text: str) -> httpx.URL:
        """Return a URL without its fragment. Raises UrlRefused if its form says already that it may not be called."""
        if len(text) > MAX_URL_LENGTH:
            raise UrlRefused(f"the URL is longer than {MAX_URL_LENGTH} characters")
        try:
            url = httpx.URL(text)
        except (httpx.InvalidURL, UnicodeError):
            raise UrlRefused("the URL is none, or names no valid host") from None
        self.judge(url)
        return url.copy_with(fragment=None)

    def judge(self, url: httpx.URL) -> None:
        """Raise UrlRefused if the URL may not be called, whatever its host's addresses are."""
        if url.scheme not in _PORTS:
            raise UrlRefused("only http and https URLs are called")
        if url.userinfo:
            raise UrlRefused("a URL with a user name or a password is not called")
        if not url.host:
            raise UrlRefused("the URL names no host")
        if not _HOST.fullmatch(url.raw_host.decode("ascii")):
            raise UrlRefused("the URL is none, or names no valid host")
        if _port_of(url) not in self.ports:
            raise UrlRefused(f"the URL's port is not allowed; allowed are {', '.join(map(str, sorted(self.ports)))}")

    async def find(self, url: httpx.URL) -> Target:
        """Look the URL's host up, once. Raises UrlRefused if no address of it may be called, CallFailed."""
        host = url.raw_host.decode("ascii").rstrip(".")
        try:
            found = await self.resolve(host, _port_of(url))
        except (OSError, UnicodeError) as failed:
            log.info("host not resolved", host=host, reason=str(failed))
            if isinstance(failed, socket.gaierror) and failed.errno in _RESOLVER_FAILED:
                raise CallFailed("the URL's host could not be looked up; try again later") from None
            raise _no_address() from None
        allowed = [address for address in dict.fromkeys(found) if self.addresses.allow(address)]
        if not allowed:
            log.info("address refused", host=host, addresses=[str(address) for address in found[:MAX_ADDRESSES]])
            raise _no_address()
        return Target(url, host, allowed[:MAX_ADDRESSES])


def _port_of(url: httpx.URL) -> int:
    return _PORTS[url.scheme] if url.port is None else url.port


def _no_address() -> UrlRefused:
    return UrlRefused("the URL's host has no address that may be called; private networks are not")
