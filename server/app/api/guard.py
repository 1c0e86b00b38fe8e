"""Who may talk to the server: the API key, or this machine's own programs when there is none."""

import hmac
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import refuse
from app.api.page_files import is_page_path
from app.governance.errors import RequestError
from app.governance.loopback import is_loopback

HEALTH = "/health/"
_LOOKED_AT = frozenset({b"host", b"origin", b"authorization"})

# A code of the table, and a message.
Refusal: TypeAlias = tuple[str, str]


class Guard:
    """ASGI middleware in front of every route but health.

    With a key: wants it as a bearer token, compared in constant time; only the page's own files are open, since a
    browser cannot send it with them and they tell nothing. Without one the server listens on loopback only, and a
    browser is the danger: pages of other sites may neither post to it (Origin) nor reach it under a name of their own
    (Host).
    """

    def __init__(self, app: ASGIApp, key: str | None) -> None:
        self._app = app
        self._key = key.encode() if key is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(HEALTH):
            await self._app(scope, receive, send)
            return
        found = {name: value for name, value in scope["headers"] if name in _LOOKED_AT}
        refusal = _check_here(scope, found) if self._key is None else self._check_key(found)
        if refusal is None or (self._key is not None and _asks_for_page(scope)):
            await self._app(scope, receive, send)
        else:
            await refuse(RequestError(*refusal))(scope, receive, send)

    def _check_key(self, headers: Mapping[bytes, bytes]) -> Refusal | None:
        assert self._key is not None
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._key):
            return None
        return "unauthorized", "send the API key: Authorization: Bearer KEY"


def _asks_for_page(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD") and is_page_path(scope["path"])


def _check_here(scope: Scope, headers: Mapping[bytes, bytes]) -> Refusal | None:
    client = scope.get("client")
    return _check_sender(client[0] if client else None, headers.get(b"host"), headers.get(b"origin"))


@lru_cache(maxsize=256)
def _check_sender(client: str | None, host: bytes | None, origin: bytes | None) -> Refusal | None:
    """Judge what tells another machine's request, or another site's through a browser here. Few values ever come."""
    if client is not None and not is_loopback(client):
        # However the server was started: it was told to listen here alone.
        return "forbidden", "without an API key the server answers only this machine"
    if host and not is_loopback(_name_of(host.decode("latin-1"))):
        return "forbidden", "without an API key the server answers only under its loopback address"
    if origin is not None and origin.partition(b"://")[2] != (host or b""):
        return "forbidden", "without an API key the server does not answer pages of other sites"
    return None


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # brackets that hold no IPv6 address
        return ""
