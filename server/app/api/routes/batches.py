"""``/v1/batches``: how far the jobs that were accepted together have come."""

from fastapi import APIRouter
from starlette.responses import Response

from app.api.responses import Json
from app.api.routes import ERRORS, ExactRoute
from app.api.schemas import BatchAnswer
from app.services.execution.job_execution_service import JobExecutionService
from app.services.job_management_service import JobManagementService, batch_view


def batches_router(execution: JobExecutionService, jobs: JobManagementService) -> APIRouter:
    """Return the batch routes."""
    router = APIRouter(prefix="/v1/batches", tags=["jobs"], route_class=ExactRoute)

    @router.get("/{batch_id}", response_model=BatchAnswer, responses=ERRORS, summary="Show how far a batch has come")
    async def show_batch(batch_id: str) -> Response:
        return Json(batch_view(await jobs.batch(batch_id)))

    @router.delete("/{batch_id}", response_model=BatchAnswer, responses=ERRORS, summary="Cancel the rest of a batch")
    async def cancel_batch(batch_id: str) -> Response:
        return Json(batch_view(await execution.cancel_batch(batch_id)))

    return router
