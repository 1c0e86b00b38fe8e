"""An exception becomes the one error envelope. The only place that builds it."""

import traceback
from datetime import UTC, datetime
from typing import Any

from app.governance.errors import (
    ERROR_CODES,
    GovernedError,
    InputValidationError,
    InternalFault,
    OutputValidationError,
    PluginRaised,
)
from app.governance.validation import validate_plugin_output
from sightgate.errors import InputError, InvalidResult

MAX_MESSAGE = 2_000
MAX_TRACEBACK = 32_000

# What a plugin may say of an input; whatever else it says is told as invalid options.
INPUT_CODES = ("undecodable_image", "image_too_large", "invalid_options")


def build_error_envelope(exc: BaseException, plugin_name: str | None) -> dict[str, Any]:
    """Return ``{"error": {type, message, details, plugin, timestamp}, "_internal": {"traceback"}}``.

    Only ``error`` may leave the server. Governed errors carry their own code; an InputError of the SDK is the
    input's fault; any other exception is one that the plugin raised. ``details`` holds ``code`` and ``retryable``.
    """
    governed = as_governed(exc)
    row = ERROR_CODES[governed.code]
    own = {"code": governed.code, "retryable": row.retryable}
    return {
        "error": {
            "type": row.type.value,
            "message": _clean(governed.message)[:MAX_MESSAGE],
            "details": {**own, **governed.details, **own},
            "plugin": None if plugin_name is None else _clean(plugin_name)[:200],
            "timestamp": datetime.now(UTC).isoformat(),
        },
        "_internal": {"traceback": _traceback(governed if isinstance(governed, PluginRaised) else exc)},
    }


def stored_envelope(error: dict[str, Any] | None) -> dict[str, Any]:
    """Return the envelope of an ``error`` part that was kept with a job, or an empty dict if there was none."""
    return {} if error is None else {"error": error, "_internal": {"traceback": ""}}


def as_governed(exc: BaseException) -> GovernedError:
    """Return the exception as one with a code, sorted by its class."""
    if isinstance(exc, GovernedError):
        return exc
    if isinstance(exc, InputError):
        refused = InputValidationError(exc.code if exc.code in INPUT_CODES else "invalid_options", _text(exc))
        refused.details = _plain_details(exc.details)
        return refused
    if isinstance(exc, InvalidResult):
        return OutputValidationError("invalid_output", _text(exc))
    return PluginRaised(_text(exc), type(exc).__name__, _traceback(exc))


def internal_fault(cause: BaseException) -> InternalFault:
    """Return the fault that stands for an exception of our own code, which it keeps as its cause for the log."""
    fault = InternalFault()
    fault.__cause__ = cause
    return fault


def _text(exc: BaseException) -> str:
    try:
        return str.__str__(str(exc))  # a plain str, whatever subclass of it came back
    except BaseException:  # a plugin's exception may do anything when it is shown, even ask the process to end
        return type(exc).__name__


def _plain_details(details: dict[str, Any]) -> dict[str, Any]:
    """Return the details that a plugin gave as plain JSON data, or none if they are none."""
    try:
        return validate_plugin_output(details)
    except OutputValidationError:
        return {}


def _clean(text: str) -> str:
    """Return the text in valid Unicode: lone surrogates would make the response unencodable."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _traceback(exc: BaseException) -> str:
    if isinstance(exc, PluginRaised) and exc.traceback:
        return exc.traceback
    try:
        lines = traceback.format_exception(exc)
    except BaseException:  # formatting calls the exception's own methods
        lines = traceback.format_tb(exc.__traceback__)
    return _clean("".join(lines)[-MAX_TRACEBACK:])
