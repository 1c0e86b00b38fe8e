"""The short way for the routes that carry every call: the framework's layers cost more than the gate."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import on_fault, on_storage_error, refuse
from app.api.hang_up import CallerWatch
from app.governance.errors import GovernedError
from app.storage.errors import StorageError

Endpoint = Callable[[Request], Awaitable[Response]]


class DirectRoutes:
    """ASGI middleware: calls an endpoint at once if the path is one of its own, and hands everything else on.

    The endpoints are the router's own, which documents them; other methods on their paths are answered there.
    """

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Endpoint]) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope.get("path", ""))
        if endpoint is None or scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        watch = CallerWatch(receive)
        request = Request(scope, watch.receive)
        response = await watch.run(lambda: _answer(endpoint, request))
        if response is not None:
            await response(scope, receive, send)


async def _answer(endpoint: Endpoint, request: Request) -> Response | None:
    """Return the endpoint's response, or the one for its failure; None if the caller left while it was read."""
    try:
        return await endpoint(request)
    except GovernedError as refusal:
        return refuse(refusal)
    except ClientDisconnect:
        return None
    except StorageError as failure:
        return await on_storage_error(request, failure)
    except Exception as fault:  # one of the four boundaries: the HTTP handler
        return await on_fault(request, fault)
