"""The ASGI application. ``create_app(settings)`` for programs; ``app`` for ``uvicorn app.main:app``. No logic."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app import wiring
from app.api import errors
from app.api.application import GuardedApplication
from app.api.faults import FaultBoundary
from app.api.routes.analyze import analyze_routes
from app.api.routes.batches import batches_router
from app.api.routes.health import health_router
from app.api.routes.history import history_router
from app.api.routes.job_events import job_events_router
from app.api.routes.jobs import jobs_router
from app.api.routes.page import page_routes
from app.api.routes.plugins import plugins_router
from app.api.routes.server import server_router
from app.governance.errors import GovernedError
from app.plugins.loader.plugin_registry import PluginRegistry
from app.settings import Settings, check_safe
from app.storage.errors import StorageError

VERSION = "0.1.0"


def create_app(settings: Settings | None = None, registry: PluginRegistry | None = None) -> FastAPI:
    """Return the application; nothing is opened before its lifespan starts.

    Raises UnsafeSettings if it would listen beyond loopback without an API key.
    """
    settings = settings or Settings()
    check_safe(settings)
    gate = wiring.build(settings, registry)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await gate.start(_url_of(settings))
        try:
            yield
        finally:
            await gate.stop()

    analyses = analyze_routes(gate.analysis_execution, settings.max_body_bytes)
    app = GuardedApplication(
        key=settings.key,
        direct=analyses.endpoints,
        title="Sightgate",
        version=VERSION,
        summary="Runs image-analysis plugins behind one governed gate.",
        lifespan=lifespan,
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # its exporters follow environment variables
        redirect_slashes=False,  # an address that is not there is 404, in the one shape
        exception_handlers={
            GovernedError: errors.on_governed_error,
            HTTPException: errors.on_http_exception,
            StorageError: errors.on_storage_error,
            RequestValidationError: errors.on_invalid_parameters,
        },
    )
    app.add_middleware(FaultBoundary)
    app.state.sightgate = gate
    app.include_router(analyses.router)
    app.include_router(job_events_router(gate.job_streams, gate.jobs))
    app.include_router(jobs_router(gate.analysis_execution, gate.job_execution, gate.jobs, settings.max_body_bytes))
    app.include_router(batches_router(gate.job_execution, gate.jobs))
    app.include_router(plugins_router(gate.plugins, gate.plugin_execution, gate.job_execution))
    app.include_router(history_router(gate.history, gate.registry))
    app.include_router(health_router(gate.readiness, gate.metrics))
    app.include_router(server_router(VERSION, settings.max_body_bytes, settings.max_pixels))
    app.router.routes.extend(page_routes())  # last: no call of the API is compared with them
    return app


def _url_of(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def __getattr__(name: str) -> FastAPI:
    """Build ``app`` when it is asked for: importing this module for ``create_app`` builds nothing."""
    if name == "app":
        return create_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
