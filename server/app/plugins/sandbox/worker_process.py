"""One worker process as the server sees it: frames in, frames out, and its end."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from app.governance.errors import CallEnded, GovernedError, OutputValidationError
from app.governance.execution_context import ExecutionContext
from app.governance.isolation import Isolation, isolation_from
from app.plugins.sandbox.calls_in_flight import CallsInFlight, Reply, WorkerGone
from app.plugins.sandbox.confinement import Confinement, WorkerSpec
from app.plugins.sandbox.launch import Launched, describe_exit, how_it_ended, launch
from app.plugins.sandbox.memory_watch import MemoryWatch
from app.plugins.sandbox.output_tail import OutputTail
from app.plugins.sandbox.process_tree import end_process_tree, wait_for_exit
from app.plugins.sandbox.remove_tree import remove_tree
from app.plugins.sandbox.scratch_watch import MOST_FILES, ScratchUse, ScratchWatch
from app.plugins.sandbox.worker_connection import LEFT, WorkerConnection, to_json
from app.plugins.sandbox.worker_failure import WorkerFailure, error_of
from sightgate.protocol import (
    CALL,
    OUT_OF_MEMORY,
    READY,
    RESULT,
    SANDBOX,
    STOP,
    Header,
    encode_frame_head,
)

# A result's header and a failure's traceback come on top of the result's own limit.
BODY_ALLOWANCE = 1024 * 1024
SELF_EXIT_S = 1.0
REMOVAL_S = 0.2
HEADLESS = "its main thread ended and others run on"


@dataclass(frozen=True, slots=True)
class Call:
    """One call for a worker: what it is about, and who asks."""

    id: str
    payload: Mapping[str, Any]
    context: ExecutionContext | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call used, as the worker measured it: CPU seconds, peak resident bytes of the worker."""

    cpu_s: float
    peak_bytes: int


