"""A server that may not open another file: each call has a named outcome, and the next one works when some are free."""

import json
import resource
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.errors import assert_error
from support.running_server import SERVE, RunningServer, eventually, make_home, running

FEW = 96


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that was started under a low limit, which it cannot raise."""
    home = make_home(tmp_path_factory.mktemp("narrow"), "answering", "slow", "ending")
    low = ("prlimit", f"--nofile={FEW}:{FEW}", *SERVE)
    with running(home, command=low) as started:
        yield started


@contextmanager
def exhausted(server: RunningServer) -> Iterator[None]:
    """Leave the server not one descriptor until the block ends."""
    pid = server.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[RunningServer]:
    with running(make_home(tmp_path, "answering", "slow", "ending", durability="normal")) as started:
        yield started


def connected(server: RunningServer, count: int, stack: ExitStack) -> Sequence[socket.socket]:
    place = ("127.0.0.1", server.port)
    return [stack.enter_context(socket.create_connection(place, timeout=30)) for _ in range(count)]


def test_connections_that_say_nothing_do_not_keep_others_out(narrow: RunningServer):
    with ExitStack() as stack:
        connected(narrow, 2 * FEW, stack)
        eventually(lambda: narrow.analyze("slow").status_code == 200, "call beside them")
        assert narrow.result("ending")["calls"]  # a worker of its own could be started
        assert narrow.submit("echo").status_code == 202
        assert narrow.http.get("/health/ready").json()["ready"] is True


def test_a_caller_beyond_the_connections_is_told_so_in_the_one_shape(narrow: RunningServer):
    """All connections are in use, by calls that are being sent: none is idle."""
    with ExitStack() as stack:
        busy = b"POST /v1/analyze?plugin=echo HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 10\r\n\r\n"
        for one in connected(narrow, FEW // 4 + 4, stack):
            one.sendall(busy)
        head, _, body = eventually(lambda: refusal(narrow), "refusal").partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: 1" in head
        assert json.loads(body)["detail"]["details"]["code"] == "overloaded"
    eventually(lambda: narrow.http.get("/health/live").status_code == 200, "answer after they left")


def refusal(server: RunningServer) -> bytes:
    """Return what a new connection is told at once; nothing while the server has yet to read from the others."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=1) as connection:
        try:
            return read_to_end(connection)
        except TimeoutError:
            return b""


def read_to_end(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def test_a_worker_that_cannot_be_started_is_not_held_against_the_plugin(roomy: RunningServer):
    assert roomy.http.get("/health/live").status_code == 200  # from here on, this connection is open
    with exhausted(roomy):
        error = assert_error(roomy.analyze("slow"), 503, "plugin_unavailable")
        assert "Too many open files" in error["message"]
        assert assert_error(roomy.analyze("slow"), 503, "plugin_unavailable")["message"] == error["message"]
    assert roomy.result("slow")["turn"] == 1
    row = roomy.row("slow")
    assert (row["state"], row["health"]["breaker"]) == ("SUCCESS", "closed")


def test_a_worker_that_runs_goes_on_meanwhile(roomy: RunningServer):
    assert roomy.result("echo")["calls"] == 1
    with exhausted(roomy):
        assert roomy.result("echo")["calls"] == 2
        assert_error(roomy.analyze("ending", {"how": "exit code"}), 503, "plugin_unavailable")
    assert roomy.result("echo")["calls"] == 3
    assert roomy.result("ending")["calls"] == 1


def test_a_job_whose_input_cannot_be_kept_is_refused_and_the_next_one_runs(roomy: RunningServer):
    assert roomy.http.get("/health/live").status_code == 200
    with exhausted(roomy):
        error = assert_error(roomy.submit("echo"), 503, "storage_unavailable")
        assert "Too many open files" in error["message"]
    accepted = roomy.submit("echo")
    assert accepted.status_code == 202
    assert roomy.ended_job(accepted.json()["id"])["status"] == "SUCCESS"


def test_callers_that_come_meanwhile_wait_and_are_served(roomy: RunningServer):
    assert roomy.result("echo")
    with ExitStack() as stack:
        with exhausted(roomy):
            waiting = connected(roomy, 5, stack)
            for one in waiting:
                one.sendall(b"GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
            assert roomy.result("echo")["calls"] == 2  # on a connection that it has
        assert all(read_to_end(one).startswith(b"HTTP/1.1 200 ") for one in waiting)
