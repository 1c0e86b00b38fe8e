"""One worker process as the server sees it: frames in, frames out, and its end."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec

from app.governance.errors import (
    CallEnded,
    GovernedError,
    InputValidationError,
    OutputValidationError,
    PluginRaised,
    PluginRefused,
)
from app.governance.execution_context import ExecutionContext
from app.governance.isolation import Isolation, isolation_from
from app.plugins.sandbox.confinement import Confinement, WorkerSpec
from app.plugins.sandbox.launch import Launched, describe_exit, how_it_ended, launch
from app.plugins.sandbox.memory_watch import MemoryWatch
from app.plugins.sandbox.output_tail import OutputTail
from app.plugins.sandbox.process_tree import end_process_tree, wait_for_exit
from sightgate.protocol import (
    CALL,
    ERROR,
    INPUT,
    OUT_OF_MEMORY,
    OUTPUT,
    PREFIX,
    PROGRESS,
    READY,
    RESULT,
    STOP,
    UNAVAILABLE,
    Header,
    ProtocolError,
    check_lengths,
    decode_header,
    encode_frame_head,
)

# A result's header and a failure's traceback come on top of the result's own limit.
BODY_ALLOWANCE = 1024 * 1024
SELF_EXIT_S = 0.25
_DEADLINE = "the call's own time limit passed while the plugin ran; its worker was ended"


class WorkerFailure(msgspec.Struct, forbid_unknown_fields=True):
    """A failure as the worker describes it. See ``sightgate.execution.Failure``."""

    kind: str
    message: str = ""
    code: str = ""
    exception: str = ""
    traceback: str = ""
    details: dict[str, Any] = {}


class WorkerGone(Exception):
    """The worker closed its connection or broke the protocol while a call was in flight."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call used, as the worker measured it: CPU seconds, peak resident bytes of the worker."""

    cpu_s: float
    peak_bytes: int


class _Connection(asyncio.Protocol):
    """Cuts the stream into frames and hands them on; the first bad frame ends the connection."""

    def __init__(self, on_frame: Callable[[Header, bytes], None], on_end: Callable[[str], None], limit: int) -> None:
        self._on_frame = on_frame
        self._on_end = on_end
        self._limit = limit
        self._buffer = bytearray()
        self._needed = PREFIX.size
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        try:
            while len(buffer) >= self._needed:
                header_length, body_length = PREFIX.unpack_from(buffer)
                check_lengths(header_length, body_length, self._limit)
                end_of_header = PREFIX.size + header_length
                end = end_of_header + body_length
                if len(buffer) < end:
                    self._needed = end
                    return
                header = decode_header(bytes(buffer[PREFIX.size : end_of_header]))
                body = bytes(buffer[end_of_header:end])
                del buffer[:end]
                self._needed = PREFIX.size
                self._on_frame(header, body)
        except ProtocolError as broken:
            self._on_end(f"it broke the protocol: {broken}")
            if self.transport is not None:
                self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end("it closed its connection")


