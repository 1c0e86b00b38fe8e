"""Read what is sent to be run as durable jobs: an analysis, or many, and the terms on which they are accepted."""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from starlette.datastructures import FormData
from starlette.requests import Request

from app.api.body import (
    FIELDS,
    JSON,
    MULTIPART,
    RAW_FIELDS,
    check_fields,
    content_type,
    decode_object,
    form_text,
    image_from,
    open_form,
    options_of,
    options_text,
    read_body,
    read_raw_image,
    request_from,
    request_from_form,
    take_json,
    text_of,
    timeout_of,
    timeout_text,
    unsupported,
    upload_of,
)
from app.api.parameters import read_query
from app.governance.errors import RequestError, shorten
from app.services.execution.analysis_execution_service import (
    MOST_IN_BATCH,
    AnalysisRequest,
    BatchRequest,
    EncodedImage,
    RemoteImage,
)
from app.services.execution.job_terms import JobTerms
from app.services.execution.job_terms_data import terms_from

TERMS = frozenset({"priority", "delay_s", "deadline_s", "retry", "after", "after_rule", "webhook"})
REPEATABLE = frozenset({"after"})
BATCH_FIELDS = frozenset({"plugins", "images", "options", "timeout_s"})
BATCH_FORM_FIELDS = frozenset({"plugin", "image", "options", "timeout_s"})
IMAGE_FIELDS = frozenset({"image", "image_url", "mime_type", "name"})

LONGEST_KEY = 255

_KEY = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_KEY}}}")


async def read_job(request: Request, limit: int) -> tuple[AnalysisRequest, JobTerms]:
    """Read one analysis and its terms: as JSON, as a multipart upload, or as a raw image with parameters.

    Raises RequestError.
    """
    key, kind = idempotency_key(request), content_type(request)
    if take_json(request):
        data = decode_object(await read_body(request, limit))
        check_fields(data, FIELDS | TERMS)
        return request_from(data), terms_from(data, key)
    if kind == MULTIPART:
        async with open_form(request, limit, FIELDS | TERMS, repeatable=REPEATABLE, max_fields=32) as form:
            return await request_from_form(form), terms_from(_terms_of_form(form), key)
    if kind.startswith("image/") or kind in ("", "application/octet-stream"):
        query = read_query(request.scope["query_string"], RAW_FIELDS | TERMS, REPEATABLE)
        terms = terms_from(_from_text(query, query.getlist("after")), key)
        options, timeout_s = options_text(query.get("options", "")), timeout_text(query.get("timeout_s"))
        image = await read_raw_image(request, limit, query.get("image_url"))
        return AnalysisRequest(query.get("plugin", ""), image, options, timeout_s=timeout_s), terms
    raise unsupported(kind, f"send {JSON}, {MULTIPART}, or an image with its own type, such as image/jpeg")


async def read_batch(request: Request, limit: int) -> tuple[BatchRequest, JobTerms]:
    """Read many images for one or several plugins: as JSON, or as a multipart upload. Raises RequestError."""
    key, kind = idempotency_key(request), content_type(request)
    if take_json(request):
        data = decode_object(await read_body(request, limit))
        check_fields(data, BATCH_FIELDS | TERMS)
        return _batch_from(data), terms_from(data, key)
    if kind == MULTIPART:
        fields, repeatable = BATCH_FORM_FIELDS | TERMS, REPEATABLE | {"plugin", "image"}
        async with open_form(
            request, limit, fields, repeatable=repeatable, max_files=MOST_IN_BATCH, max_fields=64
        ) as form:
            return await _batch_from_form(form), terms_from(_terms_of_form(form), key)
    raise unsupported(kind, f"send {JSON} or {MULTIPART}")


def idempotency_key(request: Request) -> str | None:
    """Return the header ``Idempotency-Key``. Raises RequestError for one that is empty, too long or not printable."""
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        said = f"Idempotency-Key must be 1 to {LONGEST_KEY} visible ASCII characters, given once"
        raise RequestError("malformed_request", said, field="Idempotency-Key")
    return keys[0]


def _batch_from(data: Mapping[str, Any]) -> BatchRequest:
    plugins, images = data.get("plugins"), data.get("images")
    if not isinstance(plugins, list) or not all(isinstance(name, str) for name in plugins):
        raise _wrong("plugins", "plugins must be a list of names")
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        raise _wrong("images", "images must be a list of objects with image (or image_url) and mime_type")
    if len(images) > MOST_IN_BATCH:
        raise _wrong("images", f"a batch has at most {MOST_IN_BATCH} jobs; this one has {len(images)} images")
    return BatchRequest(
        plugins,
        [_image_from(number, image) for number, image in enumerate(images)],
        _options_by_plugin(options_of(data.get("options"))),
        timeout_s=timeout_of(data.get("timeout_s")),
    )


def _image_from(number: int, data: Mapping[str, Any]) -> EncodedImage | RemoteImage:
    try:
        check_fields(data, IMAGE_FIELDS)
        text_of(data, "name")  # not kept, but of its type all the same
        return image_from(data)
    except RequestError as refused:
        raise refused.of_image(number) from None


async def _batch_from_form(form: FormData) -> BatchRequest:
    return BatchRequest(
        [str(name) for name in form.getlist("plugin")],
        [await upload_of(part) for part in form.getlist("image")],
        _options_by_plugin(options_text(form_text(form, "options"))),
        timeout_s=timeout_text(form_text(form, "timeout_s") or None),
    )


def _options_by_plugin(options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    for plugin, own in options.items():
        if not isinstance(own, dict):
            raise _wrong("options", f"options of {shorten(plugin)!r} must be an object; options are given by plugin")
    return options


def _terms_of_form(form: FormData) -> dict[str, Any]:
    texts = {name: form_text(form, name) for name in TERMS if name in form}
    return _from_text(texts, [str(part) for part in form.getlist("after")])


def _from_text(given: Mapping[str, str], after: list[str]) -> dict[str, Any]:
    """Return terms that were given as texts, as JSON would have them. What does not read stays text, and is refused."""
    read: dict[str, Any] = {name: given[name] for name in ("after_rule", "webhook") if name in given}
    readers: Mapping[str, Callable[[str], Any]] = {"priority": int, "delay_s": float, "deadline_s": float}
    for name, reader in readers.items():
        if name in given:
            read[name] = given[name]
            with contextlib.suppress(ValueError):
                read[name] = reader(given[name])
    if "retry" in given:
        read["retry"] = given["retry"]
        with contextlib.suppress(msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            read["retry"] = msgspec.json.decode(given["retry"].encode())
    return {**read, "after": list(_split(after))}


def _split(texts: list[str]) -> Iterator[str]:
    for text in texts:
        yield from text.split(",")


def _wrong(field: str, said: str) -> RequestError:
    return RequestError("malformed_request", said, field=field)
