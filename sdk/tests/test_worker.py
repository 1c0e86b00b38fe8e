"""The worker's main over a socket pair: what the server sends and gets, driven by the test."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sightgate.manifest import Source
from sightgate.protocol import Channel
from sightgate.sandbox import Policy

WritePlugin = Callable[[str, str], Source]
MAX_RESULT_BYTES = 1024 * 1024
PATIENCE_S = 60


class Driver:
    """A worker process and the server's end of its socket."""

    def __init__(self) -> None:
        self.connection, theirs = socket.socketpair()
        self.connection.settimeout(PATIENCE_S)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-u", "-m", "sightgate.worker", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        self.channel = Channel(self.connection, 64 * 1024 * 1024)

    def hello(self, source: Source, plugin: str = "", memory_mb: int = 0, **more: Any) -> None:
        # What the kernel denies has tests of its own; here the plugins write files for the test to see.
        policy = Policy(enforce=False, memory_mb=memory_mb)
        said = {"source": source.to_data(), "plugin": plugin, "server_pid": os.getpid(), "policy": policy.to_data()}
        said |= {"max_result_bytes": MAX_RESULT_BYTES, **more}
        self.channel.send({"kind": "hello"}, json.dumps(said).encode())

    def start(self, source: Source, plugin: str, **more: Any) -> dict[str, Any]:
        """Say hello and return the one row of the answer."""
        self.hello(source, plugin, **more)
        return self.rows()[0]

    def rows(self) -> list[dict[str, Any]]:
        # What the sandbox came to is told first, before any of the plugin's code is imported.
        assert self.receive()[0]["kind"] == "sandbox"
        header, body = self.receive()
        assert header["kind"] == "ready"
        return json.loads(body)["plugins"]

    def call(self, call_id: str = "c1", image: bytes = b"image", **options: Any) -> tuple[dict[str, Any], Any]:
        self.send_call(call_id, image, **options)
        header, body = self.receive()
        return header, json.loads(body)

    def send_call(self, call_id: str = "c1", image: bytes = b"image", **options: Any) -> None:
        header = {"kind": "call", "call": call_id, "mime_type": "image/png", "image": len(image)}
        self.channel.send(header, image + json.dumps(options).encode())

    def receive(self) -> tuple[dict[str, Any], bytes]:
        received = self.channel.receive_head()
        assert received is not None, "the worker left"
        header, body_length = received
        return header, self.channel.read(body_length)

    def left(self) -> bool:
        """Whether the next thing that comes is the worker's end."""
        try:
            return self.channel.receive_head() is None
        except ConnectionResetError:
            return True

    def end(self) -> tuple[int, str]:
        """Wait until the worker has ended by itself; return its exit status and what it printed."""
        printed, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, printed.decode(errors="replace")


@pytest.fixture
def worker() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.connection.close()
    driver.process.kill()
    driver.process.communicate()


@pytest.fixture
def scripted(write_plugin: WritePlugin) -> Source:
    """A plugin that does as its options say."""
    return write_plugin(
        "worker_scripted",
        """
        import os, sys, time
        import sightgate

        class Scripted:
            name = "scripted"
            calls = 0

            def run(self, payload):
                options = payload["options"]
                self.calls += 1
                if "exit" in options:
                    raise SystemExit(*options["exit"])
                if "hard_exit" in options:
                    os._exit(options["hard_exit"])
                if "raise" in options:
                    raise ValueError(options["raise"])
                if "blame" in options:
                    raise sightgate.InputError("wrong", field=options["blame"])
                if "memory" in options:
                    return {"length": len(bytearray(options["memory"]))}
                if "noise" in options:
                    print("printed")
                    os.write(1, b"raw " + bytes(range(256)) * options["noise"])
                    sys.stderr.write("to stderr\\n")
                if "steps" in options:
                    for step in range(options["steps"]):
                        sightgate.progress(step + 1, options["steps"], f"step {step + 1}")
                if "reports" in options:
                    for done, total, message in options.pop("reports"):
                        sightgate.progress(float(done), float(total), message)
                if "file" in options:
                    open(options["file"], "w").close()
                    time.sleep(600)
                return {"calls": self.calls, "bytes": len(payload["image"]), "mime_type": payload["mime_type"],
                        "options": options}
        """,
    )


