"""What accompanies one execution without being its payload: who it is, until when, and what it took."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

# The call's id, units done, units in all, a message. One function serves all calls: a call costs no closure.
ProgressSink = Callable[[str, float, float, str], None]


@dataclass(slots=True)
class ExecutionContext:
    """Set by JobExecutionService, read by the gate's log line and by the pool.

    ``deadline`` is on the event loop's clock in seconds; ``waiting_ms`` is filled in by admission, ``worker_pid`` by
    the pool, ``running_ms`` and ``result_bytes`` (the result's length as JSON) by the gate. ``cancelled``: somebody
    asked for the call's end before it had a worker.
    """

    call_id: str
    deadline: float | None = None
    progress: ProgressSink | None = None
    waiting_ms: float = 0.0
    running_ms: float = 0.0
    result_bytes: int = 0
    worker_pid: int | None = None
    cancelled: bool = False


_current: ContextVar[ExecutionContext | None] = ContextVar("sightgate_execution", default=None)


def current_execution() -> ExecutionContext | None:
    """Return the context of the execution that this code runs in, if there is one."""
    return _current.get()


def set_current_execution(context: ExecutionContext) -> None:
    """Make ``context`` the current one for this task and what it calls."""
    _current.set(context)
