"""A plugin that writes frames of its own on its worker's socket: refused as data, never believed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.errors import assert_error
from support.running_server import RunningServer, eventually, is_alive, make_home, new_sign, running

# The server cannot tell who wrote a frame; it ends the worker at the first one that is out of place.
OUT_OF_PLACE = (
    "garbage",
    "text",
    "endless body",
    "endless header",
    "no header",
    "another call",
    "unknown kind",
)
UNUSABLE_RESULTS = ("no JSON", "NaN", "a list", "deep", "failure of the wrong shape")


@pytest.mark.parametrize("what", OUT_OF_PLACE)
def test_a_forged_frame_is_refused_and_the_worker_replaced(server: RunningServer, what: str):
    others = server.descendants()
    error = assert_error(server.analyze("forging", {"what": what}), 400, "plugin_crashed")
    assert error["details"].keys() & {"cause", "exit_code"}
    assert server.descendants() <= others
    assert server.analyze("echo").status_code == 200


@pytest.mark.parametrize("what", UNUSABLE_RESULTS)
def test_a_forged_answer_is_decoded_as_strictly_as_an_honest_one(server: RunningServer, what: str):
    fresh_worker(server)
    assert_error(server.analyze("forging", {"what": what}), 400, "invalid_output")
    assert server.analyze("echo").status_code == 200


def test_a_forged_answer_is_only_what_the_plugin_could_have_returned_and_costs_it_its_worker(server: RunningServer):
    fresh_worker(server)
    for _ in range(5):
        assert server.result("forging", {"what": "two answers"}) == {"forged": 1}


def test_a_second_answer_that_comes_late_ends_the_worker_and_no_call(server: RunningServer):
    fresh_worker(server)
    pid = server.result("forging", {"late": 0.2})["pid"]
    eventually(lambda: not is_alive(pid), "end of the worker")
    assert server.result("forging", {"what": "none"})["pid"] != pid


def test_a_second_answer_that_comes_during_the_next_call_does_not_harm_that_call(server: RunningServer):
    fresh_worker(server)
    sign = new_sign()
    pid = server.result("forging", {"late": 0.0, "from": f"{sign}-during"})["pid"]
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(server.result, "forging", {"late": 60.0, "until": f"{sign}-end"})
        eventually(lambda: server.row("forging")["in_flight"], "second call")
        server.give(f"{sign}-during")
        scratches = server.home.data / "scratch"
        eventually(lambda: list(scratches.glob(f"worker-*/{sign}-during")), "forged answer")
        server.give(f"{sign}-end")
        assert second.result() == {"honest": True, "pid": pid}
    assert server.result("forging", {"what": "none"})["pid"] != pid


def test_what_is_left_behind_an_answer_is_not_read_into_the_next(server: RunningServer):
    fresh_worker(server)
    for _ in range(5):
        assert server.result("forging", {"what": "an answer and half a frame"}) == {"forged": 1}
    assert server.result("forging", {"what": "none"})["honest"] is True


def test_half_a_frame_is_no_answer(quick: RunningServer):
    """The worker's own answer is read into it: there is none in time."""
    assert_error(quick.analyze("forging", {"what": "half a frame"}), 400, "plugin_timeout")
    assert quick.result("forging", {"what": "none"})["honest"] is True


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[RunningServer]:
    home = make_home(tmp_path, "forging")
    home.data.mkdir()
    (home.data / "plugins.toml").write_text("[forging.limits]\ntimeout_s = 1.0\n")
    with running(home) as started:
        yield started


def test_a_forged_failure_is_bounded_and_cannot_bring_a_foreign_code(server: RunningServer):
    fresh_worker(server)
    error = assert_error(server.analyze("forging", {"what": "foreign failure"}), 400, "plugin_failed")
    assert len(error["message"]) == 2000
    assert len(error["details"]["exception"]) <= 200
    fresh_worker(server)
    error = assert_error(server.analyze("forging", {"what": "failure with a forged code"}), 400, "invalid_options")
    assert error["details"]["job_id"] != "x"


def test_a_second_ready_is_no_answer_to_a_call(server: RunningServer):
    assert server.analyze("forging", {"what": "second ready"}).status_code in (400, 200)
    assert server.analyze("echo").status_code == 200


def test_the_server_itself_is_undisturbed_by_all_of_it(server: RunningServer):
    assert is_alive(server.process.pid)
    assert server.http.get("/health/ready").json()["ready"] is True
    assert not server.events("fault")


def fresh_worker(server: RunningServer) -> None:
    """End the plugin's worker, which may still owe a second answer."""
    assert_error(server.analyze("forging", {"what": "garbage"}), 400, "plugin_crashed")
