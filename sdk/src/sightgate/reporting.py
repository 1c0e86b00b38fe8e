"""How a plugin tells how far it is."""

from collections.abc import Callable

Report = Callable[[float, float, str], None]

MAX_PROGRESS_TEXT = 500

_report: Report | None = None


def progress(done: float, total: float, message: str = "") -> None:
    """Report that ``done`` of ``total`` units of the current call are finished. Does nothing outside a worker.

    A report with a number that is not finite is dropped; of the message the first 500 characters are told.
    """
    if _report is not None:
        _report(done, total, message)


def set_report(report: Report | None) -> None:
    """Name the function that carries reports away; the worker does this once."""
    global _report
    _report = report
