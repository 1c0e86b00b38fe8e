"""For the tests of a plugin: run it as a worker would, in the test's own process."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sightgate.errors import InputError, SightgateError, Unavailable
from sightgate.execution import Failure, Runnable, call_plugin
from sightgate.loading import check_requirements, describe, load_plugin
from sightgate.manifest import Manifest
from sightgate.protocol import INPUT, UNAVAILABLE

MAX_RESULT_BYTES = 16 * 1024 * 1024
_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)
NO_IMAGE = "application/octet-stream"


class PluginFailed(SightgateError):
    """The plugin raised, or returned what is no result; ``failure`` holds what a caller would be told."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.exception or failure.code}: {failure.message}\n{failure.traceback}")
        self.failure = failure


def run_plugin(
    plugin: Runnable | type,
    image: bytes | str | Path,
    *,
    mime_type: str | None = None,
    options: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Load a plugin (class or object), run it on an image, and return its result as decoded JSON.

    Raises InputError if the input is refused, Unavailable if the plugin cannot run here, PluginFailed otherwise.
    """
    runnable: Runnable = plugin() if isinstance(plugin, type) else plugin
    describe(type(runnable))
    check_requirements(runnable, config or {})
    load_plugin(runnable, config or {})
    data = image if isinstance(image, bytes) else Path(image).read_bytes()
    answer = call_once(runnable, data, mime_type or guess_mime_type(data), dict(options or {}))
    if isinstance(answer, Failure):
        raise _error_of(answer)
    result: dict[str, Any] = json.loads(answer)
    return result


def call_once(plugin: Runnable, image: bytes, mime_type: str, options: dict[str, Any]) -> bytes | Failure:
    """Call a loaded plugin as the worker does; SystemExit becomes a Failure here, since there is no worker to end."""
    try:
        return call_plugin(plugin, {"image": image, "mime_type": mime_type, "options": options}, MAX_RESULT_BYTES)
    except SystemExit as asked:
        return Failure("exit", f"the plugin ended its process with {asked.code!r:.80}", "plugin_crashed", "SystemExit")


def manifest_of(plugin: Runnable | type) -> Manifest:
    """Return the manifest of a plugin; raises ManifestError naming the field that is wrong."""
    return describe(plugin if isinstance(plugin, type) else type(plugin))


def guess_mime_type(data: bytes) -> str:
    """Return the type that the first bytes tell, or ``NO_IMAGE``."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime_type for magic, mime_type in _MAGIC if data.startswith(magic)), NO_IMAGE)


def _error_of(failure: Failure) -> SightgateError:
    if failure.kind == INPUT:
        return InputError(failure.message, failure.code, **failure.details)
    if failure.kind == UNAVAILABLE:
        return Unavailable(failure.message)
    return PluginFailed(failure)
