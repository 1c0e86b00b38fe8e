"""Starting one worker: it holds the plugin that was discovered, unchanged, or it is told why not."""

import errno

import structlog

from app.governance.errors import CallEnded
from app.governance.lifecycle import Availability
from app.plugins.sandbox.calls_in_flight import WorkerGone
from app.plugins.sandbox.confinement import Confinement, WorkerSpec
from app.plugins.sandbox.launch import how_it_ended
from app.plugins.sandbox.worker_process import WorkerProcess
from sightgate.manifest import Manifest, ManifestError

log = structlog.get_logger("sightgate.workers")

# What keeps a worker from starting for want of something of the machine's: no fault of the plugin, and it passes.
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT})


class CannotStart(Exception):
    """A worker did not start. ``passes``: the machine is short of something, which says nothing of the plugin."""

    def __init__(self, availability: Availability, reason: str, *, passes: bool = False) -> None:
        super().__init__(reason)
        self.availability = availability
        self.reason = reason
        self.passes = passes


async def start_worker(
    spec: WorkerSpec, manifest: Manifest, confinement: Confinement, within_s: float
) -> WorkerProcess:
    """Return a worker that has loaded the plugin. Raises CannotStart, and leaves nothing behind then."""
    worker: WorkerProcess | None = None
    try:
        worker = await WorkerProcess.start(spec, confinement)
        rows = await worker.ready(within_s)
        if short := worker.isolation.short_of(confinement.least_isolation, spec.granted):
            raise CannotStart(Availability.UNAVAILABLE, short)
        _check_row(rows[0] if rows else {}, manifest)
    except BaseException as failed:
        status = await worker.end() if worker is not None else 0
        told = _told(failed, status, within_s)
        if told is None:
            raise
        output = worker.output() if worker is not None else None
        log.warning("worker did not start", plugin=spec.plugin, reason=told.reason, output=output)
        raise told from (None if told is failed else failed)
    return worker


def _check_row(row: dict[str, object], manifest: Manifest) -> None:
    """Raise CannotStart unless the row is that of the plugin as it was discovered."""
    if "manifest" not in row:
        availability = Availability.UNAVAILABLE if row.get("unavailable") is True else Availability.FAILED
        raise CannotStart(availability, str(row.get("reason", "it did not say why"))[:2_000])
    try:
        changed = Manifest.from_data(row["manifest"]) != manifest
    except ManifestError as broken:
        raise CannotStart(Availability.FAILED, f"its manifest is broken: {broken}") from broken
    if changed:
        raise CannotStart(Availability.FAILED, "its manifest is not the one it was discovered with; reload the plugin")


def _told(failed: BaseException, status: int, within_s: float) -> CannotStart | None:
    """Return what to tell of a failure to start; None for what is none: the caller left."""
    match failed:
        case CannotStart():
            return failed
        case OSError(errno=number) if not isinstance(failed, TimeoutError):
            reason = f"no worker could be started: {failed.strerror}"
            return CannotStart(Availability.FAILED, reason, passes=number in _SHORTAGES)
        case TimeoutError():
            reason = f"it was not ready within {within_s:g} s"
        case WorkerGone(left=left):
            # What broke the protocol was killed by us: how it ended then says nothing.
            reason = f"its worker ended while it was loading: {how_it_ended(status) if left else failed}"
        case CallEnded():  # it took more than it may before it was asked for anything
            reason = f"its worker was ended while it was loading: {failed.message}"
        case _:
            return None
    return CannotStart(Availability.FAILED, reason)
