"""A plugin whose worker ends by itself: the caller learns how, the worker is replaced, nobody else notices."""

import hashlib
import platform
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from support.errors import assert_error
from support.images import colored
from support.running_server import RunningServer, eventually, is_alive, make_home, running

WAYS: dict[str, dict[str, Any]] = {
    "segfault": {"signal": "SIGSEGV"},
    "exit code": {"exit_code": 3},
    "exit code 0": {"exit_code": 0},
    "SystemExit": {"exit_code": 4},
    "SystemExit with a text": {"exit_code": 1},
    "SystemExit with a thread left": {"exit_code": 5},
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory):
    """A server whose breaker and quarantine step in early."""
    home = make_home(
        tmp_path_factory.mktemp("strict"), "ending", "answering", breaker_ends=3, breaker_rest_s=5.0, quarantine_after=2
    )
    with running(home) as started:
        yield started


@pytest.mark.parametrize("how", WAYS)
def test_a_crash_is_told_and_disturbs_nobody(server: RunningServer, how: str):
    assert server.result("ending")["calls"] >= 1
    neighbour = server.result("echo")["calls"]
    before = server.descendants()
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(server.result, "slow", {"seconds": 0.3})
        error = assert_error(server.analyze("ending", {"how": how}), 400, "plugin_crashed")
        assert beside.result()["ended"]
    assert {key: error["details"][key] for key in WAYS[how]} == WAYS[how]
    assert any(not is_alive(pid) for pid in before)
    assert server.result("ending") == {"calls": 1}
    assert server.result("echo")["calls"] == neighbour + 1


def test_the_end_of_what_a_crashed_worker_printed_is_in_the_log_and_not_in_the_answer(server: RunningServer):
    answer = server.analyze("ending", {"how": "segfault"})
    assert "last words" not in answer.text

    def told() -> bool:
        return any("last words before segfault" in line["output"] for line in server.events("worker ended"))

    eventually(told, "line of the worker's end")


def test_the_evidence_of_a_crash_is_kept(server: RunningServer):
    image = colored(201)
    server.analyze("ending", {"how": "segfault"}, image)
    kept = server.row("ending")["failures"][0]
    assert (kept["code"], kept["details"]["signal"]) == ("plugin_crashed", "SIGSEGV")
    assert "last words before segfault" in kept["output"]
    assert kept["image_sha256"] == hashlib.sha256(image).hexdigest()
    assert kept["versions"]["python"] == platform.python_version()
    assert kept["versions"]["sightgate"] == metadata.version("sightgate-server")


def test_a_crash_counts_as_an_error_and_as_an_end_of_a_worker(server: RunningServer):
    before, ends = server.row("ending"), worker_ends(server)
    server.analyze("ending", {"how": "exit code"})
    after = server.row("ending")
    assert (after["error_count"], after["state"]) == (before["error_count"] + 1, "ERROR")
    assert worker_ends(server) == ends + 1


def test_a_plugin_that_crashes_often_rests_and_may_then_try_again(strict: RunningServer):
    for shade in range(3):
        assert_error(strict.analyze("ending", {"how": "exit code"}, colored(shade)), 400, "plugin_crashed")
    resting = strict.analyze("ending", image=colored(3))
    error = assert_error(resting, 503, "plugin_unavailable")
    assert "rests" in error["message"]
    assert int(resting.headers["retry-after"]) >= 1
    assert strict.row("ending")["state"] == "FAILED"
    assert strict.analyze("echo").status_code == 200
    eventually(lambda: strict.analyze("ending", image=colored(3)).status_code == 200, "call after the rest")
    assert strict.row("ending")["state"] == "SUCCESS"


def test_an_input_that_crashed_a_plugin_repeatedly_is_refused_for_that_plugin_alone(strict: RunningServer):
    image = colored(100)
    for _ in range(2):
        assert_error(strict.analyze("ending-too", {"how": "segfault"}, image), 400, "plugin_crashed")
    calls = strict.row("ending-too")["error_count"]
    assert_error(strict.analyze("ending-too", {}, image), 400, "input_quarantined")
    assert strict.row("ending-too")["error_count"] == calls
    assert strict.result("ending-too", {}, colored(101)) == {"calls": 1}
    assert strict.result("echo", {}, image)["bytes"] == len(image)


RESTING = """
import os


class Resting:
    name = "resting"
    limits = {"workers": 4}

    def run(self, payload):
        if payload["options"].get("crash"):
            os._exit(3)
        return {"ok": True}
"""


def test_callers_that_wait_when_a_plugin_begins_to_rest_are_told_so(tmp_path: Path):
    with running(make_home(tmp_path, "ending", breaker_ends=1, breaker_rest_s=600)) as server:
        assert server.result("ending")["calls"] == 1
        with ThreadPoolExecutor(5) as pool:
            first = pool.submit(server.analyze, "ending", {"how": "hang"})
            eventually(lambda: server.row("ending")["in_flight"], "call in flight")
            waiting = [pool.submit(server.analyze, "ending") for _ in range(4)]
            assert_error(first.result(), 400, "plugin_timeout")
            for one in waiting:
                assert "rests" in assert_error(one.result(), 503, "plugin_unavailable")["message"]
                assert int(one.result().headers["retry-after"]) > 500
        row = server.row("ending")
        assert (row["success_count"], row["health"]["rests"]) == (1, 1)
        assert row["health"]["reason"] == "its worker ended 1 time within 60 s, last with plugin_timeout"


def test_jobs_wait_until_a_plugin_has_rested_and_none_of_them_is_lost(tmp_path: Path):
    home = make_home(tmp_path, breaker_ends=1, breaker_rest_s=3.0)
    (home.plugins / "resting.py").write_text(RESTING)
    with running(home) as server:
        server.ended_job(server.accepted("resting", {"crash": True}))
        assert server.row("resting")["health"]["breaker"] == "open"
        jobs = [server.accepted("resting") for _ in range(12)]
        assert [server.ended_job(job)["error"] for job in jobs] == 12 * [None]
        assert server.row("resting")["health"]["breaker"] == "closed"


def worker_ends(server: RunningServer) -> float:
    wanted = 'sightgate_worker_ends_total{plugin="ending"} '
    lines = server.http.get("/metrics").text.splitlines()
    return next(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))
