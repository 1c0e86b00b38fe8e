"""Read a request's body within the limit, and turn it into an AnalysisRequest."""

import contextlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
from starlette.datastructures import QueryParams, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from app.governance.errors import RequestError, shorten
from app.services.execution.analysis_execution_service import (
    AnalysisRequest,
    EncodedImage,
    RemoteImage,
    UploadedImage,
)

JSON = "application/json"
MULTIPART = "multipart/form-data"
FIELDS = frozenset({"plugin", "image", "image_url", "mime_type", "options", "timeout_s"})
MAX_TIMEOUT_S = 86_400
MAX_FIELD_BYTES = 1024 * 1024

_decode = msgspec.json.Decoder().decode


def content_type(request: Request) -> str:
    """Return the body's media type in lower case, without parameters."""
    return _header(request, b"content-type").partition(";")[0].strip().lower()


def _header(request: Request, name: bytes) -> str:
    # The framework's mapping of headers costs more than the look itself.
    for key, value in request.scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body. Raises RequestError ``body_too_large`` without reading a longer one to its end."""
    check_declared_length(request, limit)
    receive = request.receive
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body", False):
        return _within(body, limit)
    parts, size = [body], len(body)
    while message["type"] == "http.request" and message.get("more_body", False):
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return b"".join(parts)


def check_declared_length(request: Request, limit: int) -> None:
    """Raise RequestError if the Content-Length is above the limit or no number."""
    declared = _header(request, b"content-length")
    if not declared:
        return
    if not declared.isdigit():
        raise RequestError("malformed_request", "Content-Length is no number")
    if len(declared) > 15 or int(declared) > limit:
        raise too_large(limit)


def too_large(limit: int) -> RequestError:
    """Return the refusal of a body above the limit."""
    said = f"the body is larger than {limit} bytes, the limit set by SIGHTGATE_MAX_BODY_BYTES"
    return RequestError("body_too_large", said, limit_bytes=limit)


def _within(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise too_large(limit)
    return body


async def read_json(request: Request, limit: int) -> AnalysisRequest:
    """Read ``{plugin, image (base64) or image_url, mime_type, options}``. Raises RequestError."""
    kind = content_type(request)
    if kind != JSON and not kind.endswith("+json"):
        raise _unsupported(kind, f"send {JSON}")
    return parse_json(await read_body(request, limit))


def parse_json(body: bytes) -> AnalysisRequest:
    """Turn a JSON body into a request. Raises RequestError naming the field that is wrong."""
    try:
        data = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as broken:
        said = "the body is empty; send a JSON object" if not body else f"the body is not JSON: {broken}"
        raise RequestError("malformed_request", said[:500]) from None
    if not isinstance(data, dict):
        raise RequestError("malformed_request", "the body must be a JSON object")
    if not data.keys() <= FIELDS:
        unknown = next(iter(data.keys() - FIELDS))
        said = f"there is no field {shorten(unknown)!r}; there are {', '.join(sorted(FIELDS))}"
        raise RequestError("unknown_field", said, field=shorten(unknown))
    image = image_from(data)
    timeout_s = _timeout(data.get("timeout_s"))
    return AnalysisRequest(_text(data, "plugin"), image, _options(data.get("options")), timeout_s=timeout_s)


def image_from(data: dict[str, Any]) -> EncodedImage | RemoteImage:
    """Return the image of a JSON object with ``image`` or ``image_url``, and ``mime_type``. Raises RequestError."""
    mime_type = _text(data, "mime_type") or None
    if data.get("image_url") is not None:
        if data.get("image") is not None:
            raise _two_images()
        return RemoteImage(_text(data, "image_url"), mime_type)
    if "image" not in data:
        raise RequestError("malformed_request", "image is missing; send it as base64, or an image_url", field="image")
    return EncodedImage(_text(data, "image"), mime_type)


def _two_images() -> RequestError:
    return RequestError("malformed_request", "there is an image and an image_url; send one of them", field="image_url")


async def read_any(request: Request, limit: int, before_body: Callable[[str], None] | None = None) -> AnalysisRequest:
    """Read a request as JSON, as a multipart upload, or as a raw image with ``?plugin=&options=``.

    An upload and a raw body may name the image by ``image_url`` instead.

    ``before_body`` is called with the plugin's name where that is known before the body, and may refuse by raising.
    """
    kind = content_type(request)
    if kind == JSON or kind.endswith("+json"):
        return parse_json(await read_body(request, limit))
    if kind == MULTIPART:
        return await _read_multipart(request, limit)
    if kind.startswith("image/") or kind in ("", "application/octet-stream"):
        return await _read_raw(request, limit, before_body)
    raise _unsupported(kind, f"send {JSON}, {MULTIPART}, or an image with its own type, such as image/jpeg")


async def _read_raw(request: Request, limit: int, before_body: Callable[[str], None] | None) -> AnalysisRequest:
    plugin, options_text, timeout_s, image_url = _raw_parameters(request.scope["query_string"])
    if before_body is not None:
        before_body(plugin)
    options = _options_text(options_text)
    body = await read_body(request, limit)
    if image_url is None:
        uploaded = UploadedImage(body, _header(request, b"content-type"))
        return AnalysisRequest(plugin, uploaded, options, timeout_s=timeout_s)
    if body:
        raise _two_images()
    return AnalysisRequest(plugin, RemoteImage(image_url, None), options, timeout_s=timeout_s)


@lru_cache(maxsize=256)
def _raw_parameters(query_string: bytes) -> tuple[str, str, float | None, str | None]:
    """Return plugin, options as text, time limit, and image URL. Callers send the same few again and again."""
    query = QueryParams(query_string)
    unknown = set(query.keys()) - {"plugin", "options", "timeout_s", "image_url"}
    if unknown:
        raise RequestError("unknown_field", f"there is no parameter {shorten(sorted(unknown)[0])!r}")
    timeout_s = _timeout(query.get("timeout_s"))
    return query.get("plugin", ""), query.get("options", ""), timeout_s, query.get("image_url")


async def _read_multipart(request: Request, limit: int) -> AnalysisRequest:
    check_declared_length(request, limit)
    bounded = Request(request.scope, _bounded(request, limit))
    try:
        form = await bounded.form(max_files=1, max_fields=8, max_part_size=MAX_FIELD_BYTES)
    except (MultiPartException, HTTPException) as broken:
        said = getattr(broken, "message", None) or getattr(broken, "detail", "")
        raise RequestError("malformed_request", f"the multipart body is broken: {said}"[:500]) from None
    try:
        unknown = set(form.keys()) - FIELDS
        if unknown:
            raise RequestError("unknown_field", f"there is no field {shorten(sorted(unknown)[0])!r}")
        image = await _form_image(form)
        options = _options_text(_form_text(form, "options"))
        timeout_s = _timeout(_form_text(form, "timeout_s") or None)
        return AnalysisRequest(_form_text(form, "plugin"), image, options, timeout_s=timeout_s)
    finally:
        await form.close()


async def _form_image(form: Any) -> UploadedImage | RemoteImage:
    upload = form.get("image")
    declared = _form_text(form, "mime_type") or None
    if "image_url" in form:
        if upload is not None:
            raise _two_images()
        return RemoteImage(_form_text(form, "image_url"), declared)
    if not isinstance(upload, UploadFile):
        raise RequestError("malformed_request", "image must be a file part", field="image")
    return UploadedImage(await upload.read(), declared or upload.content_type)


def _bounded(request: Request, limit: int) -> Any:
    """Return a receive function that refuses what goes beyond the limit."""
    seen = 0

    async def receive() -> Message:
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise too_large(limit)
        return message

    return receive


def _form_text(form: Any, name: str) -> str:
    value = form.get(name)
    if isinstance(value, UploadFile):
        raise RequestError("malformed_request", f"{name} must be a text part, not a file", field=name)
    return value or ""


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RequestError("malformed_request", f"{name} must be a text, not {type(value).__name__}", field=name)
    return value


def _options_text(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        return _options(_decode(text.encode()))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as broken:
        raise RequestError("malformed_request", f"options is not JSON: {broken}"[:500], field="options") from None


def _options(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RequestError("malformed_request", "options must be an object", field="options")
    return value


def _timeout(value: object) -> float | None:
    """Return a time limit in seconds, given as a number or as text."""
    if value is None:
        return None
    with contextlib.suppress(TypeError, ValueError):
        seconds = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else 0.0
        if 0 < seconds <= MAX_TIMEOUT_S:
            return seconds
    said = f"timeout_s must be a number of seconds above 0, at most {MAX_TIMEOUT_S}"
    raise RequestError("malformed_request", said, field="timeout_s")


def _unsupported(kind: str, instead: str) -> RequestError:
    said = f"a body of type {shorten(kind or 'none')!r} is not taken here; {instead}"
    return RequestError("unsupported_content_type", said)
