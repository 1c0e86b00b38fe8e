"""``POST /v1/analyze-execution`` and ``POST /v1/analyze``: run an analysis and wait."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.api.body import read_any, read_json
from app.api.call_stream import Tell, answer_or_stream, takes_events
from app.api.direct import Endpoint
from app.api.errors import error_response
from app.api.event_stream import MEDIA_TYPE
from app.api.responses import Json
from app.api.routes import ERRORS, PlainRoute, json_body, schema_of
from app.api.schemas import AnalyzeAnswer, AnalyzeBody, CallEnd, JobProgress, UploadBody
from app.governance.errors import RequestError
from app.services.execution.analysis_execution_service import AnalysisExecutionService, AnalysisRequest

BINARY = {"schema": {"type": "string", "format": "binary"}}
RAW_PARAMETERS = [
    {
        "name": "plugin",
        "in": "query",
        "schema": {"type": "string"},
        "description": "For a raw body: the plugin's name.",
    },
    {"name": "options", "in": "query", "schema": {"type": "string"}, "description": "For a raw body: options as JSON."},
    {
        "name": "image_url",
        "in": "query",
        "schema": {"type": "string"},
        "description": "For an empty body: where the image is to be fetched from.",
    },
    {"name": "timeout_s", "in": "query", "schema": {"type": "number"}, "description": "For a raw body: as for JSON."},
]
ANY_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            **json_body(AnalyzeBody),
            "multipart/form-data": {"schema": UploadBody.model_json_schema()},
            **{f"image/{kind}": BINARY for kind in ("jpeg", "png", "webp", "bmp", "gif", "tiff")},
        },
    },
    "parameters": RAW_PARAMETERS,
}

EVENTS = {"progress": schema_of(JobProgress), "end": schema_of(CallEnd)}
ANSWERS: dict[int | str, dict[str, Any]] = {
    **ERRORS,
    200: {
        "description": "The result. For `Accept: text/event-stream`, of a plugin that reports progress: "
        "events `progress`, and `end` with the status and body of the answer.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "x-events": EVENTS}},
    },
}


@dataclass(frozen=True, slots=True)
class AnalyzeRoutes:
    """The router, for the OpenAPI document, and its endpoints by path, for the short way to them."""

    router: APIRouter
    endpoints: Mapping[str, Endpoint]


def analyze_routes(analyses: AnalysisExecutionService, max_body_bytes: int) -> AnalyzeRoutes:
    """Return the analysis routes."""
    router = APIRouter(prefix="/v1", tags=["analyze"], route_class=PlainRoute)

    async def answer(request: AnalysisRequest, tell: Tell | None = None) -> Response:
        outcome = await analyses.execute(request, tell)
        if outcome.envelope:
            return error_response(outcome.envelope["error"])
        return Json(
            {
                "result": outcome.result,
                "plugin": request.plugin,
                "job_id": outcome.job_id,
                "waiting_ms": outcome.waiting_ms,
                "running_ms": outcome.running_ms,
            }
        )

    async def answer_as_asked(http: Request, request: AnalysisRequest) -> Response:
        if takes_events(http):
            return await answer_or_stream(lambda tell: answer(request, tell))
        return await answer(request)

    @router.post(
        "/analyze-execution",
        response_model=AnalyzeAnswer,
        responses=ANSWERS,
        summary="Analyze an image, as JSON",
        openapi_extra={"requestBody": {"required": True, "content": json_body(AnalyzeBody)}},
    )
    async def analyze_execution(request: Request) -> Response:
        """Run a plugin on an image and wait for its result. A failure of input or plugin is 400."""
        _refuse_key(request)
        return await answer_as_asked(request, await read_json(request, max_body_bytes))

    @router.post(
        "/analyze",
        response_model=AnalyzeAnswer,
        responses=ANSWERS,
        summary="Analyze an image, as JSON, as an upload or as raw bytes",
        openapi_extra=ANY_BODY,
    )
    async def analyze(request: Request) -> Response:
        """The same for JSON, a file upload, and a raw image body with ``?plugin=``: the fast way for large images.

        Each may name the image by ``image_url`` instead, if the operator has turned that on.
        """
        _refuse_key(request)
        return await answer_as_asked(request, await read_any(request, max_body_bytes, analyses.refuse_if_full))

    return AnalyzeRoutes(router, {"/v1/analyze-execution": analyze_execution, "/v1/analyze": analyze})


def _refuse_key(request: Request) -> None:
    """Raise RequestError ``unknown_field`` for an ``Idempotency-Key``: its sender believes that sending again is safe.

    The answer of a call that somebody waits for is kept nowhere, so it would run again.
    """
    if any(name == b"idempotency-key" for name, _ in request.scope["headers"]):
        said = "a call that is waited for is run anew each time, so it takes no Idempotency-Key; POST /v1/jobs does"
        raise RequestError("unknown_field", said, field="Idempotency-Key")
