"""Server-sent events of jobs and batches."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.api.event_stream import MEDIA_TYPE, Streams, last_position
from app.api.routes import ERRORS, ExactRoute, schema_of
from app.api.schemas import JobStatusEvent
from app.services.job_management_service import JobManagementService
from app.services.job_streams import JobStreams

RESUME = {
    "name": "Last-Event-ID",
    "in": "header",
    "schema": {"type": "string"},
    "description": "The id of the last event that was received: the stream goes on after it.",
}


def job_events_router(streams: JobStreams, jobs: JobManagementService) -> APIRouter:
    """Return the event routes. They must come before those that take a job's id in the same place."""
    router = APIRouter(prefix="/v1", tags=["events"], route_class=ExactRoute)
    open_streams = Streams()

    @router.get(
        "/jobs/events",
        response_class=Response,
        responses=_events(job=_model("JobSummary"), resync={"type": "object"}),
        openapi_extra={"parameters": [RESUME]},
        summary="Follow all jobs, as server-sent events",
    )
    async def all_events(request: Request) -> Response:
        """`job`: a job has come or changed. `resync`: changes were missed, or jobs removed; list anew."""
        return open_streams.answer(streams.all_jobs(last_position(request)))

    @router.get(
        "/jobs/{job_id}/events",
        response_class=Response,
        responses=_events(status=schema_of(JobStatusEvent), progress=_model("JobProgress"), end=_model("JobAnswer")),
        openapi_extra={"parameters": [RESUME]},
        summary="Follow a job, as server-sent events",
    )
    async def job_events(request: Request, job_id: str) -> Response:
        """`status` for every status it has had, `progress` while it runs, and `end` with the job; then it closes."""
        await jobs.find(job_id)
        return open_streams.answer(streams.job(job_id, last_position(request)))

    @router.get(
        "/batches/{batch_id}/events",
        response_class=Response,
        responses=_events(progress=_model("BatchAnswer"), end=_model("BatchAnswer")),
        summary="Follow a batch, as server-sent events",
    )
    async def batch_events(batch_id: str) -> Response:
        """`progress` whenever it has come further, and `end` when all its jobs have ended; then it closes."""
        await jobs.batch(batch_id)
        return open_streams.answer(streams.batch(batch_id))

    return router


def _events(**data: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI part for a stream: the schema of each event's data, by the event's name."""
    told = ", ".join(f"`{name}`" for name in data)
    content = {MEDIA_TYPE: {"schema": {"type": "string"}, "x-events": data}}
    return {**ERRORS, 200: {"description": f"Events: {told}; each with JSON as its data.", "content": content}}


def _model(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
