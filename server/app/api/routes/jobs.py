"""``/v1/jobs``: accept, show and list durable jobs."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from app.api.body import read_any
from app.api.responses import Json
from app.api.routes import ERRORS, PlainRoute
from app.api.routes.analyze import ANY_BODY
from app.api.schemas import Accepted, JobAnswer, JobList
from app.services.execution.analysis_execution_service import AnalysisExecutionService
from app.services.job_management_service import JobManagementService


def jobs_router(analyses: AnalysisExecutionService, jobs: JobManagementService, max_body_bytes: int) -> APIRouter:
    """Return the job routes."""
    router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

    async def submit(request: Request) -> Response:
        """Accept a job. It and its input are on disk when the answer comes, and run even if the server is restarted."""
        job_id = await analyses.submit(await read_any(request, max_body_bytes))
        return Json({"id": job_id, "status": "PENDING"}, 202, {"Location": f"/v1/jobs/{job_id}"})

    router.add_api_route(
        "",
        submit,
        methods=["POST"],
        status_code=202,
        response_model=Accepted,
        responses=ERRORS,
        summary="Accept a job",
        openapi_extra=ANY_BODY,
        route_class_override=PlainRoute,
    )

    @router.get("", response_model=JobList, responses=ERRORS, summary="List jobs, newest first, without results")
    async def list_jobs(
        status: Annotated[str | None, Query(description="Only jobs of this status.")] = None,
        plugin: Annotated[str | None, Query(description="Only jobs of this plugin.")] = None,
        cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
        limit: Annotated[int, Query(description="Jobs on a page, 1 to 500.")] = 50,
    ) -> Response:
        listing = await jobs.list_jobs(status=status, plugin=plugin, cursor=cursor, limit=limit)
        return Json({"jobs": listing.jobs, "next_cursor": listing.next_cursor})

    @router.get("/{job_id}", response_model=JobAnswer, responses=ERRORS, summary="Show a job with its result")
    async def show_job(job_id: str) -> Response:
        return Json(await jobs.show(job_id))

    return router
