"""The command line: ``sightgate serve | analyze | plugins | jobs | doctor | version``."""

from collections.abc import Sequence

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 something failed, 2 bad usage, 130 interrupted."""
    try:
        # The most of a short command's time is this import: Ctrl-C often comes during it.
        from app.cli.application import run
    except KeyboardInterrupt:
        return INTERRUPTED
    return run(arguments)


__all__ = ["main"]
