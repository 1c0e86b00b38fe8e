"""``/v1/plugins``: the registry, and its management."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from app.api.responses import Json
from app.api.routes import ERRORS, ExactRoute
from app.api.schemas import PluginAnswer, PluginList
from app.services.execution.job_execution_service import JobExecutionService
from app.services.execution.plugin_execution_service import PluginExecutionService
from app.services.plugin_management_service import PluginManagementService


def plugins_router(
    plugins: PluginManagementService, admission: PluginExecutionService, jobs: JobExecutionService
) -> APIRouter:
    """Return the plugin routes."""
    router = APIRouter(prefix="/v1/plugins", tags=["plugins"], route_class=ExactRoute)

    def changed(name: str) -> None:
        admission.forget(name)
        jobs.look_again()

    def with_health(row: dict[str, Any]) -> dict[str, Any]:
        held, pool = admission.health(row["name"]), plugins.pool(row["name"])
        health = {
            "breaker": held.breaker.value,
            "reason": held.reason,
            "retry_after_s": held.retry_after_s,
            "rests": held.rests,
            "workers": asdict(pool.health()) if pool is not None else None,
            "quarantined_inputs": list(held.quarantined),
        }
        return {**row, "health": health}

    @router.get("", response_model=PluginList, responses=ERRORS, summary="List all plugins")
    async def list_plugins() -> Response:
        return Json({"plugins": [with_health(row) for row in plugins.show_all()]})

    @router.get("/{name}", response_model=PluginAnswer, responses=ERRORS, summary="Show a plugin")
    async def show_plugin(name: str) -> Response:
        return Json(with_health(plugins.show(name)))

    @router.post("/{name}/reload", response_model=PluginAnswer, responses=ERRORS, summary="Load a plugin's code anew")
    async def reload_plugin(name: str) -> Response:
        """Fresh workers take over once one of them is ready; calls that run end on the old ones.

        A plugin that was installed into an environment of its own since the start is found; one whose environment was
        removed is forgotten (404).
        """
        row = await plugins.reload(name)
        changed(name)
        return Json(with_health(row))

    @router.post("/{name}/enable", response_model=PluginAnswer, responses=ERRORS, summary="Enable a plugin")
    async def enable_plugin(name: str) -> Response:
        row = await plugins.set_enabled(name, enabled=True)
        changed(name)
        return Json(with_health(row))

    @router.post("/{name}/disable", response_model=PluginAnswer, responses=ERRORS, summary="Disable a plugin")
    async def disable_plugin(name: str) -> Response:
        return Json(with_health(await plugins.set_enabled(name, enabled=False)))

    return router
