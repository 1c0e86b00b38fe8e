"""Read a request's body within the limit, and turn it into an AnalysisRequest."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

import msgspec
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from app.api.errors import RETRY_AFTER_S
from app.api.parameters import NONE, check_names, read_query, refuse_parameters
from app.governance.errors import PluginRefused, RequestError, shorten
from app.services.execution.analysis_execution_service import (
    AnalysisRequest,
    EncodedImage,
    RemoteImage,
    UploadedImage,
)

JSON = "application/json"
MULTIPART = "multipart/form-data"
FIELDS = frozenset({"plugin", "image", "image_url", "mime_type", "options", "timeout_s"})
RAW_FIELDS = frozenset({"plugin", "options", "timeout_s", "image_url"})
MAX_TIMEOUT_S = 86_400
MAX_FIELD_BYTES = 1024 * 1024

_decode = msgspec.json.Decoder().decode


def content_type(request: Request) -> str:
    """Return the body's media type in lower case, without parameters."""
    return header(request, b"content-type").partition(";")[0].strip().lower()


def header(request: Request, name: bytes) -> str:
    """Return a header by its name in lower case, or an empty text."""
    # The framework's mapping of headers costs more than the look itself.
    for key, value in request.scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""


def take_json(request: Request) -> bool:
    """Return whether the body is JSON. Raises RequestError if there are parameters beside it."""
    kind = content_type(request)
    if kind != JSON and not kind.endswith("+json"):
        return False
    refuse_parameters(request.scope["query_string"], "beside JSON, send it as a field of the body")
    return True


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body. Raises RequestError ``body_too_large`` without reading a longer one to its end,
    PluginRefused ``shutting_down``.
    """
    check_head(request, limit)
    message = await _next_part(request)
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body", False):
        return _within(body, limit)
    parts, size = [body], len(body)
    while message["type"] == "http.request" and message.get("more_body", False):
        message = await _next_part(request)
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return b"".join(parts)


async def _next_part(request: Request) -> Message:
    """Return what comes next of a body. Raises PluginRefused ``shutting_down`` if the server ends before that."""
    try:
        return await request.receive()
    except asyncio.CancelledError:
        # Nobody else cancels while a body is read: the drain is over, and of what is asked for nothing was begun.
        raise PluginRefused("shutting_down", retry_after_s=RETRY_AFTER_S) from None


def check_head(request: Request, limit: int) -> None:
    """Raise RequestError if the Content-Length is above the limit or no number, or the body is compressed."""
    declared = ""
    for key, value in request.scope["headers"]:
        if key == b"content-length":
            declared = str(value, "latin-1")
        elif key == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            said = f"a body with Content-Encoding {shorten(str(value, 'latin-1'))!r} is not taken; send it as it is"
            raise RequestError("unsupported_content_type", said)
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
    if not take_json(request):
        raise unsupported(content_type(request), f"send {JSON}")
    return parse_json(await read_body(request, limit))


def parse_json(body: bytes) -> AnalysisRequest:
    """Turn a JSON body into a request. Raises RequestError naming the field that is wrong."""
    data = decode_object(body)
    check_fields(data, FIELDS)
    return request_from(data)


def decode_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body is. Raises RequestError."""
    try:
        data = _decode(body)
    except UnicodeDecodeError:  # it tells a place in the text that holds the byte, not in the body
        raise RequestError("malformed_request", "the body is not JSON: it is not valid UTF-8") from None
    except (msgspec.DecodeError, RecursionError) as broken:
        said = "the body is empty; send a JSON object" if not body else f"the body is not JSON: {broken}"
        raise RequestError("malformed_request", said[:500]) from None
    if not isinstance(data, dict):
        raise RequestError("malformed_request", "the body must be a JSON object")
    return data


def check_fields(data: Mapping[str, Any], fields: frozenset[str]) -> None:
    """Raise RequestError ``unknown_field`` if there is a field that is none of ``fields``."""
    if not data.keys() <= fields:
        unknown = next(iter(data.keys() - fields))
        said = f"there is no field {shorten(unknown)!r}; there are {', '.join(sorted(fields))}"
        raise RequestError("unknown_field", said, field=shorten(unknown))


