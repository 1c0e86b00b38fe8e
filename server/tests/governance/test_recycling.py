"""A worker is replaced after a number of calls, or when it keeps much more memory than at first. No call is lost."""

from collections.abc import Iterator

import pytest
from support.running_server import RunningServer, eventually, is_alive, make_home, running

CALLS = 100
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def recycling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = make_home(tmp_path_factory.mktemp("recycling"), "leaking", recycle_calls=CALLS, recycle_growth_mb=32)
    home.data.mkdir()
    (home.data / "plugins.toml").write_text("[leaking-too]\nwarm = true\n")
    with running(home) as started:
        yield started


def pids(server: RunningServer, plugin: str, calls: int, **options: int) -> list[int]:
    return [server.result(plugin, options)["pid"] for _ in range(calls)]


@pytest.mark.parametrize("plugin", ["leaking", "leaking-too"])
def test_a_worker_that_has_served_long_enough_is_replaced(recycling: RunningServer, plugin: str):
    recycling.http.post(f"/v1/plugins/{plugin}/reload")
    served = pids(recycling, plugin, CALLS + 1)
    assert len(set(served[:-1])) == 1
    assert served[-1] != served[0]
    eventually(lambda: not is_alive(served[0]), "end of the old worker")
    assert recycling.row(plugin)["error_count"] == 0
    assert recycling.row(plugin)["health"]["workers"]["restarts"] == 0  # that it had served long enough is no failure


def test_a_worker_that_keeps_more_and_more_memory_is_replaced_before_it_ends(recycling: RunningServer):
    recycling.http.post("/v1/plugins/leaking/reload")
    served = pids(recycling, "leaking", CALLS - 1, bytes=2 * MIB)
    assert len(set(served)) >= 2  # it is looked at every 32 calls
    assert recycling.row("leaking")["error_count"] == 0
