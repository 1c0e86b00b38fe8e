"""The far end of the governed call: the one place where a worker calls its plugin."""

import json
import traceback
from dataclasses import dataclass, field
from typing import Any, Protocol

from sightgate.errors import InputError, InvalidResult, Unavailable
from sightgate.plain import plain_result
from sightgate.protocol import INPUT, OUT_OF_MEMORY, OUTPUT, RAISED, UNAVAILABLE

MAX_MESSAGE = 2_000
MAX_TRACEBACK = 32_000

# What plain_result returns holds no cycle.
_to_json = json.JSONEncoder(allow_nan=False, ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


class Runnable(Protocol):
    """The plain contract, all that is required of a plugin."""

    name: str

    def run(self, payload: dict[str, Any], /) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call has no result, as text: it crosses the process boundary."""

    kind: str
    message: str
    code: str = ""
    exception: str = ""
    traceback: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the failure as JSON; details that are no JSON are left out."""
        data = {name: getattr(self, name) for name in self.__dataclass_fields__}
        try:
            return json.dumps(data, allow_nan=False, ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError):  # UnicodeEncodeError is a ValueError
            return json.dumps({**data, "details": {}}).encode()


def call_plugin(plugin: Runnable, payload: dict[str, Any], max_result_bytes: int) -> bytes | Failure:
    """Call the plugin once and return its result as JSON bytes, or the failure.

    SystemExit passes through: it ends the worker. Everything else that a plugin can raise becomes a Failure.
    """
    try:
        raw = plugin.run(payload)
    except SystemExit:
        raise
    except BaseException as raised:
        return describe_exception(raised)
    return encode_result(raw, max_result_bytes)


def call_plugin_batch(plugin: Runnable, payloads: list[dict[str, Any]], max_result_bytes: int) -> list[bytes | Failure]:
    """Call the plugin once for several payloads; return for each its result as JSON bytes, or the failure.

    ``run_batch(payloads)`` returns a list with a result, or an exception, for each payload. If it raises, returns
    something else, or is not there, the payloads are called one by one: a bad one fails alone.
    """
    run_batch = getattr(plugin, "run_batch", None)
    if callable(run_batch):
        try:
            answers = run_batch(list(payloads))
        except SystemExit:
            raise
        except MemoryError as starved:
            return [describe_exception(starved) for _ in payloads]
        except BaseException:  # one by one tells whose fault it is
            answers = None
        if isinstance(answers, list) and len(answers) == len(payloads):
            return [_encode_answer(answer, max_result_bytes) for answer in answers]
    return [call_plugin(plugin, payload, max_result_bytes) for payload in payloads]


def _encode_answer(answer: Any, max_result_bytes: int) -> bytes | Failure:
    raised = isinstance(answer, BaseException)
    return describe_exception(answer) if raised else encode_result(answer, max_result_bytes)


def encode_result(raw: Any, max_result_bytes: int) -> bytes | Failure:
    """Return a result as strict JSON in UTF-8, or the Failure that says why it is none."""
    try:
        encoded = _to_json(plain_result(raw)).encode()
    except MemoryError as raised:
        return describe_exception(raised)
    except InvalidResult as refused:
        return Failure(OUTPUT, str(refused)[:MAX_MESSAGE], "invalid_output")
    except Exception as unusable:  # to_plain calls methods of the plugin's own objects, which may raise anything
        return Failure(OUTPUT, f"the result is not JSON: {_text(unusable)}"[:MAX_MESSAGE], "invalid_output")
    if len(encoded) > max_result_bytes:
        said = f"the result is {len(encoded)} bytes of JSON, more than the {max_result_bytes} allowed"
        details = {"bytes": len(encoded), "limit_bytes": max_result_bytes}
        return Failure(OUTPUT, said, "output_too_large", details=details)
    return encoded


def describe_exception(raised: BaseException) -> Failure:
    """Return what a plugin raised as a Failure, sorted by the exception's class."""
    name, message, trace = type(raised).__name__, _text(raised), _traceback(raised)
    if isinstance(raised, InputError):
        return Failure(INPUT, message, valid_unicode(str(raised.code)), name, trace, dict(raised.details))
    if isinstance(raised, Unavailable):
        return Failure(UNAVAILABLE, message, "plugin_unavailable", name, trace)
    if isinstance(raised, InvalidResult):
        return Failure(OUTPUT, message, "invalid_output", name, trace)
    if isinstance(raised, MemoryError):
        return Failure(OUT_OF_MEMORY, message, "plugin_out_of_memory", name, trace)
    return Failure(RAISED, message, "plugin_failed", name, trace)


def _text(raised: BaseException) -> str:
    try:
        text = str(raised)
    except SystemExit:
        raise
    except BaseException:  # an exception whose own __str__ raises
        text = type(raised).__name__
    return valid_unicode(text[:MAX_MESSAGE])


def _traceback(raised: BaseException) -> str:
    try:
        lines = traceback.format_exception(raised, limit=-50)
    except SystemExit:
        raise
    except BaseException:  # an exception whose __str__ or __cause__ is broken
        lines = traceback.format_tb(raised.__traceback__, limit=-50)
    return valid_unicode("".join(lines)[-MAX_TRACEBACK:])


def valid_unicode(text: str) -> str:
    """Return the text with a question mark for each lone surrogate, which no JSON in UTF-8 can hold."""
    return text.encode(errors="replace").decode()
