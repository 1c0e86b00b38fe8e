"""Answers what ends a request and is no refusal: a fault of ours, logged once, by us, and the end of the server."""

import asyncio

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import RETRY_AFTER_S, on_fault, refuse
from app.governance.errors import PluginRefused


class FaultBoundary:
    """ASGI middleware around the framework's routes: the HTTP handler, which may catch everything.

    The framework's own handler raises the fault again after it was answered, and the HTTP server logs it once more.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            if scope["type"] != "http" or started:
                raise
            # Who cancels for a reason of theirs catches it: the drain is over, and this still waited for something.
            outcome = {} if scope["method"] in ("GET", "HEAD") else {"outcome": "unknown"}
            response = refuse(PluginRefused("shutting_down", retry_after_s=RETRY_AFTER_S, **outcome))
            await response(scope, receive, send)
        except Exception as fault:
            if scope["type"] != "http" or started:
                raise  # there is nothing left to answer: the HTTP server logs it and drops the connection
            response = await on_fault(Request(scope), fault)
            await response(scope, receive, send)
