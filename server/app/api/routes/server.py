"""``GET /v1/server``: what a client should know before it sends an image."""

from fastapi import APIRouter
from starlette.responses import Response

from app.api.responses import Json
from app.api.routes import ERRORS, ExactRoute
from app.api.schemas import ServerAnswer
from app.governance.validation import SUPPORTED_MIME_TYPES


def server_router(version: str, max_body_bytes: int, max_pixels: int) -> APIRouter:
    """Return the route."""
    router = APIRouter(prefix="/v1", tags=["operations"], route_class=ExactRoute)
    answer = {
        "version": version,
        "max_body_bytes": max_body_bytes,
        "max_pixels": max_pixels,
        "media_types": list(SUPPORTED_MIME_TYPES),
    }

    @router.get("/server", response_model=ServerAnswer, responses=ERRORS, summary="Show version and limits")
    async def show() -> Response:
        """What the server takes. A body above the limit is refused before it is read, which browsers cannot tell."""
        return Json(answer)

    return router
