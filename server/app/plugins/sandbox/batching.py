"""Workers that take several calls at once: what waits is collected, a worker analyzes it together."""

import asyncio
import contextlib
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from app.governance.errors import CallEnded, PluginRefused
from app.governance.execution_context import current_execution
from app.plugins.sandbox.pool import ProcessWorkers, ended_by_itself
from app.plugins.sandbox.worker_process import Call, WorkerProcess


@dataclass(slots=True)
class _Waiting:
    """A call that waits for its answer. ``alone``: its first worker ended with others in it; it is called by itself."""

    call: Call
    answer: "asyncio.Future[Any]"
    since: float = field(default_factory=time.monotonic)
    alone: bool = False

    def give(self, answer: Any) -> None:
        """Answer the caller, with a result or an exception, unless it has left."""
        if self.answer.done():
            return
        if isinstance(answer, Exception):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Calls that one worker analyzes together."""

    worker: WorkerProcess
    calls: list[_Waiting]

    def is_awaited(self) -> bool:
        """Tell whether anybody still waits for an answer."""
        return any(not waiting.answer.done() for waiting in self.calls)

    def find(self, call_id: str) -> _Waiting | None:
        """Return the call, unless it has its answer."""
        return next((one for one in self.calls if one.call.id == call_id and not one.answer.done()), None)


class BatchingWorkers(ProcessWorkers):
    """Hands a free worker up to ``max_batch`` calls, after waiting at most ``batch_wait_ms`` for more of them.

    Each call keeps its own input, answer, error and figures. A caller that leaves, and a call that is killed, only give
    up their own answer: the worker goes on for the others, and is ended when there are none.

    When a worker ends with several calls in it, nobody can tell whose fault that was. Those that it has not answered
    are called once more, before all others and each by itself: whoever ends a worker then is told so, and no other is.
    """

    _queue: "deque[_Waiting]"
    _more: asyncio.Event
    _collecting: "asyncio.Task[None] | None"
    _batches: list[_Batch]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._queue = deque()
        self._more = asyncio.Event()
        self._collecting = None
        self._batches = []

    @property
    def capacity(self) -> int:
        return self._limits.workers * self._limits.max_batch

    async def run_async(self, payload: dict[str, Any]) -> Any:
        context = current_execution()
        call = Call(context.call_id if context is not None else uuid.uuid4().hex, payload, context)
        waiting = _Waiting(call, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._collect_soon()
        deadline = context.deadline if context is not None else None
        try:
            async with asyncio.timeout_at(deadline):
                return await waiting.answer
        except TimeoutError:
            raise CallEnded("deadline_exceeded") from None
        finally:
            await self._end_if_unawaited(call.id)

    async def kill(self, call_id: str) -> bool:
        for waiting in self._queue:
            if waiting.call.id == call_id and not waiting.answer.done():
                waiting.answer.set_exception(CallEnded("cancelled"))
                return True
        for batch in self._batches:
            found = batch.find(call_id)
            if found is not None:
                found.answer.set_exception(CallEnded("cancelled"))
                return True
        return False

    async def _end_if_unawaited(self, call_id: str) -> None:
        """End the worker of a batch that is still running when the last of its callers has left."""
        for batch in self._batches:
            if batch.worker.serves(call_id) and not batch.is_awaited():
                batch.worker.cancel_calls()
                await batch.worker.end()
                return

    def _collect_soon(self) -> None:
        self._more.set()
        if self._collecting is None:
            self._collecting = asyncio.get_running_loop().create_task(self._collect())

    async def _collect(self) -> None:
        try:
            while self._queue:
                await self._start_batch()
        finally:
            self._collecting = None

    async def _start_batch(self) -> None:
        try:
            worker = await self._take()
        except Exception as refused:  # told to a caller, who sorts it: the gate
            if self._queue[0].alone and isinstance(refused, PluginRefused) and refused.code == "overloaded":
                return  # it waits behind those that it was together with, and has waited its turn: it keeps its place
            self._queue.popleft().give(refused)
            return
        await self._wait_for_more()
        batch = self._next_batch()
        if batch:
            self._in_background(self._run_batch(worker, batch))
        else:
            self._give_back(worker)

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        while self._queue and len(batch) < self._limits.max_batch:
            waiting = self._queue.popleft()
            if not waiting.answer.done():  # its caller may have left
                batch.append(waiting)
                if waiting.alone:
                    break
        return batch

    async def _wait_for_more(self) -> None:
        left_s = self._limits.batch_wait_ms / 1000
        if self._queue:
            left_s -= time.monotonic() - self._queue[0].since
        ends = time.monotonic() + left_s
        while self._wants_more() and (left_s := ends - time.monotonic()) > 0:
            self._more.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._more.wait()

    def _wants_more(self) -> bool:
        return 0 < len(self._queue) < self._limits.max_batch and not self._queue[0].alone

    async def _run_batch(self, worker: WorkerProcess, batch: list[_Waiting]) -> None:
        for waiting in batch:
            if waiting.call.context is not None:
                waiting.call.context.worker_pid = worker.pid
        running = _Batch(worker, batch)
        self._batches.append(running)
        try:
            answers = await worker.call_batch([waiting.call for waiting in batch], self._limits.timeout_s)
        finally:
            self._batches.remove(running)
        alone = len(batch) == 1
        ended = next((answer for answer in answers if isinstance(answer, CallEnded)), None)
        if ended is None:
            self._give_back(worker)
        else:
            self._let_go_of_ended(worker, ended, len(batch))
            await self._keep_evidence(worker, ended, batch[0].call.payload["image"] if alone else None)
        suspects = []
        for waiting, answer in zip(batch, answers, strict=True):
            if not alone and ended_by_itself(answer):
                suspects.append(waiting)
            else:
                waiting.give(answer)
        self._call_again(suspects)

    def _call_again(self, suspects: list[_Waiting]) -> None:
        """Put calls whose worker ended before all others, each to be called by itself."""
        for waiting in reversed(suspects):
            waiting.alone = True
            self._queue.appendleft(waiting)
        if suspects:
            self._collect_soon()
