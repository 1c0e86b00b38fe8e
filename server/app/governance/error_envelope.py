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
from sightgate.errors import InputError, InvalidResult

MAX_MESSAGE = 2_000
MAX_TRACEBACK = 32_000

_INPUT_CODES = frozenset({"undecodable_image", "invalid_options"})


def build_error_envelope(exc: BaseException, plugin_name: str | None) -> dict[str, Any]:
    """Return ``{"error": {type, message, details, plugin, timestamp}, "_internal": {"traceback"}}``.

    Only ``error`` may leave the server. Governed errors carry their own code; an InputError of the SDK is the
    input's fault; any other exception is one that the plugin raised. ``details`` holds ``code`` and ``retryable``.
    """
    governed = as_governed(exc)
    row = ERROR_CODES[governed.code]
    return {
        "error": {
            "type": row.type.value,
            "message": _clean(governed.message)[:MAX_MESSAGE],
            "details": {"code": governed.code, "retryable": row.retryable, **governed.details},
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
        code = exc.code if exc.code in _INPUT_CODES else "invalid_options"
        return InputValidationError(code, _text(exc), **exc.details)
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
        return str(exc)
    except Exception:  # a plugin's exception may have a broken __str__
        return ""


def _clean(text: str) -> str:
    """Return the text in valid Unicode: lone surrogates would make the response unencodable."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _traceback(exc: BaseException) -> str:
    if isinstance(exc, PluginRaised) and exc.traceback:
        return exc.traceback
    try:
        return "".join(traceback.format_exception(exc))[-MAX_TRACEBACK:]
    except Exception:  # formatting calls the exception's own methods
        return "".join(traceback.format_tb(exc.__traceback__))[-MAX_TRACEBACK:]
