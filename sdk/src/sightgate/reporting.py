"""How a plugin tells how far it is."""

from collections.abc import Callable

Report = Callable[[float, float, str], None]

_report: Report | None = None


def progress(done: float, total: float, message: str = "") -> None:
    """Report that ``done`` of ``total`` units of the current call are finished. Does nothing outside a worker."""
    if _report is not None:
        _report(done, total, message[:500])


def set_report(report: Report | None) -> None:
    """Name the function that carries reports away; the worker does this once."""
    global _report
    _report = report
