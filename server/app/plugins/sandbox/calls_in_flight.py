"""What a worker owes: the calls that were sent to it, and the frames that answer them."""

import asyncio
import contextlib
from collections import deque
from typing import TypeAlias

from app.governance.errors import CallEnded
from app.governance.execution_context import ExecutionContext
from app.plugins.sandbox.worker_connection import LEFT
from sightgate.protocol import ERROR, PROGRESS, READY, RESULT, SANDBOX, Header, ProtocolError

REMEMBERED_CALLS = 256
_DEADLINE = "the call's own time limit passed while the plugin ran; its worker was ended"

Reply: TypeAlias = "asyncio.Future[tuple[Header, bytes]]"


class WorkerGone(Exception):
    """The worker closed its connection or broke the protocol while something was awaited from it."""

    @property
    def left(self) -> bool:
        """Whether it closed its connection by itself: how it ended tells why."""
        return str(self) == LEFT


class CallsInFlight:
    """The replies that are awaited from one worker, by call. ``gone`` tells why none can come any more.

    A worker that is ``condemned`` may end the call that it has, and is given no other.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.gone: str | None = None
        self.condemned = False
        self._loop = loop
        self._replies: dict[str, Reply] = {}
        self._contexts: dict[str, ExecutionContext] = {}
        # Calls that ended here, so that a second answer to one of them is known for what it is.
        self._answered: deque[str] = deque(maxlen=REMEMBERED_CALLS)

    def __len__(self) -> int:
        return len(self._replies)

    def __contains__(self, key: str) -> bool:
        return key in self._replies

    def expect(self, key: str, context: ExecutionContext | None = None) -> Reply:
        """Await a reply from now on; it fails at once if the worker is gone."""
        reply = self._replies[key] = self._loop.create_future()
        if context is not None:
            self._contexts[key] = context
        if self.gone is not None:
            reply.set_exception(WorkerGone(self.gone))
        return reply

    def forget(self, key: str) -> None:
        """The reply has come, or nobody waits for it any more."""
        self._replies.pop(key, None)
        self._contexts.pop(key, None)
        self._answered.append(key)

    def limit(self, reply: Reply, timeout_s: float, deadline: float | None) -> asyncio.TimerHandle:
        """Fail the reply when the plugin's time is up, or the caller's, if that is sooner."""
        ends = self._loop.time() + timeout_s
        if deadline is not None and deadline < ends:
            # The caller's own limit says nothing of the plugin's health.
            return self._loop.call_at(deadline, _end_at_deadline, reply)
        return self._loop.call_at(ends, _time_out, reply, timeout_s)

    def fail(self, failure: Exception) -> bool:
        """Fail all that is awaited; tells whether anything was."""
        for reply in self._replies.values():
            _fail(reply, failure)
        return bool(self._replies)

    def take_frame(self, header: Header, body: bytes) -> None:
        """Hand a frame to whom it is for. Raises ProtocolError if that is nobody."""
        kind = header["kind"]
        if kind == PROGRESS:
            self._report(header)
            return
        first = kind in (SANDBOX, READY)
        key = kind if first else str(header.get("call"))
        reply = self._replies.get(key) if first or kind in (RESULT, ERROR) else None
        if (reply is None or reply.done()) and self._is_second_answer(kind, key):
            # The call that is in flight is not to blame: it may end, and the worker with it.
            self.condemned = True
            return
        if reply is None or reply.done():
            raise ProtocolError(f"a {kind!r:.40} that nobody waits for")
        if first:
            self.forget(key)
        reply.set_result((header, body))

    def _is_second_answer(self, kind: str, key: str) -> bool:
        """Tell whether a frame answers a call that had its answer, while another call waits for its own."""
        known = kind in (RESULT, ERROR) and (key in self._answered or key in self._replies)
        return known and any(not reply.done() for reply in self._replies.values())

    def _report(self, header: Header) -> None:
        context = self._contexts.get(str(header.get("call")))
        if context is not None and context.progress is not None:
            with contextlib.suppress(TypeError, ValueError, KeyError):
                done, total = float(header["done"]), float(header["total"])
                context.progress(context.call_id, done, total, str(header["message"])[:500])


def _fail(reply: Reply, failure: Exception) -> None:
    if not reply.done():
        reply.set_exception(failure)
        reply.exception()  # it may be that nobody waits for it any more: that is no news for the log


# The timers make their errors when they fire: an exception costs more than the rest of a call's set-up.
def _time_out(reply: Reply, timeout_s: float) -> None:
    said = f"the plugin did not answer within {timeout_s:g} s; its worker was ended"
    _fail(reply, CallEnded("plugin_timeout", said, limit_s=timeout_s))


def _end_at_deadline(reply: Reply) -> None:
    _fail(reply, CallEnded("deadline_exceeded", _DEADLINE))