def test_without_a_plugins_name_the_worker_describes_all_and_ends(worker: Driver, write_plugin: WritePlugin) -> None:
    source = write_plugin(
        "worker_several",
        """
        class Good:
            name = "good"
            version = "1.0"
            def run(self, payload): ...

        class BadName:
            name = "Bad Name"
            def run(self, payload): ...

        class Missing:
            name = "missing"
            requires = ("a_module_that_is_nowhere",)
            def run(self, payload): ...

        class Choosy:
            name = "choosy"
            def unavailable(self, config):
                return None if config.get("model") else "set model"
            def run(self, payload): ...

        class Leaves:
            name = "leaves"
            def __init__(self):
                raise SystemExit(3)
            def run(self, payload): ...
        """,
    )
    worker.hello(source, config={"choosy": {"model": "a.onnx"}, "good": {}})
    good, bad_name, missing, choosy, leaves = worker.rows()
    assert good["manifest"]["version"] == "1.0"
    assert "name must be" in bad_name["reason"]
    assert bad_name["unavailable"] is False
    assert missing["unavailable"] is True
    assert "a_module_that_is_nowhere" in missing["reason"]
    assert choosy["manifest"]["name"] == "choosy"
    assert "SystemExit" in leaves["reason"]
    assert worker.end() == (0, "")


@pytest.mark.parametrize(
    ("text", "unavailable", "said"),
    [
        ("def broken(:\n", False, "SyntaxError"),
        ("import a_module_that_is_nowhere\n", True, "a_module_that_is_nowhere"),
        ("raise SystemExit('no')\n", False, "SystemExit"),
        ("x = 1\n", False, "no class here"),
    ],
)
def test_a_source_that_cannot_be_imported_is_one_row_with_the_reason(
    worker: Driver, write_plugin: WritePlugin, text: str, unavailable: bool, said: str
) -> None:
    worker.hello(write_plugin("worker_broken", text))
    (row,) = worker.rows()
    assert row["unavailable"] is unavailable
    assert said in row["reason"]
    assert worker.end()[0] == 0


def test_a_call_is_answered_with_its_id_and_what_it_used(worker: Driver, scripted: Source) -> None:
    assert worker.start(scripted, "scripted")["manifest"]["name"] == "scripted"
    header, result = worker.call("c-77", b"x" * 300_000, most=3)
    assert (header["kind"], header["call"]) == ("result", "c-77")
    assert header["cpu_s"] >= 0
    assert header["peak_bytes"] > 1_000_000
    assert result == {"calls": 1, "bytes": 300_000, "mime_type": "image/png", "options": {"most": 3}}


def test_the_same_plugin_object_answers_call_after_call(worker: Driver, scripted: Source) -> None:
    worker.start(scripted, "scripted")
    assert [worker.call(f"c{number}")[1]["calls"] for number in range(5)] == [1, 2, 3, 4, 5]


def test_a_plugin_that_raises_is_an_error_frame_and_the_next_call_is_answered(worker: Driver, scripted: Source) -> None:
    worker.start(scripted, "scripted")
    how: dict[str, Any] = {"raise": "not today"}
    header, failure = worker.call("c1", **how)
    assert (header["kind"], header["call"]) == ("error", "c1")
    assert (failure["kind"], failure["exception"], failure["message"]) == ("raised", "ValueError", "not today")
    assert "worker_scripted.py" in failure["traceback"]
    assert worker.call("c2")[0]["kind"] == "result"


def test_blame_on_the_input_keeps_its_details(worker: Driver, scripted: Source) -> None:
    worker.start(scripted, "scripted")
    _, failure = worker.call(blame="options.most")
    assert (failure["kind"], failure["code"], failure["details"]) == (
        "input",
        "invalid_options",
        {"field": "options.most"},
    )


def test_progress_comes_before_the_result_and_its_last_step_always(worker: Driver, scripted: Source) -> None:
    worker.start(scripted, "scripted")
    worker.send_call("c1", steps=200)
    steps = []
    while (received := worker.receive())[0]["kind"] == "progress":
        steps.append(received[0])
    assert received[0]["kind"] == "result"
    assert all((step["call"], step["total"]) == ("c1", 200.0) for step in steps)
    assert steps[-1]["done"] == 200.0
    assert steps[-1]["message"] == "step 200"
    assert [step["done"] for step in steps] == sorted(step["done"] for step in steps)


