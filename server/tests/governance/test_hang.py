"""A plugin that does not end, or takes all the memory: it is dead before the caller is told."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.errors import assert_error
from support.running_server import RunningServer, eventually, is_alive, processes_with


@pytest.mark.parametrize("how", ["hang", "hang that ignores signals", "hang in native code"])
def test_a_hanging_plugin_is_dead_before_the_caller_is_told(server: RunningServer, how: str):
    server.analyze("ending", {"how": "exit code"})  # so that the worker of the next call is a new one
    others = server.descendants()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(server.analyze, "ending", {"how": how})
        workers = eventually(lambda: server.descendants() - others, "worker")
        error = assert_error(call.result(), 400, "plugin_timeout")
    assert not [pid for pid in workers if is_alive(pid)]
    assert error["details"]["limit_s"] == 1.0
    assert server.result("ending") == {"calls": 1}


@pytest.mark.parametrize("way", ["plain", "own session", "double fork"])
def test_what_a_plugin_started_is_dead_too_before_the_caller_is_told(server: RunningServer, way: str):
    tag = f"tag-{uuid.uuid4().hex}"
    assert_error(server.analyze("spawning", {"way": way, "tag": tag}), 400, "plugin_timeout")
    assert not processes_with(tag)


def test_a_seat_is_free_again_after_a_timeout(server: RunningServer):
    with ThreadPoolExecutor(2) as pool:
        hanging = pool.submit(server.analyze, "ending", {"how": "hang"})
        eventually(lambda: server.row("ending")["in_flight"], "call in flight")
        waiting = pool.submit(server.analyze, "ending")
        assert_error(hanging.result(), 400, "plugin_timeout")
        assert waiting.result().status_code == 200
    assert server.row("ending")["in_flight"] == 0


def test_a_plugin_that_takes_all_the_memory_is_told_so_and_replaced(server: RunningServer):
    neighbour = server.result("echo")["calls"]
    error = assert_error(server.analyze("ending", {"how": "memory"}), 400, "plugin_out_of_memory")
    assert error["details"]["retryable"] is False
    assert server.result("ending") == {"calls": 1}
    assert server.result("echo")["calls"] == neighbour + 1


def test_a_neighbour_is_served_while_a_plugin_hangs(server: RunningServer):
    server.result("echo")  # its worker is there
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(server.analyze, "ending", {"how": "hang"})
        eventually(lambda: server.row("ending")["in_flight"], "call in flight")
        assert server.analyze("echo").status_code == 200
        assert not hanging.done()
        assert_error(hanging.result(), 400, "plugin_timeout")
