"""A plugin whose worker does not stay: restarted, later each time and not for ever, and never shown ready meanwhile."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.errors import assert_error
from support.running_server import SIGHTGATE, RunningServer, eventually, is_alive, make_home, running

WARM = ("steady", "fleeting", "wanting", "raising-at-load")
BUDGET = 4


@contextmanager
def started(folder: Path, **settings: object) -> Iterator[RunningServer]:
    home = make_home(folder, "fragile", restart_after_s=0.05, restart_longest_s=0.4, **settings)
    home.data.mkdir()
    (home.data / "plugins.toml").write_text("".join(f"[{name}]\nwarm = true\n" for name in WARM))
    with running(home) as server:
        yield server


@pytest.fixture
def warm(tmp_path: Path) -> Iterator[RunningServer]:
    with started(tmp_path, restart_budget=1_000) as server:
        yield server


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that gives up soon."""
    with started(tmp_path, restart_budget=BUDGET) as server:
        yield server


def workers(server: RunningServer, plugin: str) -> dict[str, Any]:
    health: dict[str, Any] = server.row(plugin)["health"]["workers"]
    return health


def ends(server: RunningServer, plugin: str) -> int:
    """Return how many workers of a plugin ended while nobody called them, in all the server's time."""
    return sum(line["plugin"] == plugin for line in server.events("idle worker ended"))


def ready(server: RunningServer, plugin: str) -> bool:
    answer = server.http.get("/health/ready").json()
    assert answer["ready"] is True  # a plugin never makes the server unready
    told: bool = answer["plugins"][plugin]
    return told


def show(server: RunningServer, plugin: str) -> str:
    command = (SIGHTGATE, "plugins", "show", plugin)
    shown = subprocess.run(command, env=server.home.environment(), capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0, shown.stderr
    return " ".join(shown.stdout.split())


def test_a_worker_that_died_idle_is_replaced_before_it_is_needed(warm: RunningServer):
    pid = warm.result("steady")["pid"]
    assert ready(warm, "steady")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: workers(warm, "steady")["started"] == 2, "another worker")
    eventually(lambda: ready(warm, "steady"), "readiness")
    assert workers(warm, "steady")["ended_idle"] == 1
    assert warm.result("steady")["pid"] != pid
    assert workers(warm, "steady")["started"] == 2


def test_a_plugin_whose_worker_is_dead_is_not_ready(patient: RunningServer):
    eventually(lambda: workers(patient, "fleeting")["given_up"], "end of the restarts")
    assert not ready(patient, "fleeting")
    assert ready(patient, "steady")


def test_restarts_are_bounded_and_told(patient: RunningServer):
    eventually(lambda: workers(patient, "fleeting")["given_up"], "end of the restarts")
    health = workers(patient, "fleeting")
    assert (health["running"], health["started"], health["ended_idle"]) == (0, 1 + BUDGET, 1 + BUDGET)
    assert (health["restarts"], health["restart_in_s"], health["kept_ready"]) == (BUDGET, None, True)
    assert f"not restarted any more after {BUDGET} times" in show(patient, "fleeting")
    patient.analyze("fleeting")  # a call starts one, which may have ended before it could answer
    eventually(lambda: workers(patient, "fleeting")["running"] == 0, "end of the worker")
    assert workers(patient, "fleeting")["started"] == 2 + BUDGET


def test_a_reload_begins_anew(patient: RunningServer):
    eventually(lambda: workers(patient, "fleeting")["given_up"], "end of the restarts")
    assert patient.http.post("/v1/plugins/fleeting/reload").status_code == 200
    eventually(lambda: ends(patient, "fleeting") == 2 * (1 + BUDGET), "as many restarts once more")
    eventually(lambda: workers(patient, "fleeting")["given_up"], "end of the restarts")


@pytest.mark.parametrize(
    ("plugin", "state", "reason"),
    [("wanting", "UNAVAILABLE", "its model is not there"), ("raising-at-load", "FAILED", "ValueError: no")],
)
def test_a_plugin_that_cannot_be_loaded_is_told_as_what_it_is_and_served_when_it_can(
    warm: RunningServer, plugin: str, state: str, reason: str
):
    row = warm.row(plugin)
    assert (row["state"], row["reason"]) == (state, reason)
    assert not ready(warm, plugin)
    assert_error(warm.analyze(plugin), 503, "plugin_unavailable")
    assert reason in show(warm, plugin)
    (warm.home.plugins / "model").touch()
    eventually(lambda: ready(warm, plugin), "readiness")
    assert warm.result(plugin)["pid"]
    assert warm.row(plugin)["state"] == "SUCCESS"


def test_an_idle_worker_that_is_kept_ready_outlives_its_time(tmp_path: Path):
    with started(tmp_path, idle_s=0.2, restart_budget=0) as server:
        steady, wanted = server.result("steady")["pid"], "raising-at-load"
        (server.home.plugins / "model").touch()
        (server.home.data / "plugins.toml").write_text("[steady]\nwarm = true\n")
        server.http.post(f"/v1/plugins/{wanted}/reload")  # it is not kept ready any more
        at_need = server.result(wanted)["pid"]
        eventually(lambda: not is_alive(at_need), "end of a worker that is idle for so long")
        assert server.result("steady")["pid"] == steady


def test_a_plugin_that_is_started_at_need_is_ready_without_a_worker(tmp_path: Path):
    with running(make_home(tmp_path, "fragile")) as server:
        assert ready(server, "steady")
        health = workers(server, "steady")
        assert (health["kept_ready"], health["running"], health["started"]) == (False, 0, 0)


def test_a_worker_that_broke_the_protocol_while_loading_is_told_as_that(tmp_path: Path):
    # Once it has rested it may be tried again, and counts as ready: it rests for longer than anybody looks here.
    with running(make_home(tmp_path, "fragile", breaker_rest_s=600)) as server:
        error = assert_error(server.analyze("breaking-the-protocol"), 503, "plugin_unavailable")
        assert "it broke the protocol" in error["message"]
        assert "exit code" not in error["message"]
        assert not ready(server, "breaking-the-protocol")
        assert server.row("breaking-the-protocol")["state"] == "FAILED"


def test_each_rest_of_a_plugin_that_cannot_be_started_is_longer_and_shown(tmp_path: Path):
    with running(make_home(tmp_path, "fragile", breaker_rest_s=0.5, breaker_longest_rest_s=600)) as server:
        assert_error(server.analyze("raising-at-load"), 503, "plugin_unavailable")
        health = eventually(partial(tried, server, 3), "third rest")
        assert (health["breaker"], health["rests"]) == ("open", 3)
        assert 0.5 < health["retry_after_s"] <= 2.0
        assert health["workers"]["started"] == 0
        assert "breaker open, for the 3. time" in show(server, "raising-at-load")


def tried(server: RunningServer, rests: int) -> dict[str, Any] | None:
    """Call the plugin, and return how it is if it rests for the so manyth time."""
    assert_error(server.analyze("raising-at-load"), 503, "plugin_unavailable")
    health: dict[str, Any] = server.row("raising-at-load")["health"]
    return health if health["rests"] >= rests else None