@pytest.mark.parametrize("wrong", [["nan", 1], [1, "nan"], ["inf", "inf"], ["-inf", 1]])
def test_progress_that_is_no_finite_number_is_dropped(worker: Driver, scripted: Source, wrong: list[Any]) -> None:
    worker.start(scripted, "scripted")
    worker.send_call("c1", reports=[[*wrong, "dropped"], [1, 1, "kept"]])
    assert (worker.receive()[0]["kind"], worker.receive()[0]["kind"]) == ("progress", "result")
    assert worker.call("c2")[0]["kind"] == "result"


@pytest.mark.parametrize(
    ("message", "told"),
    [("\ud800 half", "? half"), ("\ud83d\udc00" * 300, "\U0001f400" * 300), ("x" * 9_000, "x" * 500)],
)
def test_a_progress_message_is_bounded_valid_unicode(worker: Driver, scripted: Source, message: str, told: str) -> None:
    worker.start(scripted, "scripted")
    worker.send_call("c1", reports=[[1, 1, message]])
    header, _ = worker.receive()
    assert (header["kind"], header["message"]) == ("progress", told)
    assert worker.receive()[0]["kind"] == "result"


def test_what_a_plugin_prints_does_not_reach_the_wire(worker: Driver, scripted: Source) -> None:
    worker.start(scripted, "scripted")
    assert worker.call(noise=2)[0]["kind"] == "result"
    assert worker.call()[0]["kind"] == "result"
    worker.channel.send({"kind": "stop"})
    status, printed = worker.end()
    assert status == 0
    assert "printed" in printed
    assert "raw" in printed
    assert "to stderr" in printed


@pytest.mark.parametrize(
    ("argument", "status"), [([], 0), ([0], 0), ([3], 3), ([263], 7), (["bye"], 1), ([True], 1), ([None], 0)]
)
def test_system_exit_ends_the_worker_with_its_code(
    worker: Driver, scripted: Source, argument: list[Any], status: int
) -> None:
    worker.start(scripted, "scripted")
    worker.send_call(exit=argument)
    assert worker.left()
    assert worker.end()[0] == status


def test_a_hard_exit_ends_the_worker_with_its_code(worker: Driver, scripted: Source) -> None:
    worker.start(scripted, "scripted")
    worker.send_call(hard_exit=9)
    assert worker.left()
    assert worker.end()[0] == 9


LIFE = """
import pathlib
class Life:
    name = "life"
    def load(self, config):
        self.notes = pathlib.Path(config["notes"])
        self.notes.write_text("loaded")
    def run(self, payload):
        return {"notes": self.notes.read_text()}
    def close(self):
        self.notes.write_text("closed")
"""


@pytest.mark.parametrize("how", ["stop", "leave"])
def test_the_plugin_is_closed_when_the_server_stops_it_or_leaves(
    worker: Driver, write_plugin: WritePlugin, tmp_path: Path, how: str
) -> None:
    notes = tmp_path / "notes"
    worker.start(write_plugin("worker_life", LIFE), "life", config={"notes": str(notes)})
    assert worker.call()[1] == {"notes": "loaded"}
    if how == "stop":
        worker.channel.send({"kind": "stop"})
    else:
        worker.connection.close()
    assert worker.end()[0] == 0
    assert notes.read_text() == "closed"


def test_a_thread_that_a_plugin_left_behind_does_not_hold_the_end(worker: Driver, write_plugin: WritePlugin) -> None:
    text = """
    import threading, time
    class Threads:
        name = "threads"
        def run(self, payload):
            threading.Thread(target=time.sleep, args=(600,)).start()
            return {"ok": True}
    """
    worker.start(write_plugin("worker_threads", text), "threads")
    worker.call()
    worker.channel.send({"kind": "stop"})
    assert worker.end()[0] == 0


@pytest.mark.parametrize(
    ("load", "unavailable", "said"),
    [
        ("raise sightgate.Unavailable('put the model there')", True, "put the model there"),
        ("import a_module_that_is_nowhere", True, "a_module_that_is_nowhere"),
        ("raise ValueError('broken model')", False, "ValueError: broken model"),
    ],
)
def test_a_plugin_that_does_not_load_says_why(
    worker: Driver, write_plugin: WritePlugin, load: str, unavailable: bool, said: str
) -> None:
    text = f"""
    import sightgate
    class Unloadable:
        name = "unloadable"
        def load(self):
            {load}
        def run(self, payload): ...
    """
    row = worker.start(write_plugin("worker_unloadable", text), "unloadable")
    assert row["unavailable"] is unavailable
    assert said in row["reason"]
    assert "worker_unloadable.py" in row["traceback"]
    assert worker.end()[0] == 0