class WorkerProcess:
    """A running worker. One call, or one batch of calls, at a time; after ``end`` it is of no more use."""

    def __init__(self, launched: Launched, spec: WorkerSpec, memory_means: str) -> None:
        loop = asyncio.get_running_loop()
        self.spec = spec
        self.isolation = Isolation()
        self.calls = 0
        self.idle_since = time.monotonic()
        self.on_gone: Callable[[WorkerProcess], None] | None = None
        self.usage: Usage | None = None
        self._launched = launched
        self._loop = loop
        self._memory_means = memory_means
        self._output = OutputTail(loop, launched.output)
        self._memory = MemoryWatch(
            launched.process.pid, spec.memory_mb, self._too_much_memory, lambda: self._on_end(HEADLESS)
        )
        self._memory.start()
        self._scratch = ScratchWatch(launched.scratch, launched.process.pid, spec.scratch_mb, self._too_much_disk)
        self._scratch.start()
        self._transport: asyncio.Transport | None = None
        self._connection: WorkerConnection | None = None
        self._owed = CallsInFlight(loop)
        self._ended: asyncio.Task[int] | None = None
        # Before it is connected: a quick worker, or a slow loop, and these come before anybody waits for them.
        self._first_words = (self._owed.expect(SANDBOX), self._owed.expect(READY))

    @classmethod
    async def start(cls, spec: WorkerSpec, confinement: Confinement) -> "WorkerProcess":
        """Start a process and connect to it; it is not ready yet. Raises OSError.

        If the caller leaves meanwhile, what was started is ended before this raises.
        """
        launching = asyncio.ensure_future(launch(spec, confinement))
        try:
            worker = cls(await asyncio.shield(launching), spec, confinement.memory_means)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):  # the thread goes on: what it starts would be nobody's
                await cls(await launching, spec, confinement.memory_means).end()
            raise
        try:
            await worker._connect()
        except BaseException:
            await worker.end()
            raise
        return worker

    async def _connect(self) -> None:
        limit = self.spec.max_result_bytes + BODY_ALLOWANCE
        self._transport, self._connection = await self._loop.create_unix_connection(
            lambda: WorkerConnection(self._owed.take_frame, self._on_end, limit), sock=self._launched.connection
        )

    @property
    def pid(self) -> int:
        return self._launched.process.pid

    @property
    def alive(self) -> bool:
        owed = self._owed
        return owed.gone is None and self._ended is None and not owed.condemned and not self._within_a_frame

    @property
    def fault(self) -> str:
        """Return why a worker that was not asked to end is of no more use."""
        if self._owed.gone is not None:
            return self._owed.gone
        return "it answered a call twice" if self._owed.condemned else "it left a frame unfinished"

    @property
    def _within_a_frame(self) -> bool:
        """Whether something that is no whole frame was left behind an answer: the next answer would be read into it."""
        return self._connection is not None and self._connection.within_a_frame

    def output(self, last: int = 4_000) -> str:
        """Return the end of what the worker printed, for the log."""
        return self._output.text(last)

    async def ready(self, within_s: float) -> list[dict[str, Any]]:
        """Wait for the manifests, and note the isolation.

        Raises WorkerGone, TimeoutError, and CallEnded if the plugin takes more than it may meanwhile; end it then.
        """
        sandbox, ready = self._first_words
        async with asyncio.timeout(within_s):
            _, report = await sandbox
            _, body = await ready
        try:
            self.isolation = isolation_from(msgspec.json.decode(report), self._memory_means)
            said = msgspec.json.decode(body)
            rows: list[dict[str, Any]] = said["plugins"]
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise TypeError("no list of objects")
        except (msgspec.DecodeError, RecursionError, KeyError, TypeError) as broken:
            raise WorkerGone("its manifest is not readable") from broken
        return rows

    async def call(self, call: Call, timeout_s: float) -> Any:
        """Run one call. Raises GovernedError for what the plugin did; after CallEnded the worker has been ended.

        On a timeout, and when the caller is cancelled, the worker's processes are gone before this returns.
        """
        self.calls += 1
        reply = self._owed.expect(call.id, call.context)
        timer = self._owed.limit(reply, timeout_s, call.context.deadline if call.context is not None else None)
        try:
            self._send_call(call, 1)
            header, body = await reply
            return self._read_answer(header, body)
        except WorkerGone:
            raise await self._crashed() from None
        except (CallEnded, asyncio.CancelledError):
            await self.end()
            raise
        finally:
            timer.cancel()
            self._forget(call.id)

    async def call_batch(self, calls: Sequence[Call], timeout_s: float) -> list[Any]:
        """Run calls together; return for each its result, or the GovernedError that it has instead of one.

        Their fate is one where the worker is concerned: a time-out or a crash is every call's. When this is
        cancelled, the worker is ended.
        """
        self.calls += len(calls)
        replies = [self._owed.expect(call.id, call.context) for call in calls]
        timers = [self._owed.limit(reply, timeout_s, None) for reply in replies]
        try:
            for call in calls:
                self._send_call(call, len(calls))
            await asyncio.wait(replies)
            answers = [self._answer_of(reply) for reply in replies]
            if any(isinstance(answer, WorkerGone) for answer in answers):
                crashed = await self._crashed()
                return [crashed if isinstance(answer, WorkerGone) else answer for answer in answers]
            if any(isinstance(answer, CallEnded) for answer in answers):
                await self.end()
            return answers
        except asyncio.CancelledError:
            await self.end()
            raise
        finally:
            for call, timer in zip(calls, timers, strict=True):
                timer.cancel()
                self._forget(call.id)

    def serves(self, call_id: str) -> bool:
        """Tell whether this call is in flight here."""
        return call_id in self._owed

    async def end(self) -> int:
        """Kill the worker and all it started; return its exit status. Safe to call again."""
        if self._ended is None:
            self._ended = self._loop.create_task(self._end())
        return await asyncio.shield(self._ended)

    async def stop(self, within_s: float = 2.0) -> None:
        """Ask the worker to end by itself, so that the plugin's ``close`` runs; kill it after ``within_s``."""
        if self.alive and self._transport is not None:
            self._transport.write(encode_frame_head({"kind": STOP}, 0))
            with contextlib.suppress(TimeoutError):
                await wait_for_exit(self._launched.process, within_s)
        await self.end()

    def grown_mb(self) -> float:
        """Return how many MiB of memory the worker keeps beyond what it had when this was first asked."""
        return self._memory.grown_bytes() / 1024 / 1024

    def cancel_calls(self) -> None:
        """Fail what is in flight as cancelled; the worker is ended by whoever awaits it."""
        self._owed.fail(CallEnded("cancelled"))

    def _too_much_memory(self, resident: int) -> None:
        if not self._owed.fail(self._out_of_memory(resident)):  # between calls: nobody is told, the worker is replaced
            self._on_end("it had more memory than it may")

    def _too_much_disk(self, use: ScratchUse) -> None:
        used_mb, most = round(use.used_bytes / 1024 / 1024), self.spec.scratch_mb
        said = f"the plugin kept more in its scratch folder than the {most} MiB and {MOST_FILES:,} files it may"
        failure = CallEnded("plugin_out_of_disk", f"{said}; its worker was ended", limit_mb=most, used_mb=used_mb)
        if not self._owed.fail(failure):
            self._on_end("it kept more in its scratch folder than it may")

    def _out_of_memory(self, peak_bytes: int) -> CallEnded:
        said = f"the plugin needed more than the {self.spec.memory_mb} MiB of memory it may use; its worker was ended"
        peak_mb = round(peak_bytes / 1024 / 1024)
        return CallEnded("plugin_out_of_memory", said, limit_mb=self.spec.memory_mb, peak_mb=peak_mb)

    async def _crashed(self) -> CallEnded:
        """Return how the worker ended: by itself if it is doing so, else by our hand because it is of no use."""
        how = self._owed.gone or "it left"
        status = None
        if how == LEFT:  # else it is we who broke off, and how it ends now says nothing
            with contextlib.suppress(TimeoutError):
                status = await wait_for_exit(self._launched.process, SELF_EXIT_S)
        group = self._launched.cgroup
        starved = group is not None and group.memory_ended_it()
        peak_bytes = max(group.peak_bytes() if group is not None else 0, self._memory.peak_bytes)
        await self.end()
        if starved:
            return self._out_of_memory(peak_bytes)
        if status is None:
            cause = "main_thread" if how == HEADLESS else "protocol"
            return CallEnded("plugin_crashed", f"the plugin's worker is unusable, {how}; it was ended", cause=cause)
        said = f"the plugin's worker ended with {how_it_ended(status)}"
        return CallEnded("plugin_crashed", said, **describe_exit(status))

    def _send_call(self, call: Call, batch: int) -> None:
        image: bytes = call.payload["image"]
        options = msgspec.json.encode(call.payload["options"])
        mime_type = call.payload["mime_type"]
        header = {"kind": CALL, "call": call.id, "mime_type": mime_type, "image": len(image), "batch": batch}
        if self._transport is None or self._transport.is_closing():
            return
        segment = self._launched.segment
        start = segment.put(image) if segment is not None else None
        if start is None:
            head = encode_frame_head(header, len(image) + len(options), to_json)
            self._transport.writelines((head, image, options))
        else:
            head = encode_frame_head({**header, "shared_at": start}, len(options), to_json)
            self._transport.write(head + options)

    def _forget(self, key: str) -> None:
        self._owed.forget(key)
        if not self._owed and self._launched.segment is not None and self._ended is None:
            self._launched.segment.clear()

    def _on_end(self, how: str) -> None:
        if self._owed.gone is not None:
            return
        self._owed.gone = how
        if not self._owed.fail(WorkerGone(how)) and self.on_gone is not None:
            self.on_gone(self)

    def _answer_of(self, reply: Reply) -> Any:
        try:
            return self._read_answer(*reply.result())
        except (GovernedError, WorkerGone) as failure:
            return failure

    def _read_answer(self, header: Header, body: bytes) -> Any:
        with contextlib.suppress(TypeError, ValueError, KeyError):
            self.usage = Usage(float(header["cpu_s"]), int(header["peak_bytes"]))
        try:
            if header["kind"] == RESULT:
                return msgspec.json.decode(body)
            failure = msgspec.json.decode(body, type=WorkerFailure)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as unusable:
            # A worker makes strict JSON: this one was forged by the plugin, or the worker is broken.
            raise OutputValidationError("invalid_output", f"the result is not JSON: {unusable}") from None
        if failure.kind == OUT_OF_MEMORY:
            raise self._out_of_memory(self.usage.peak_bytes if self.usage is not None else 0)
        raise error_of(failure)

    async def _end(self) -> int:
        self._memory.close()
        self._scratch.close()
        try:
            return await end_process_tree(self._launched.process, self._launched.mark)
        finally:
            if self._launched.cgroup is not None:
                await self._loop.run_in_executor(None, self._launched.cgroup.end)
            if self._transport is not None:
                self._transport.abort()
            else:
                self._launched.connection.close()
            if self._launched.segment is not None:
                self._launched.segment.close()
            self._output.text()
            self._output.close()
            # A plugin can leave so much that its removal takes long: nobody waits for all of that.
            removal = self._loop.run_in_executor(None, remove_tree, self._launched.scratch)
            await asyncio.wait({removal}, timeout=REMOVAL_S)