class WorkerProcess:
    """A running worker. One call at a time; after ``end`` it is of no more use."""

    def __init__(self, launched: Launched, spec: WorkerSpec, memory_means: str) -> None:
        loop = asyncio.get_running_loop()
        self.spec = spec
        self.isolation = Isolation()
        self.calls = 0
        self.idle_since = time.monotonic()
        self.call_id: str | None = None
        self.usage: Usage | None = None
        self._launched = launched
        self._loop = loop
        self._memory_means = memory_means
        self._output = OutputTail(loop, launched.output)
        self._memory = MemoryWatch(launched.process.pid, spec.memory_mb, self._too_much_memory)
        self._memory.start()
        self._transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[tuple[Header, bytes]] | None = None
        self._context: ExecutionContext | None = None
        self._gone: str | None = None
        self._ended: asyncio.Task[int] | None = None
        self._ending: asyncio.Task[Any] | None = None

    @classmethod
    async def start(cls, spec: WorkerSpec, confinement: Confinement) -> "WorkerProcess":
        """Start a process and connect to it; it is not ready yet. Raises OSError."""
        worker = cls(await launch(spec, confinement), spec, confinement.memory_means)
        limit = spec.max_result_bytes + BODY_ALLOWANCE
        transport, _ = await asyncio.get_running_loop().create_unix_connection(
            lambda: _Connection(worker._on_frame, worker._on_end, limit), sock=worker._launched.connection
        )
        worker._transport = transport
        return worker

    @property
    def pid(self) -> int:
        return self._launched.process.pid

    @property
    def alive(self) -> bool:
        return self._gone is None and self._ended is None

    def output(self, last: int = 4_000) -> str:
        """Return the end of what the worker printed, for the log."""
        return self._output.text(last)

    async def ready(self, within_s: float) -> list[dict[str, Any]]:
        """Wait for the manifests, and note the isolation. Raises WorkerGone or TimeoutError: end the worker then."""
        async with asyncio.timeout(within_s):
            header, body = await self._next_frame()
        if header["kind"] != READY:
            raise WorkerGone(f"it sent {header['kind']!r:.40} before it was ready")
        try:
            said = msgspec.json.decode(body)
            rows: list[dict[str, Any]] = said["plugins"]
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise TypeError("no list of objects")
        except (msgspec.DecodeError, RecursionError, KeyError, TypeError) as broken:
            raise WorkerGone("its manifest is not readable") from broken
        self.isolation = isolation_from(said.get("isolation"), self._memory_means)
        return rows

    async def call(
        self, call_id: str, payload: dict[str, Any], timeout_s: float, context: ExecutionContext | None
    ) -> Any:
        """Run one call. Raises GovernedError for what the plugin did; after CallEnded the worker has been ended.

        On a timeout, and when the caller is cancelled, the worker's processes are gone before this returns.
        """
        self.calls += 1
        self.call_id, self._context = call_id, context
        try:
            self._send_call(call_id, payload)
            header, body = await self._within(timeout_s, context.deadline if context is not None else None)
            return self._read_answer(header, body)
        except (CallEnded, asyncio.CancelledError):
            await self.end()
            raise
        finally:
            self.call_id = self._context = None

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

    def cancel_call(self) -> None:
        """Fail the call in flight as cancelled; the worker is ended by whoever awaits the call."""
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(CallEnded("cancelled"))

    async def _within(self, timeout_s: float, deadline: float | None) -> tuple[Header, bytes]:
        reply = self._next_frame()
        ends = self._loop.time() + timeout_s
        if deadline is not None and deadline < ends:
            # The caller's own limit says nothing of the plugin's health.
            timer = self._loop.call_at(deadline, _fail, reply, CallEnded("deadline_exceeded", _DEADLINE))
        else:
            said = f"the plugin did not answer within {timeout_s:g} s; its worker was ended"
            timer = self._loop.call_at(ends, _fail, reply, CallEnded("plugin_timeout", said, limit_s=timeout_s))
        try:
            return await reply
        except WorkerGone:
            raise await self._crashed() from None
        finally:
            timer.cancel()

    def _too_much_memory(self, resident: int) -> None:
        failure = self._out_of_memory(resident)
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(failure)
        else:  # between calls: nobody is told, the worker is replaced
            self._in_background(self.end())

    def _out_of_memory(self, peak_bytes: int) -> CallEnded:
        said = f"the plugin needed more than the {self.spec.memory_mb} MiB of memory it may use; its worker was ended"
        peak_mb = round(peak_bytes / 1024 / 1024)
        return CallEnded("plugin_out_of_memory", said, limit_mb=self.spec.memory_mb, peak_mb=peak_mb)

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        self._ending = self._loop.create_task(work)

    async def _crashed(self) -> CallEnded:
        """Return how the worker ended: by itself if it is doing so, else by our hand because it is of no use."""
        how = self._gone or "it left"
        ended_itself = True
        try:
            status = await wait_for_exit(self._launched.process, SELF_EXIT_S)
        except TimeoutError:
            ended_itself, status = False, 0
        group = self._launched.cgroup
        starved = group is not None and group.memory_ended_it()
        peak_bytes = max(group.peak_bytes() if group is not None else 0, self._memory.peak_bytes)
        await self.end()
        if starved:
            return self._out_of_memory(peak_bytes)
        if not ended_itself:
            return CallEnded(
                "plugin_crashed", f"the plugin's worker is unusable, {how}; it was ended", cause="protocol"
            )
        said = f"the plugin's worker ended with {how_it_ended(status)}"
        return CallEnded("plugin_crashed", said, **describe_exit(status))

    def _send_call(self, call_id: str, payload: dict[str, Any]) -> None:
        image: bytes = payload["image"]
        options = msgspec.json.encode(payload["options"])
        header = {"kind": CALL, "call": call_id, "mime_type": payload["mime_type"], "image": len(image)}
        head = encode_frame_head(header, len(image) + len(options))
        if self._transport is not None and not self._transport.is_closing():
            self._transport.writelines((head, image, options))

    def _next_frame(self) -> "asyncio.Future[tuple[Header, bytes]]":
        self._reply = self._loop.create_future()
        if self._gone is not None:
            self._reply.set_exception(WorkerGone(self._gone))
        return self._reply

    def _on_frame(self, header: Header, body: bytes) -> None:
        kind = header["kind"]
        if kind == PROGRESS:
            self._report(header)
            return
        expected = self._reply is not None and not self._reply.done()
        right_call = kind == READY or header.get("call") == self.call_id
        if not expected or not right_call or kind not in (READY, RESULT, ERROR):
            raise ProtocolError(f"a {kind!r:.40} that nobody waits for")
        assert self._reply is not None
        self._reply.set_result((header, body))

    def _report(self, header: Header) -> None:
        sink = self._context.progress if self._context is not None else None
        if sink is not None and header.get("call") == self.call_id:
            with contextlib.suppress(TypeError, ValueError, KeyError):
                sink(float(header["done"]), float(header["total"]), str(header["message"])[:500])

    def _on_end(self, how: str) -> None:
        if self._gone is None:
            self._gone = how
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(WorkerGone(self._gone))

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
        try:
            return await end_process_tree(self._launched.process, self._launched.mark)
        finally:
            if self._launched.cgroup is not None:
                await self._loop.run_in_executor(None, self._launched.cgroup.end)
            if self._transport is not None:
                self._transport.abort()
            self._output.text()
            self._output.close()
            await self._loop.run_in_executor(None, _remove, self._launched.scratch)


def _fail(reply: "asyncio.Future[tuple[Header, bytes]]", failure: CallEnded) -> None:
    if not reply.done():
        reply.set_exception(failure)


def error_of(failure: WorkerFailure) -> GovernedError:
    """Return a worker's failure as an error with a code of the table, whatever the worker claims."""
    if failure.kind == INPUT:
        code = failure.code if failure.code in ("undecodable_image", "invalid_options") else "invalid_options"
        return InputValidationError(code, failure.message, **_own_details(failure))
    if failure.kind == OUTPUT:
        code = "output_too_large" if failure.code == "output_too_large" else "invalid_output"
        return OutputValidationError(code, failure.message, **_own_details(failure))
    if failure.kind == UNAVAILABLE:
        return PluginRefused("plugin_unavailable", failure.message)
    return PluginRaised(failure.message, failure.exception[:200], failure.traceback)


def _own_details(failure: WorkerFailure) -> dict[str, Any]:
    """Details that cannot be mistaken for the envelope's own."""
    reserved = ("code", "retryable", "message", "job_id")
    return {name: value for name, value in failure.details.items() if name not in reserved}


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