def request_from(data: Mapping[str, Any]) -> AnalysisRequest:
    """Return the request that an object describes; fields that are none of its own are left alone."""
    image = image_from(data)
    timeout_s = timeout_of(data.get("timeout_s"))
    return AnalysisRequest(text_of(data, "plugin"), image, options_of(data.get("options")), timeout_s=timeout_s)


def image_from(data: Mapping[str, Any]) -> EncodedImage | RemoteImage:
    """Return the image of a JSON object with ``image`` or ``image_url``, and ``mime_type``. Raises RequestError."""
    mime_type = text_of(data, "mime_type") or None
    if data.get("image_url") is not None:
        if data.get("image") is not None:
            raise _two_images()
        return RemoteImage(text_of(data, "image_url"), mime_type)
    if "image" not in data:
        raise RequestError("malformed_request", "image is missing; send it as base64, or an image_url", field="image")
    return EncodedImage(text_of(data, "image"), mime_type)


def _two_images() -> RequestError:
    return RequestError("malformed_request", "there is an image and an image_url; send one of them", field="image_url")


async def read_any(request: Request, limit: int, before_body: Callable[[str], None] | None = None) -> AnalysisRequest:
    """Read a request as JSON, as a multipart upload, or as a raw image with ``?plugin=&options=``.

    An upload and a raw body may name the image by ``image_url`` instead.

    ``before_body`` is called with the plugin's name where that is known before the body, and may refuse by raising.
    """
    if take_json(request):
        return parse_json(await read_body(request, limit))
    kind = content_type(request)
    if kind == MULTIPART:
        return await _read_multipart(request, limit)
    if kind.startswith("image/") or kind in ("", "application/octet-stream"):
        return await _read_raw(request, limit, before_body)
    raise unsupported(kind, f"send {JSON}, {MULTIPART}, or an image with its own type, such as image/jpeg")


async def _read_raw(request: Request, limit: int, before_body: Callable[[str], None] | None) -> AnalysisRequest:
    plugin, given_options, timeout_s, image_url = _raw_parameters(request.scope["query_string"])
    if before_body is not None:
        before_body(plugin)
    options = options_text(given_options)
    image = await read_raw_image(request, limit, image_url)
    return AnalysisRequest(plugin, image, options, timeout_s=timeout_s)


async def read_raw_image(request: Request, limit: int, image_url: str | None) -> UploadedImage | RemoteImage:
    """Return the image that the body is, or, if the body is empty, the one at ``image_url``. Raises RequestError."""
    body = await read_body(request, limit)
    if image_url is None:
        return UploadedImage(body, header(request, b"content-type"))
    if body:
        raise _two_images()
    return RemoteImage(image_url, None)


@lru_cache(maxsize=256)
def _raw_parameters(query_string: bytes) -> tuple[str, str, float | None, str | None]:
    """Return plugin, options as text, time limit, and image URL. Callers send the same few again and again."""
    query = read_query(query_string, RAW_FIELDS)
    timeout_s = timeout_text(query.get("timeout_s"))
    return query.get("plugin", ""), query.get("options", ""), timeout_s, query.get("image_url")


async def _read_multipart(request: Request, limit: int) -> AnalysisRequest:
    async with open_form(request, limit, FIELDS) as form:
        return await request_from_form(form)


