"""The command line: ``sightgate serve | analyze | plugins | jobs | doctor | version``."""

import gc
from collections.abc import Sequence

INTERRUPTED = 130
# How many objects are made before a collection looks at them: while a command starts, and as Python has it.
_STARTING = 50_000
USUAL_THRESHOLDS = gc.get_threshold()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 something failed, 2 bad usage, 130 interrupted."""
    # What is imported stays: looking through it again and again takes a sixth of the time to start.
    gc.set_threshold(_STARTING)
    try:
        # The most of a short command's time is this import: Ctrl-C often comes during it.
        from app.cli.application import run
    except KeyboardInterrupt:
        return INTERRUPTED
    return run(arguments)


__all__ = ["main"]
