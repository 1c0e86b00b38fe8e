"""``/v1/history`` and ``/v1/plugins/{name}/history``: the figures of the last hour, for charts."""

from fastapi import APIRouter
from starlette.responses import Response

from app.api.history_answers import PluginHistory, ServerHistory, plugin_columns, server_columns
from app.api.responses import Json
from app.api.routes import ERRORS, ExactRoute
from app.observability.history import History
from app.plugins.loader.plugin_registry import PluginRegistry


def history_router(history: History, registry: PluginRegistry) -> APIRouter:
    """Return the routes of the last hour's figures."""
    router = APIRouter(prefix="/v1", tags=["operations"], route_class=ExactRoute)

    @router.get("/history", response_model=ServerHistory, responses=ERRORS, summary="Figures of the last hour")
    async def server_history() -> Response:
        """Sampled every `SIGHTGATE_HISTORY_EVERY_S` seconds; the newest 360 samples are held, in memory only."""
        head = {"every_s": history.every_s, "instance": registry.instance, "since": registry.since.isoformat()}
        return Json({**head, **server_columns(history.server())})

    @router.get(
        "/plugins/{name}/history",
        response_model=PluginHistory,
        responses=ERRORS,
        summary="Figures of a plugin's last hour",
    )
    async def plugin_history(name: str) -> Response:
        registry.get_record(name)
        return Json({"plugin": name, "every_s": history.every_s, **plugin_columns(history.plugin(name))})

    return router