def test_a_plugin_that_exits_while_it_loads_ends_the_worker(worker: Driver, write_plugin: WritePlugin) -> None:
    text = """
    class Leaves:
        name = "leaves"
        def load(self):
            raise SystemExit(5)
        def run(self, payload): ...
    """
    worker.hello(write_plugin("worker_leaves", text), "leaves")
    assert worker.receive()[0]["kind"] == "sandbox"
    assert worker.left()
    assert worker.end()[0] == 5


def test_a_plugin_that_is_not_in_the_source_is_said_to_be_gone(worker: Driver, scripted: Source) -> None:
    row = worker.start(scripted, "other")
    assert "no plugin 'other' here" in row["reason"]


def test_a_result_above_the_servers_limit_is_refused_by_the_worker(worker: Driver, scripted: Source) -> None:
    worker.start(scripted, "scripted", max_result_bytes=100)
    header, failure = worker.call(text="x" * 200)
    assert header["kind"] == "error"
    assert failure["code"] == "output_too_large"
    assert failure["details"]["limit_bytes"] == 100


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of this system has no limit on data")
def test_memory_above_the_limit_is_refused_by_the_kernel(worker: Driver, scripted: Source) -> None:
    worker.start(scripted, "scripted", memory_mb=64)
    _, failure = worker.call(memory=2 * 1024**3)
    assert failure["kind"] == "out_of_memory"
    assert worker.call(memory=1024)[1] == {"length": 1024}


def test_a_worker_ends_when_the_first_frame_is_not_hello(worker: Driver) -> None:
    worker.channel.send({"kind": "stop"})
    assert worker.left()
    status, printed = worker.end()
    assert status == 70
    assert "must be hello" in printed


def test_a_worker_ends_at_a_frame_it_does_not_take(worker: Driver, scripted: Source) -> None:
    worker.start(scripted, "scripted")
    worker.channel.send({"kind": "dance"})
    assert worker.left()
    assert worker.end()[0] == 70


@pytest.mark.parametrize("length", [-1, 100])
def test_a_worker_ends_at_an_image_longer_than_its_frame(worker: Driver, scripted: Source, length: int) -> None:
    worker.start(scripted, "scripted")
    worker.channel.send({"kind": "call", "call": "c1", "mime_type": "image/png", "image": length}, b"{}")
    assert worker.left()
    assert worker.end()[0] == 70


def test_a_server_that_leaves_before_hello_leaves_no_worker(worker: Driver) -> None:
    worker.connection.close()
    assert worker.end()[0] == 0


SERVER = """
import json, os, socket, subprocess, sys, time
from sightgate.protocol import Channel
from sightgate.sandbox import Policy
ours, theirs = socket.socketpair()
worker = subprocess.Popen(
    [sys.executable, "-I", "-m", "sightgate.worker", str(theirs.fileno())], pass_fds=(theirs.fileno(),))
channel = Channel(ours, 1024 * 1024)
hello = {"source": json.loads(sys.argv[1]), "plugin": "scripted", "server_pid": os.getpid(),
         "policy": Policy(enforce=False).to_data(), "max_result_bytes": 1000}
channel.send({"kind": "hello"}, json.dumps(hello).encode())
for _ in ("sandbox", "ready"):
    channel.read(channel.receive_head()[1])
options = json.dumps({"file": sys.argv[2]}).encode()
channel.send({"kind": "call", "call": "c1", "mime_type": "image/png", "image": 0}, options)
print(worker.pid, flush=True)
theirs.close()
worker.wait()
"""


def runs(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # also in the middle of reading
        return False
    return status != "Z"


def wait_until(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + PATIENCE_S
    while not (held := holds()) and time.monotonic() < until:
        time.sleep(0.01)
    return held


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_worker_dies_with_a_server_that_is_killed_while_the_plugin_runs(scripted: Source, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    arguments = [sys.executable, "-c", SERVER, json.dumps(scripted.to_data()), str(begun)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            worker_pid = int(server.stdout.readline())
            assert wait_until(begun.exists)
            assert runs(worker_pid)
        finally:
            server.kill()
    assert wait_until(lambda: not runs(worker_pid))
