"""``python -m sightgate.worker FD``: hold one plugin, answer calls on a socket until the server leaves.

The server's first frame, ``hello``, names the source, the plugin (or none: describe all that are there and end), its
configuration and limits. See ``sightgate.protocol`` for the frames.
"""

import json
import math
import os
import resource
import site
import socket
import sys
import time
from pathlib import Path
from typing import Any

from sightgate.errors import SightgateError, Unavailable
from sightgate.execution import Failure, Runnable, call_plugin, call_plugin_batch, describe_exception, valid_unicode
from sightgate.loading import check_requirements, describe, load_classes, load_plugin
from sightgate.manifest import Source
from sightgate.protocol import (
    CALL,
    ERROR,
    HELLO,
    PROGRESS,
    READY,
    RESULT,
    SANDBOX,
    STOP,
    Channel,
    ProtocolError,
    from_json,
)
from sightgate.reporting import MAX_PROGRESS_TEXT, set_report
from sightgate.sandbox import Policy, apply, probe
from sightgate.sandbox.kernel import give_back_memory
from sightgate.segment import Segment

PROGRESS_EVERY_S = 0.05
# Between calls a worker keeps the memory of the last one for the next.
IDLE_AFTER_S = 5


class Worker:
    """One loaded plugin and the channel to the server."""

    def __init__(self, channel: Channel, hello: dict[str, Any]) -> None:
        self._channel = channel
        self._source = Source(**hello["source"])
        self._config: dict[str, Any] = hello.get("config") or {}
        self._max_result_bytes = int(hello["max_result_bytes"])
        segment = hello.get("segment")
        self._segment = Segment(*segment) if segment else None
        self._call_id = ""
        self._progress_sent = 0.0

    def describe_source(self) -> None:
        """Answer with a manifest or a failure for each plugin of the source; nothing is loaded."""
        try:
            classes = load_classes(self._source)
        except BaseException as raised:
            rows = [_failure_row("", raised)]
        else:
            rows = [self._describe(plugin_class) for plugin_class in classes]
        self._say_ready(rows)

    def serve(self, plugin_name: str) -> None:
        """Load the named plugin, say that it is ready, and answer calls until the server stops or leaves."""
        try:
            plugin, row = self._load(plugin_name)
        except SystemExit:
            raise
        except BaseException as raised:
            self._say_ready([_failure_row(plugin_name, raised)])
            return
        set_report(self._send_progress)
        self._channel.call_when_idle(IDLE_AFTER_S, give_back_memory)
        self._say_ready([row])
        while (received := self._channel.receive_head()) is not None:
            header, body_length = received
            if header["kind"] == STOP:
                break
            if header["kind"] != CALL:
                raise ProtocolError(f"a worker does not take {header['kind']!r:.40}")
            calls = [self._receive_call(header, body_length)]
            while len(calls) < int(header.get("batch", 1)):
                calls.append(self._receive_next_of_batch())
            self._answer(plugin, calls)
        close = getattr(plugin, "close", None)
        if callable(close):
            close()

    def _say_ready(self, rows: list[dict[str, Any]]) -> None:
        self._channel.send({"kind": READY}, json.dumps({"plugins": rows}).encode())

    def _load(self, plugin_name: str) -> tuple[Runnable, dict[str, Any]]:
        for plugin_class in load_classes(self._source):
            if getattr(plugin_class, "name", None) == plugin_name:
                plugin: Runnable = plugin_class()
                check_requirements(plugin, self._config)
                row = {"manifest": describe(plugin_class).to_data()}
                load_plugin(plugin, self._config)
                return plugin, row
        raise SightgateError(f"there is no plugin {plugin_name!r} here any more")

    def _describe(self, plugin_class: type) -> dict[str, Any]:
        name = str(getattr(plugin_class, "name", ""))
        try:
            manifest = describe(plugin_class).to_data()
            check_requirements(plugin_class(), self._config_of(name))
        except BaseException as raised:
            return _failure_row(name, raised)
        return {"manifest": manifest}

    def _config_of(self, name: str) -> dict[str, Any]:
        """While a source is described, the configurations of all plugins are given, by name."""
        config: dict[str, Any] = self._config.get(name) or {}
        return config

    def _receive_next_of_batch(self) -> tuple[str, dict[str, Any]]:
        received = self._channel.receive_head()
        if received is None or received[0]["kind"] != CALL:
            raise ProtocolError("the server did not send the whole batch")
        return self._receive_call(*received)

    def _receive_call(self, header: dict[str, Any], body_length: int) -> tuple[str, dict[str, Any]]:
        image_length = int(header["image"])
        if "shared_at" in header and self._segment is not None:
            image = self._segment.read(int(header["shared_at"]), image_length)
            options = from_json(self._channel.read(body_length))
        else:
            if not 0 <= image_length <= body_length:
                raise ProtocolError("the image is longer than the body")
            image = self._channel.read(image_length)
            options = from_json(self._channel.read(body_length - image_length))
        return header["call"], {"image": image, "mime_type": header["mime_type"], "options": options}

    def _answer(self, plugin: Runnable, calls: list[tuple[str, dict[str, Any]]]) -> None:
        self._call_id = calls[0][0]
        cpu_before = time.process_time()
        if len(calls) == 1:
            answers = [call_plugin(plugin, calls[0][1], self._max_result_bytes)]
        else:
            answers = call_plugin_batch(plugin, [payload for _, payload in calls], self._max_result_bytes)
        cpu_s = (time.process_time() - cpu_before) / len(calls)
        used = {"cpu_s": cpu_s, "peak_bytes": _peak_bytes()}
        for (call_id, _), answer in zip(calls, answers, strict=True):
            if isinstance(answer, Failure):
                self._channel.send({"kind": ERROR, "call": call_id, **used}, answer.encode())
            else:
                self._channel.send({"kind": RESULT, "call": call_id, **used}, answer)

    def _send_progress(self, done: float, total: float, message: str) -> None:
        now = time.monotonic()
        if done < total and now - self._progress_sent < PROGRESS_EVERY_S:
            return
        # A share that cannot be computed, such as 0/0, is not worth a call: strict JSON has no word for it.
        if not (_is_finite(done) and _is_finite(total)):
            return
        self._progress_sent = now
        said = {"done": float(done), "total": float(total), "message": valid_unicode(str(message)[:MAX_PROGRESS_TEXT])}
        self._channel.send({"kind": PROGRESS, "call": self._call_id, **said})


