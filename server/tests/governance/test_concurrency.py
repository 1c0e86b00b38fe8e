"""Calls at the same time: they overlap where there are workers, wait in order where there are none, and are bounded."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import httpx
import pytest
from support.errors import assert_error
from support.images import PNG
from support.raw_http import exchange
from support.running_server import RunningServer, eventually, make_home, new_sign, running


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server at which one call may wait for a plugin, as long as it must."""
    with running(make_home(tmp_path_factory.mktemp("small"), "slow", max_waiting=1, max_wait_s=60)) as started:
        yield started


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server at which nobody waits for a plugin for long."""
    with running(make_home(tmp_path_factory.mktemp("hasty"), "slow", max_wait_s=0.3)) as started:
        yield started


def recorded(server: RunningServer, plugin: str, count: int) -> None:
    """Wait until the server has taken in ``count`` calls of a plugin: each has its job's row by then."""
    eventually(lambda: len(server.jobs(plugin=plugin)) >= count, f"{count} calls of {plugin}")


def test_eight_slow_calls_of_a_plugin_with_eight_workers_overlap(server: RunningServer):
    def overlapped() -> bool:
        """Not at the first try: the workers have to be started, which takes as long as it takes."""
        spans = list(pool.map(lambda _: server.result("slow-eight", {"seconds": 1.0}), range(8)))
        return bool(max(span["began"] for span in spans) < min(span["ended"] for span in spans))

    with ThreadPoolExecutor(8) as pool:
        eventually(overlapped, "eight calls at the same time")


def test_a_plugin_with_one_worker_is_never_called_twice_at_once(server: RunningServer):
    with ThreadPoolExecutor(6) as pool:
        spans = list(pool.map(lambda _: server.result("slow", {"seconds": 0.05}), range(6)))
    spans.sort(key=lambda span: span["began"])
    assert all(first["ended"] <= then["began"] for first, then in pairwise(spans))


def test_waiting_callers_are_served_in_the_order_in_which_they_came(server: RunningServer):
    already = len(server.jobs(plugin="slow"))
    with ThreadPoolExecutor(8) as pool:
        calls: list[Future[dict[str, Any]]] = []
        for number in range(8):
            options = {"seconds": 0.6 if number == 0 else 0.02, "tag": number}
            calls.append(pool.submit(server.result, "slow", options))
            recorded(server, "slow", already + number + 1)
        turns = [call.result()["turn"] for call in calls]
    assert turns == list(range(turns[0], turns[0] + 8))


def test_too_many_waiting_callers_are_refused_at_once_and_the_others_are_served(small: RunningServer):
    assert small.analyze("slow").status_code == 200  # its worker is there: who waits, waits for a call alone
    already, sign = len(small.jobs(plugin="slow")), new_sign()
    with ThreadPoolExecutor(2) as pool:
        running_call = pool.submit(small.analyze, "slow", {"until": sign})
        recorded(small, "slow", already + 1)
        waiting = pool.submit(small.analyze, "slow")
        recorded(small, "slow", already + 2)
        refused = small.analyze("slow")
        error = assert_error(refused, 429, "overloaded")
        assert (error["details"]["limit"], error["details"]["waiting"]) == (1, 1)
        assert int(refused.headers["retry-after"]) >= 1
        small.give(sign)
        assert running_call.result().status_code == 200
        served = waiting.result()
    assert served.status_code == 200
    assert served.json()["waiting_ms"] > 0


def test_a_caller_that_must_be_refused_is_refused_before_its_body_is_read(small: RunningServer):
    already, sign = len(small.jobs(plugin="slow")), new_sign()
    head = (
        "POST /v1/analyze?plugin=slow HTTP/1.1\nHost: localhost\nContent-Type: image/png\nContent-Length: 40000000\n\n"
    )
    with ThreadPoolExecutor(2) as pool:
        running_call = pool.submit(small.analyze, "slow", {"until": sign})
        recorded(small, "slow", already + 1)
        waiting = pool.submit(small.analyze, "slow")
        recorded(small, "slow", already + 2)
        done = exchange(small.port, f"{head}Content-Length: 40000000\n\n")
        assert_error(done.answer, 429, "overloaded")
        assert (done.sent, int(done.answer.headers["retry-after"]) >= 1) == (0, True)
        small.give(sign)
        assert running_call.result().status_code == 200
        waiting.result()
    assert len(small.jobs(plugin="slow")) == already + 2  # it was no job


def test_one_flooded_plugin_keeps_no_other_from_being_served(small: RunningServer):
    assert small.analyze("queue").status_code == 200  # its worker is there
    sign = new_sign()
    jobs = [small.submit("slow", {"until": sign, "tag": number}).json()["id"] for number in range(20)]
    with ThreadPoolExecutor(20) as pool:
        flood = [pool.submit(small.analyze, "slow", {"seconds": 0.2}) for _ in range(20)]
        beside = small.submit("queue").json()["id"]
        for _ in range(5):
            assert small.analyze("queue").status_code == 200
        assert small.ended_job(beside)["status"] == "SUCCESS"
        small.give(sign)  # until now the flood was on
        assert {call.result().status_code for call in flood} <= {200, 429}
    assert {small.ended_job(job)["status"] for job in jobs} == {"SUCCESS"}


def test_a_caller_that_waited_too_long_is_refused_with_the_limit(hasty: RunningServer):
    sign = new_sign()
    with ThreadPoolExecutor(1) as pool:
        running_call = pool.submit(hasty.analyze, "queue", {"until": sign})
        recorded(hasty, "queue", 1)
        error = assert_error(hasty.analyze("queue"), 429, "overloaded")
        assert error["details"]["limit_s"] == 0.3
        hasty.give(sign)
        assert running_call.result().status_code == 200
    assert hasty.analyze("queue").status_code == 200


def test_the_server_answers_others_while_calls_wait(small: RunningServer):
    sign = new_sign()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(small.analyze, "slow", {"until": sign})
        eventually(lambda: small.row("slow")["in_flight"], "call in flight")
        for path in ("/health/live", "/health/ready", "/v1/plugins", "/metrics", "/v1/jobs"):
            assert small.http.get(path).status_code == 200
        assert not call.done()
        small.give(sign)
        assert call.result().status_code == 200


def test_a_caller_that_hangs_up_leaves_the_plugin_usable(small: RunningServer):
    count = len(small.jobs(plugin="slow-eight"))
    with pytest.raises(httpx.ReadTimeout):
        small.http.post(
            "/v1/analyze",
            params={"plugin": "slow-eight", "options": '{"seconds": 4}'},
            content=PNG,
            headers={"content-type": ""},
            timeout=httpx.Timeout(30, read=1.5),
        )
    recorded(small, "slow-eight", count + 1)
    assert small.analyze("slow-eight").status_code == 200
    eventually(lambda: small.row("slow-eight")["in_flight"] == 0, "end of the call")
