"""The figures of the last hour, asked of a server."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.errors import assert_error
from support.running_server import RunningServer, eventually, make_home, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that looks at its figures often."""
    with running(make_home(tmp_path_factory.mktemp("history"), "answering", "raising", history_every_s=0.2)) as started:
        yield started


def columns(server: RunningServer, path: str) -> dict[str, Any]:
    answer = server.http.get(path)
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    lengths = {len(column) for column in read.values() if isinstance(column, list)}
    lengths |= {len(column) for column in read["errors"].values()}
    assert len(lengths) == 1
    return read


def test_calls_and_their_failures_show_up_as_rates_with_the_workers_and_their_memory(server: RunningServer):
    for _ in range(5):
        server.result("echo")
    server.analyze("raising", {"what": "plain"})
    server.analyze("nobody")

    def seen() -> dict[str, Any] | None:
        read = columns(server, "/v1/history")
        counted = sum(rate > 0 for rate in read["calls"])
        worked = counted and any(read["errors"]["ExecutionError"]) and any(read["errors"]["PluginError"])
        return read if worked and read["workers"][-1] >= 1 else None

    read = eventually(seen, "figures of the calls")
    assert read["every_s"] == 0.2
    assert read["times"] == sorted(read["times"])
    assert any(time is not None and time > 0 for time in read["p95_ms"])
    assert read["server_memory_bytes"][-1] > 10_000_000
    assert read["worker_memory_bytes"][-1] > 1_000_000
    assert read["waiting_jobs"][-1] == 0
    assert read["instance"] == server.row("echo")["instance"]


def test_a_plugin_has_figures_of_its_own(server: RunningServer):
    server.result("echo")
    echo = eventually(lambda: (read := columns(server, "/v1/plugins/echo/history"))["times"] and read, "samples")
    assert echo["plugin"] == "echo"
    eventually(lambda: any(columns(server, "/v1/plugins/echo/history")["calls"]), "calls of the plugin")
    idle = columns(server, "/v1/plugins/second/history")
    assert not any(idle["calls"])
    assert set(idle["p50_ms"]) == {None}


def test_a_plugin_that_is_not_there_has_none(server: RunningServer):
    assert_error(server.http.get("/v1/plugins/nobody/history"), 404, "plugin_not_found")