def _failure_row(name: str, raised: BaseException) -> dict[str, Any]:
    failure = describe_exception(raised)
    missing = isinstance(raised, (Unavailable, ModuleNotFoundError))
    reason = failure.message if isinstance(raised, SightgateError) else f"{failure.exception}: {failure.message}"
    return {"name": name, "unavailable": missing, "reason": reason, "traceback": failure.traceback}


def enter_sandbox(hello: dict[str, Any]) -> dict[str, Any]:
    """Apply the policy, before any of the plugin's code is imported; return what it came to, for the server."""
    policy, server_pid = Policy.from_data(hello["policy"]), int(hello["server_pid"])
    missing = apply(policy, server_pid)
    return {"missing": missing, "tried": probe(policy.canary, str(Path.cwd()), server_pid)}


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond what a float can be
        return False


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(connection: socket.socket) -> None:
    connection.set_inheritable(False)
    channel = Channel(connection, max_body_bytes=0xFFFF_FFFF)
    received = channel.receive_head()
    if received is None:
        return
    header, body_length = received
    if header["kind"] != HELLO:
        raise ProtocolError("the first frame must be hello")
    hello = json.loads(channel.read(body_length))
    # Told before any of the plugin's code is imported, so that it cannot be the plugin's invention.
    channel.send({"kind": SANDBOX}, json.dumps(enter_sandbox(hello)).encode())
    if sys.flags.no_site:  # in an own environment, whose start files are the plugin's code too
        site.main()
    worker = Worker(channel, hello)
    if hello.get("plugin"):
        worker.serve(hello["plugin"])
    else:
        worker.describe_source()


def _exit_code(asked: SystemExit) -> int:
    if asked.code is None or isinstance(asked.code, int):
        return (asked.code or 0) & 0xFF
    return 1


if __name__ == "__main__":
    # The end must not wait for threads or exit handlers that a plugin left behind. The connection is held until then:
    # the server kills a worker whose connection has closed, and would not learn its exit code.
    held = socket.socket(fileno=int(sys.argv[1]))
    try:
        main(held)
    except SystemExit as asked:
        status = _exit_code(asked)
    except BaseException as raised:
        sys.stderr.write(describe_exception(raised).traceback)
        status = 70
    else:
        status = 0
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