@asynccontextmanager
async def open_form(
    request: Request,
    limit: int,
    fields: frozenset[str],
    *,
    repeatable: frozenset[str] = NONE,
    max_files: int = 1,
    max_fields: int = 8,
) -> AsyncIterator[FormData]:
    """Read a multipart body whose parts are named as ``fields``, each given once or ``repeatable``.

    Raises RequestError, PluginRefused ``shutting_down``.
    """
    refuse_parameters(request.scope["query_string"], "in an upload, send it as a part of the form")
    check_head(request, limit)
    bounded = Request(request.scope, _bounded(request, limit))
    try:
        form = await bounded.form(max_files=max_files, max_fields=max_fields, max_part_size=MAX_FIELD_BYTES)
    except (MultiPartException, HTTPException) as broken:
        said = getattr(broken, "message", None) or getattr(broken, "detail", "")
        raise RequestError("malformed_request", f"the multipart body cannot be taken: {said}"[:500]) from None
    try:
        check_names("field", [name for name, _ in form.multi_items()], fields, repeatable)
        yield form
    finally:
        await form.close()


async def request_from_form(form: FormData) -> AnalysisRequest:
    """Return the request that a form describes; parts that are none of its own are left alone."""
    image = await _form_image(form)
    options = options_text(form_text(form, "options"))
    timeout_s = timeout_text(form_text(form, "timeout_s") or None)
    return AnalysisRequest(form_text(form, "plugin"), image, options, timeout_s=timeout_s)


async def _form_image(form: FormData) -> UploadedImage | RemoteImage:
    upload, declared = form.get("image"), form_text(form, "mime_type")
    if "image_url" not in form:
        return await upload_of(upload, declared)
    if upload is not None:
        raise _two_images()
    return RemoteImage(form_text(form, "image_url"), declared or None)


async def upload_of(part: object, mime_type: str = "") -> UploadedImage:
    """Return the image that a part is. Raises RequestError if it is no file."""
    if not isinstance(part, UploadFile):
        raise RequestError("malformed_request", "image must be a file part", field="image")
    return UploadedImage(await part.read(), mime_type or part.content_type)


def _bounded(request: Request, limit: int) -> Any:
    """Return a receive function that refuses what goes beyond the limit."""
    seen = 0

    async def receive() -> Message:
        nonlocal seen
        message = await _next_part(request)
        seen += len(message.get("body", b""))
        if seen > limit:
            raise too_large(limit)
        return message

    return receive


def form_text(form: FormData, name: str) -> str:
    """Return a text part, or an empty text if it is not there. Raises RequestError if it is a file."""
    value = form.get(name)
    if isinstance(value, UploadFile):
        raise RequestError("malformed_request", f"{name} must be a text part, not a file", field=name)
    return value or ""


def text_of(data: Mapping[str, Any], name: str) -> str:
    """Return a field that is a text, or an empty text if it is not there. Raises RequestError."""
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RequestError("malformed_request", f"{name} must be a text, not {type(value).__name__}", field=name)
    return value


def options_text(text: str) -> dict[str, Any]:
    """Return options given as JSON text. Raises RequestError."""
    if not text:
        return {}
    try:
        return options_of(_decode(text.encode()))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as broken:
        raise RequestError("malformed_request", f"options is not JSON: {broken}"[:500], field="options") from None


def options_of(value: object) -> dict[str, Any]:
    """Return options given as JSON. Raises RequestError."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RequestError("malformed_request", "options must be an object", field="options")
    return value


def timeout_text(text: str | None) -> float | None:
    """Return a time limit given as text. Raises RequestError."""
    if text is None:
        return None
    try:
        return timeout_of(float(text))
    except ValueError:
        raise _no_timeout() from None


def timeout_of(value: object) -> float | None:
    """Return a time limit in seconds, given as a JSON number. Raises RequestError."""
    if value is None:
        return None
    # Compared before it is converted: JSON's whole numbers may be larger than any float.
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= MAX_TIMEOUT_S:
        return float(value)
    raise _no_timeout()


def _no_timeout() -> RequestError:
    said = f"timeout_s must be a number of seconds above 0, at most {MAX_TIMEOUT_S}"
    return RequestError("malformed_request", said, field="timeout_s")


def unsupported(kind: str, instead: str) -> RequestError:
    """Return the refusal of a body of another type; ``instead`` says what to send."""
    said = f"a body of type {shorten(kind or 'none')!r} is not taken here; {instead}"
    return RequestError("unsupported_content_type", said)
