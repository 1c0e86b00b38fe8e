"""FastAPI with our own doors before it."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from app.api.direct import DirectRoutes, Endpoint
from app.api.guard import Guard


class GuardedApplication(FastAPI):
    """A FastAPI application whose requests pass the guard first, and whose hot routes are called from there.

    Both stand outside the framework's own middleware, which a call on a hot route need not pass.
    """

    def __init__(self, *, key: str | None, direct: Mapping[str, Endpoint], **options: Any) -> None:
        self._key = key
        self._direct = direct
        super().__init__(**options)

    def build_middleware_stack(self) -> ASGIApp:
        """Return the framework's stack behind our own doors."""
        return Guard(DirectRoutes(super().build_middleware_stack(), self._direct), self._key)
