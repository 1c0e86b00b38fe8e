"""``/health/live``, ``/health/ready`` and ``/metrics``: for operators."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.responses import Response

from app.api.responses import Json
from app.api.routes import ERRORS
from app.api.schemas import Live, Ready
from app.observability.metrics import Metrics
from app.observability.readiness import Readiness


def health_router(readiness: Callable[[], Awaitable[Readiness]], metrics: Metrics) -> APIRouter:
    """Return the operators' routes. Health answers HEAD too, which some probes send."""
    router = APIRouter(tags=["operations"])

    @router.get("/health/live", response_model=Live, responses=ERRORS, summary="Is the process alive?")
    @router.head("/health/live", include_in_schema=False)
    async def live() -> Response:
        return Json({"status": "live"})

    @router.get(
        "/health/ready",
        response_model=Ready,
        responses={**ERRORS, 503: {"model": Ready, "description": "Not ready; the reasons are in the body."}},
        summary="Can calls be served?",
    )
    @router.head("/health/ready", include_in_schema=False)
    async def ready() -> Response:
        """Ready: the stores can be reached, durable jobs are taken up, all plugins are looked at."""
        now = await readiness()
        body = {"ready": now.ready, "reasons": list(now.reasons), "plugins": dict(now.plugins)}
        return Json(body, 200 if now.ready else 503)

    @router.get("/metrics", response_class=Response, responses=ERRORS, summary="Figures for Prometheus")
    async def figures() -> Response:
        return Response(await metrics.render_all(), media_type=metrics.content_type)

    return router
