"""A worker that is stopped (SIGSTOP) rather than dead: the call ends in time, the next one works."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.errors import assert_error
from support.running_server import RunningServer, eventually, is_alive, make_home, running


@pytest.fixture(scope="module")
def stopping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(make_home(tmp_path_factory.mktemp("stopping"), "ending", "fragile", breaker_ends=1_000)) as started:
        yield started


def worker_of(server: RunningServer) -> int:
    """Return the pid of the one worker of the plugin that is called here."""
    before = server.descendants()
    assert server.result("ending")["calls"] == 1
    (pid,) = server.descendants() - before
    return pid


def test_a_worker_that_was_stopped_between_calls_is_replaced(stopping: RunningServer):
    pid = worker_of(stopping)
    os.kill(pid, signal.SIGSTOP)
    assert_error(stopping.analyze("ending"), 400, "plugin_timeout")
    assert not is_alive(pid)
    assert stopping.result("ending") == {"calls": 1}


def test_a_worker_that_is_stopped_during_a_call_is_ended(stopping: RunningServer):
    stopping.http.post("/v1/plugins/ending/reload")
    pid = next(iter(stopping.descendants()))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(stopping.analyze, "ending", {"how": "hang"})
        eventually(lambda: stopping.row("ending")["in_flight"], "call in flight")
        os.kill(pid, signal.SIGSTOP)
        assert_error(call.result(), 400, "plugin_timeout")
    assert not is_alive(pid)
    assert stopping.result("ending") == {"calls": 1}


def test_the_server_ends_in_order_with_a_stopped_worker(stopping: RunningServer):
    pid = next(iter(stopping.descendants()))
    os.kill(pid, signal.SIGSTOP)
    assert stopping.stop() == 0
    assert not is_alive(pid)
