"""Who may talk to the server: the API key, or this machine's own programs when there is none."""

import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import refuse
from app.governance.errors import RequestError
from app.governance.loopback import is_loopback

HEALTH = "/health/"


class Guard:
    """ASGI middleware in front of every route but health.

    With a key: wants it as a bearer token, compared in constant time. Without one the server listens on loopback
    only, and a browser is the danger: pages of other sites may neither post to it (Origin) nor reach it under a name
    of their own (Host).
    """

    def __init__(self, app: ASGIApp, key: str | None) -> None:
        self._app = app
        self._key = key.encode() if key is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(HEALTH):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refuse(refusal)(scope, receive, send)

    def _refusal(self, headers: Mapping[str, str]) -> RequestError | None:
        if self._key is not None:
            scheme, _, token = headers.get("authorization", "").partition(" ")
            given = token.strip().encode()
            if scheme.lower() == "bearer" and hmac.compare_digest(given, self._key):
                return None
            return RequestError("unauthorized", "send the API key: Authorization: Bearer KEY")
        host = headers.get("host", "")
        if host and not is_loopback(_name_of(host)):
            return RequestError("forbidden", "without an API key the server answers only under its loopback address")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return RequestError("forbidden", "without an API key the server does not answer pages of other sites")
        return None


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # brackets that hold no IPv6 address
        return ""
