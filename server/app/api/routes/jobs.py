"""``/v1/jobs``: accept, show, list, cancel, repeat and remove jobs."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from app.api.job_body import idempotency_key, read_batch, read_job
from app.api.responses import Json, JsonLines
from app.api.routes import ERRORS, ExactRoute, PlainRoute, json_body, schema_of
from app.api.routes.analyze import BINARY, RAW_PARAMETERS
from app.api.schemas import (
    Accepted,
    AcceptedBatch,
    BatchBody,
    BatchUploadBody,
    JobAnswer,
    JobBody,
    JobCounts,
    JobList,
    JobTermsBody,
    JobUploadBody,
    Purged,
    Requeued,
)
from app.governance.errors import RequestError
from app.governance.validation import SUPPORTED_MIME_TYPES
from app.services.execution.analysis_execution_service import AnalysisExecutionService
from app.services.execution.job_execution_service import JobExecutionService
from app.services.job_filters import JobQuery
from app.services.job_management_service import JobManagementService


class _JobId(StringConvertor):
    """Any text but the last part of a fixed path: another method on that is 405, not a job that is not there."""

    regex = "(?!(?:batch|counts|events|export|purge)$)[^/]+"


register_url_convertor("job", _JobId())

REPLAYED = "Idempotency-Replayed"
USED_BEFORE = "The key was used with this request before."
IMAGES = dict.fromkeys(SUPPORTED_MIME_TYPES, BINARY)
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 255},
    "description": "The same key with the same request gives the same job again; with another one it is refused.",
}
TERMS_OF_RAW = [
    {
        "name": name,
        "in": "query",
        "schema": {"type": "string"} if name == "retry" else schema,
        "description": "For a raw body: as for JSON" + (", as JSON text." if name == "retry" else "."),
    }
    for name, schema in schema_of(JobTermsBody)["properties"].items()
]
JOB_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            **json_body(JobBody),
            "multipart/form-data": {"schema": schema_of(JobUploadBody)},
            **IMAGES,
        },
    },
    "parameters": [*RAW_PARAMETERS, *TERMS_OF_RAW, KEY],
}
BATCH_BODY = {
    "requestBody": {
        "required": True,
        "content": {**json_body(BatchBody), "multipart/form-data": {"schema": schema_of(BatchUploadBody)}},
    },
    "parameters": [KEY],
}


def _query(
    status: Annotated[str | None, Query(description="Only jobs of this status.")] = None,
    plugin: Annotated[str | None, Query(description="Only jobs of this plugin.")] = None,
    error_code: Annotated[str | None, Query(description="Only jobs that ended with this error.")] = None,
    since: Annotated[str | None, Query(description="Only jobs created at this time (ISO 8601) or later.")] = None,
    until: Annotated[str | None, Query(description="Only jobs created before this time (ISO 8601).")] = None,
    batch: Annotated[str | None, Query(description="Only jobs of this batch.")] = None,
    q: Annotated[str | None, Query(description="The beginning of an id, or a part of a plugin's name.")] = None,
    durable: Annotated[bool | None, Query(description="Only accepted jobs; or only calls somebody waited for.")] = None,
) -> JobQuery:
    return JobQuery(status, plugin, error_code, since, until, batch, q, durable)


Filters = Annotated[JobQuery, Depends(_query)]


def jobs_router(
    analyses: AnalysisExecutionService,
    execution: JobExecutionService,
    jobs: JobManagementService,
    max_body_bytes: int,
) -> APIRouter:
    """Return the job routes."""
    router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=ExactRoute)

    async def submit(request: Request) -> Response:
        """Accept a job. It and its input are on disk when the answer comes, and run even if the server is restarted."""
        accepted = await analyses.submit(*await read_job(request, max_body_bytes))
        body = {"id": accepted.job_id, "status": accepted.status.value}
        return _accepted(body, f"/v1/jobs/{accepted.job_id}", accepted.replayed)

    async def submit_batch(request: Request) -> Response:
        """Accept a job for each image and plugin, all or none. They are on disk when the answer comes."""
        batch = await analyses.submit_batch(*await read_batch(request, max_body_bytes))
        body = {"id": batch.batch_id, "total": len(batch.job_ids), "jobs": list(batch.job_ids)}
        return _accepted(body, f"/v1/batches/{batch.batch_id}", batch.replayed)

    router.add_api_route(
        "",
        submit,
        methods=["POST"],
        status_code=202,
        response_model=Accepted,
        responses={**ERRORS, 200: {"model": Accepted, "description": USED_BEFORE}},
        summary="Accept a job",
        openapi_extra=JOB_BODY,
        route_class_override=PlainRoute,
    )
    router.add_api_route(
        "/batch",
        submit_batch,
        methods=["POST"],
        status_code=202,
        response_model=AcceptedBatch,
        responses={
            **ERRORS,
            200: {"model": AcceptedBatch, "description": USED_BEFORE},
        },
        summary="Accept a job for each of many images and plugins",
        openapi_extra=BATCH_BODY,
        route_class_override=PlainRoute,
    )

    @router.get("", response_model=JobList, responses=ERRORS, summary="List jobs, newest first, without results")
    async def list_jobs(
        query: Filters,
        cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
        limit: Annotated[int, Query(description="Jobs on a page, 1 to 500.")] = 50,
    ) -> Response:
        listing = await jobs.list_jobs(query, cursor=cursor, limit=limit)
        return Json({"jobs": listing.jobs, "next_cursor": listing.next_cursor})

    @router.get("/counts", response_model=JobCounts, responses=ERRORS, summary="Count jobs by status")
    async def count_jobs(query: Filters) -> Response:
        counts = {status.value: count for status, count in (await jobs.counts(query)).items()}
        return Json({"counts": counts, "total": sum(counts.values())})

    @router.get(
        "/export",
        response_class=Response,
        responses={**ERRORS, 200: {"description": "One job a line.", "content": {JsonLines.media_type: {}}}},
        summary="Export jobs with results, oldest first, as JSON Lines",
    )
    async def export_jobs(query: Filters) -> Response:
        query.to_filter()  # what makes no sense is refused before the answer begins
        return JsonLines(jobs.export(query))

    @router.post("/purge", response_model=Purged, responses=ERRORS, summary="Remove jobs that have ended")
    async def purge_jobs(
        query: Filters,
        every: Annotated[bool, Query(alias="all", description="Whether no filter is meant: every ended job.")] = False,
    ) -> Response:
        """Remove the jobs that a listing with these filters would show and that have ended, for good."""
        if query == JobQuery() and not every:
            said = "name a filter, or say all=true to remove every job that has ended"
            raise RequestError("malformed_request", said, field="all")
        return Json({"removed": await jobs.purge(query)})

    @router.get("/{job_id:job}", response_model=JobAnswer, responses=ERRORS, summary="Show a job with its result")
    async def show_job(job_id: str) -> Response:
        return Json(await jobs.show(job_id))

    @router.delete("/{job_id:job}", response_model=JobAnswer, responses=ERRORS, summary="Cancel a job")
    async def cancel_job(job_id: str) -> Response:
        """One that waits has ended when this answers. Of one that runs the worker is ended, and then the job."""
        return Json(await execution.cancel(job_id))

    @router.post(
        "/{job_id}/requeue",
        status_code=202,
        response_model=Requeued,
        responses={**ERRORS, 200: {"model": Requeued, "description": USED_BEFORE}},
        summary="Accept a new job with the input and options of this one",
        openapi_extra={"parameters": [KEY]},
    )
    async def requeue_job(request: Request, job_id: str) -> Response:
        accepted = await analyses.requeue(job_id, idempotency_key(request))
        body = {"id": accepted.job_id, "status": accepted.status.value, "copy_of": job_id}
        return _accepted(body, f"/v1/jobs/{accepted.job_id}", accepted.replayed)

    @router.get(
        "/{job_id}/input",
        response_class=Response,
        responses={
            **ERRORS,
            200: {"description": "The image.", "content": IMAGES},
        },
        summary="Return the image that a job was given",
    )
    async def job_input(job_id: str) -> Response:
        kept = await jobs.kept_input(job_id)
        # What was sent is shown as an image or not at all: no browser may take it for a page.
        plain = kept.media_type if kept.media_type in SUPPORTED_MIME_TYPES else "application/octet-stream"
        headers = {
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": f'attachment; filename="{job_id}.{plain.partition("/")[2].split("-")[0]}"',
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "private, max-age=3600",
        }
        return Response(kept.data, media_type=plain, headers=headers)

    return router


def _accepted(body: Mapping[str, object], place: str, replayed: bool) -> Response:
    headers = {"Location": place} | ({REPLAYED: "true"} if replayed else {})
    return Json(body, 200 if replayed else 202, headers)
