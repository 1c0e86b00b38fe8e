"""The closed table of error codes, and the exceptions that carry them.

::

    GovernedError
    ├── RequestError              before there is a job: the request itself cannot be used
    ├── InputValidationError      the gate refuses the input
    ├── OutputValidationError     the gate refuses what the plugin returned
    ├── PluginRaised              the plugin raised
    ├── PluginError               the plugin is unknown, unavailable, or its worker ended
    │   ├── PluginNotFound        (a KeyError too)
    │   ├── PluginRefused         not now: unavailable, disabled, not granted, quarantined, overloaded
    │   └── CallEnded             timed out, crashed, out of memory, cancelled, interrupted
    └── InternalFault             a fault of Sightgate's own
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ErrorType(StrEnum):
    VALIDATION = "ValidationError"
    PLUGIN = "PluginError"
    EXECUTION = "ExecutionError"
    INTERNAL = "InternalError"


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One row of the table: the code's type, whether the same call may succeed later, and when it is given."""

    type: ErrorType
    retryable: bool
    meaning: str


_V, _P, _X, _I = ErrorType.VALIDATION, ErrorType.PLUGIN, ErrorType.EXECUTION, ErrorType.INTERNAL

ERROR_CODES: Mapping[str, ErrorCode] = {
    "malformed_request": ErrorCode(_V, False, "The request is not what the route takes: broken JSON or a wrong type."),
    "unknown_field": ErrorCode(_V, False, "The request has a field that the route does not know."),
    "missing_plugin": ErrorCode(_V, False, "The request names no plugin; there is no default plugin."),
    "invalid_base64": ErrorCode(_V, False, "The image is not valid base64."),
    "body_too_large": ErrorCode(_V, False, "The body is larger than the server takes."),
    "unsupported_content_type": ErrorCode(_V, False, "The route takes no body of this content type or encoding."),
    "empty_image": ErrorCode(_V, False, "The image has no bytes."),
    "missing_mime_type": ErrorCode(_V, False, "The image's MIME type is missing or is no MIME type."),
    "unsupported_mime_type": ErrorCode(_V, False, "Images of this MIME type are not taken."),
    "mime_mismatch": ErrorCode(_V, False, "The image is of another type than the one declared."),
    "image_url_disabled": ErrorCode(_V, False, "Images are not fetched from URLs on this server."),
    "image_url_refused": ErrorCode(_V, False, "The image's URL may not be called: its scheme, port, host or redirect."),
    "image_url_failed": ErrorCode(_V, True, "The image's URL did not give an image: unreachable, a status, too slow."),
    "image_url_too_large": ErrorCode(_V, False, "The image's URL answers with more bytes than are taken."),
    "undecodable_image": ErrorCode(_V, False, "The bytes are no image, or a broken one."),
    "image_too_large": ErrorCode(_V, False, "The image has more pixels than allowed."),
    "invalid_options": ErrorCode(_V, False, "The options do not fit the plugin's schema."),
    "invalid_output": ErrorCode(_V, False, "What the plugin returned is no valid result."),
    "output_too_large": ErrorCode(_V, False, "What the plugin returned is larger than allowed."),
    "plugin_failed": ErrorCode(_X, False, "The plugin raised an exception."),
    "plugin_timeout": ErrorCode(_P, True, "The plugin did not answer in time; its worker was ended."),
    "plugin_crashed": ErrorCode(_P, True, "The plugin's worker ended: a signal, an exit, or a broken answer."),
    "plugin_out_of_memory": ErrorCode(_P, False, "The plugin needed more memory than it may use."),
    "plugin_out_of_disk": ErrorCode(_P, False, "The plugin kept more in its scratch folder than it may."),
    "plugin_not_found": ErrorCode(_P, False, "No plugin has this name."),
    "plugin_unavailable": ErrorCode(_P, True, "The plugin cannot run now; the reason is in the message."),
    "plugin_disabled": ErrorCode(_P, False, "The operator has disabled the plugin."),
    "permission_not_granted": ErrorCode(
        _P, False, "The plugin asks for a permission that the operator has not granted."
    ),
    "input_quarantined": ErrorCode(_P, False, "This input has crashed the plugin repeatedly and is refused."),
    "overloaded": ErrorCode(_P, True, "Too many calls wait for the plugin; try again later."),
    "rate_limited": ErrorCode(_V, True, "The caller has sent too many requests."),
    "cancelled": ErrorCode(_P, False, "The call was cancelled."),
    "interrupted": ErrorCode(_P, True, "The server ended while the call ran."),
    "deadline_exceeded": ErrorCode(_P, True, "The deadline passed before the call had begun, or while it ran."),
    "dependency_failed": ErrorCode(_P, False, "A job that this one needs has failed or was cancelled."),
    "shutting_down": ErrorCode(_P, True, "The server is stopping and takes nothing new."),
    "not_found": ErrorCode(_V, False, "There is nothing at this address."),
    "method_not_allowed": ErrorCode(_V, False, "The address does not take this method."),
    "job_not_found": ErrorCode(_V, False, "No job has this id."),
    "job_not_cancellable": ErrorCode(_V, False, "The job has ended and cannot be cancelled."),
    "idempotency_conflict": ErrorCode(_V, False, "The idempotency key was used with another request."),
    "webhooks_disabled": ErrorCode(_V, False, "This server calls no webhooks."),
    "webhook_refused": ErrorCode(_V, False, "The webhook's URL may not be called: its scheme, port or host."),
    "unauthorized": ErrorCode(_V, False, "The request carries no valid API key."),
    "forbidden": ErrorCode(_V, False, "The API key does not allow this."),
    "storage_unavailable": ErrorCode(_I, True, "The job store cannot be read or written now."),
    "internal_error": ErrorCode(_I, True, "A fault of Sightgate's own; the log has the details."),
}


