"""A plugin that writes frames of its own on its worker's socket: refused as data, never believed."""

import pytest
from support.errors import assert_error
from support.running_server import RunningServer, is_alive

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
    first = server.result("forging", {"what": "two answers"})
    assert first == {"forged": 1}
    again = server.analyze("forging", {"what": "two answers"})
    assert again.status_code == 400 or again.json()["result"] in ({"forged": 1}, {"forged": 2}, {"honest": True})


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
