"""A worker's failure, as it tells it, and the error of ours that it becomes."""

from typing import Any

import msgspec

from app.governance.error_envelope import INPUT_CODES
from app.governance.errors import (
    GovernedError,
    InputValidationError,
    OutputValidationError,
    PluginRaised,
    PluginRefused,
)
from sightgate.protocol import INPUT, OUTPUT, UNAVAILABLE


class WorkerFailure(msgspec.Struct, forbid_unknown_fields=True):
    """A failure as the worker describes it. See ``sightgate.execution.Failure``."""

    kind: str
    message: str = ""
    code: str = ""
    exception: str = ""
    traceback: str = ""
    details: dict[str, Any] = {}


def error_of(failure: WorkerFailure) -> GovernedError:
    """Return a worker's failure as an error with a code of the table, whatever the worker claims."""
    if failure.kind == INPUT:
        code = failure.code if failure.code in INPUT_CODES else "invalid_options"
        return InputValidationError(code, failure.message, **_own_details(failure))
    if failure.kind == OUTPUT:
        code = "output_too_large" if failure.code == "output_too_large" else "invalid_output"
        return OutputValidationError(code, failure.message, **_own_details(failure))
    if failure.kind == UNAVAILABLE:
        return PluginRefused("plugin_unavailable", failure.message)
    return PluginRaised(failure.message, failure.exception[:200], failure.traceback)


def _own_details(failure: WorkerFailure) -> dict[str, Any]:
    """Details that cannot be mistaken for the envelope's own."""
    reserved = ("code", "retryable", "message", "job_id")
    return {name: value for name, value in failure.details.items() if name not in reserved}
