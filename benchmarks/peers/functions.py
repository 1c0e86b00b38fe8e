"""The functions that every server is asked for: the very code of the plugins, called without a server's help.

Imported by each peer's own application, in that peer's environment; needs Pillow and NumPy alone.
"""

from benchmarks.plugins.null import Null
from benchmarks.plugins.stats import Stats

PLUGINS: dict[str, Null | Stats] = {"null": Null(), "stats": Stats()}


def analyze(function: str, image: bytes) -> dict[str, object]:
    """Return the result of `function` ("null" or "stats") for an encoded image."""
    return PLUGINS[function].run({"image": image, "mime_type": "image/jpeg", "options": {}})
