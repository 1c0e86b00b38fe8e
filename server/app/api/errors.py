"""Envelope to HTTP response. The only place that knows which error has which status."""

import math
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.api.responses import Json
from app.governance.error_envelope import build_error_envelope, internal_fault
from app.governance.errors import ERROR_CODES, GovernedError, InternalFault, RequestError
from app.governance.unfit_value import describe
from app.storage.errors import OutcomeUnknown, StorageError

log = structlog.get_logger("sightgate.http")

STATUS: Mapping[str, int] = {
    "body_too_large": 413,
    "unsupported_content_type": 415,
    "plugin_not_found": 404,
    "plugin_unavailable": 503,
    "plugin_disabled": 503,
    "permission_not_granted": 503,
    "shutting_down": 503,
    "overloaded": 429,
    "rate_limited": 429,
    "not_found": 404,
    "method_not_allowed": 405,
    "job_not_found": 404,
    "job_not_cancellable": 409,
    "idempotency_conflict": 422,
    "unauthorized": 401,
    "forbidden": 403,
    "storage_unavailable": 503,
    "internal_error": 500,
}
DEFAULT_STATUS = 400
RETRY_AFTER_S = 1.0

_HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}


def status_of(code: str) -> int:
    """Return the HTTP status of an error code. Raises KeyError for a code that is not in the table."""
    return STATUS.get(code, DEFAULT_STATUS) if code in ERROR_CODES else STATUS["internal_error"]


def error_response(error: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Json:
    """Return the response for the envelope's ``error`` part."""
    details = error["details"]
    status = status_of(details["code"])
    extra = dict(headers or {})
    if status in (429, 503):
        extra["Retry-After"] = str(math.ceil(details.get("retry_after_s") or RETRY_AFTER_S))
    if status == 401:
        extra["WWW-Authenticate"] = "Bearer"
    if status == 413:
        extra["Connection"] = "close"  # the rest of the body is not read
    return Json({"detail": error}, status, extra)


def refuse(failure: GovernedError, plugin: str | None = None) -> Json:
    """Return the response for a failure that is not an execution's."""
    return error_response(build_error_envelope(failure, plugin)["error"])


async def on_governed_error(request: Request, failure: Exception) -> Json:
    """Answer a refusal of a service; where the address names a plugin, it is about that one."""
    assert isinstance(failure, GovernedError)
    return refuse(failure, request.path_params.get("name"))


async def on_storage_error(request: Request, failure: Exception) -> Json:
    """Answer what the job store cannot do now: a full disk, a database that is away."""
    assert isinstance(failure, StorageError)
    log.error("storage", route=request.scope.get("path", "")[:200], method=request.method, reason=str(failure))
    # Whoever is told nothing else may take it that nothing was changed.
    details = {"outcome": "unknown"} if isinstance(failure, OutcomeUnknown) else {}
    return refuse(InternalFault("storage_unavailable", f"the job store cannot do this now: {failure}", **details))


async def on_http_exception(_: Request, failure: Exception) -> Json:
    """Answer what the framework refuses: unknown routes and methods."""
    assert isinstance(failure, HTTPException)
    code = _HTTP_CODES.get(failure.status_code, "malformed_request" if failure.status_code < 500 else "internal_error")
    response = refuse(RequestError(code))
    for name, value in (failure.headers or {}).items():
        response.headers[name] = value
    return response


async def on_invalid_parameters(_: Request, failure: Exception) -> Json:
    """Answer query and path parameters that do not fit: 400, never 422."""
    assert isinstance(failure, RequestValidationError)
    first = failure.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:])
    return refuse(RequestError("malformed_request", f"{field}: {describe(first)}"[:500], field=field))


async def on_fault(request: Request, fault: Exception) -> Json:
    """Answer a fault of ours: logged with its traceback; the caller learns nothing else."""
    log.error("fault", route=request.scope.get("path", "")[:200], method=request.method, exc_info=fault)
    response = refuse(internal_fault(fault))
    response.headers["Connection"] = "close"  # the framework raises the fault again, and the connection is dropped
    return response