class GovernedError(Exception):
    """A refusal or failure with a stable code from ``ERROR_CODES``. The default message is the code's meaning."""

    def __init__(self, code: str, message: str = "", **details: Any) -> None:
        self.code = code
        self.message = message or ERROR_CODES[code].meaning
        self.details = details
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message


class RequestError(GovernedError):
    """The request cannot be used; there is no job."""

    def of_image(self, number: int) -> "RequestError":
        """Return the same refusal, told of one of many images, which are counted from 0 as in the request."""
        place = f"images[{number}]"
        field = ".".join((place, self.details["field"])) if "field" in self.details else place
        return RequestError(self.code, f"{place}: {self.message}", **{**self.details, "field": field})


class InputValidationError(GovernedError):
    """The gate refuses the input; the plugin is not called."""


class OutputValidationError(GovernedError):
    """The gate refuses what the plugin returned."""


class PluginRaised(GovernedError):
    """The plugin raised; ``exception`` is its class's name, ``traceback`` text for the log."""

    def __init__(self, message: str, exception: str, traceback: str = "") -> None:
        super().__init__("plugin_failed", message, exception=exception)
        self.message = message
        self.traceback = traceback


class PluginError(GovernedError):
    """The plugin is unknown, unavailable, or its worker ended."""


class PluginNotFound(PluginError, KeyError):
    """No plugin has this name."""

    def __init__(self, name: str) -> None:
        super().__init__("plugin_not_found", f"there is no plugin {shorten(name)!r}; GET /v1/plugins lists them")


class PluginRefused(PluginError):
    """The plugin may not run now."""


class CallEnded(PluginError):
    """The call was ended before the plugin answered."""


class InternalFault(GovernedError):
    """A fault of Sightgate's own. The message says nothing else; the cause is logged."""

    def __init__(self, code: str = "internal_error", message: str = "", **details: Any) -> None:
        super().__init__(code, message, **details)


def shorten(text: object, length: int = 80) -> str:
    """Return a caller's text short enough to stand in a message."""
    said = str(text)
    return said if len(said) <= length else said[: length - 1] + "…"
