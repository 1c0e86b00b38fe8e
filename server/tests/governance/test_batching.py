"""Calls that a plugin takes together: each keeps its own input, answer, error and figures."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.errors import assert_error
from support.images import PHOTO, TRUNCATED_JPEG, colored, encoded
from support.running_server import RunningServer, eventually, make_home, running

EIGHT = 8


@pytest.fixture(scope="module")
def batching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = make_home(tmp_path_factory.mktemp("batching"), "batching", "answering", breaker_ends=1_000)
    with running(home) as started:
        yield started


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[RunningServer]:
    """A server whose breaker opens at the fourth end."""
    with running(make_home(tmp_path, "batching", breaker_ends=4, quarantine_after=3)) as started:
        yield started


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that lets nobody wait for long, but for the rest of a batch, which is full soon."""
    home = make_home(tmp_path, "batching", max_wait_s=1.0)
    plugin = home.plugins / "batching.py"
    plugin.write_text(plugin.read_text().replace('"batch_wait_ms": 2_000', '"batch_wait_ms": 10_000'))
    with running(home) as started:
        yield started


def together(
    server: RunningServer, odd: Mapping[str, Any] | None = None, odd_image: bytes | None = None
) -> tuple[list[httpx.Response], httpx.Response | None]:
    """Send a full batch, one of whose calls is odd; return the others' answers, and its.

    The odd one goes first: then it has company, whatever of the batch comes too late to be in it.
    """
    is_odd = odd is not None or odd_image is not None
    with ThreadPoolExecutor(EIGHT) as pool:
        other = pool.submit(server.analyze, "batching", dict(odd or {}), odd_image or PHOTO) if is_odd else None
        good = [
            pool.submit(server.analyze, "batching", {"tag": tag}, encoded("png", 10 + tag, 8))
            for tag in range(EIGHT - is_odd)
        ]
        return [call.result() for call in good], other.result() if other is not None else None


def results(answers: list[httpx.Response]) -> list[dict[str, Any]]:
    assert [answer.status_code for answer in answers] == [200] * len(answers), answers[0].text
    return [answer.json()["result"] for answer in answers]


def test_calls_that_come_together_are_answered_together_and_each_with_its_own(batching: RunningServer):
    before = batching.row("batching")
    answers, _ = together(batching)
    got = results(answers)
    assert [(result["tag"], result["width"]) for result in got] == [(tag, 10 + tag) for tag in range(EIGHT)]
    assert max(result["together"] for result in got) > 1
    assert len({result["pid"] for result in got}) == 1
    assert len({answer.json()["job_id"] for answer in answers}) == EIGHT
    after = batching.row("batching")
    assert after["success_count"] == before["success_count"] + EIGHT
    assert after["in_flight"] == 0


@pytest.mark.parametrize(
    ("odd", "image", "code"),
    [
        (None, TRUNCATED_JPEG, "undecodable_image"),
        ({"how": "raises"}, None, "plugin_failed"),
        ({"how": "nothing"}, None, "invalid_output"),
    ],
)
def test_one_bad_image_fails_alone(
    batching: RunningServer, odd: Mapping[str, Any] | None, image: bytes | None, code: str
):
    before = batching.row("batching")
    answers, bad = together(batching, odd, image)
    assert [result["tag"] for result in results(answers)] == list(range(EIGHT - 1))
    assert bad is not None
    assert_error(bad, 400, code)
    after = batching.row("batching")
    assert after["success_count"] == before["success_count"] + EIGHT - 1
    assert after["error_count"] == before["error_count"] + 1


def test_what_the_gate_refuses_never_reaches_the_batch(batching: RunningServer):
    answers, bad = together(batching, None, b"no image at all")
    results(answers)
    assert bad is not None
    assert_error(bad, 400, "unsupported_mime_type")


@pytest.mark.parametrize(("how", "code"), [("exits", "plugin_crashed"), ("hangs", "plugin_timeout")])
def test_whoever_ends_the_worker_fails_alone_and_is_named(batching: RunningServer, how: str, code: str):
    before = batching.row("batching")
    image = colored(len(how))
    answers, bad = together(batching, {"how": how}, image)
    assert [result["tag"] for result in results(answers)] == list(range(EIGHT - 1))
    assert bad is not None
    assert_error(bad, 400, code)
    after = batching.row("batching")
    assert after["error_count"] == before["error_count"] + 1
    assert after["health"]["workers"]["ended_in_call"] == before["health"]["workers"]["ended_in_call"] + 2
    named = [failure["image_sha256"] for failure in after["failures"] if failure["code"] == code]
    assert sorted(named) == ["", sha256(image).hexdigest()]


@pytest.mark.parametrize("how", ["exits in company", "needs too much in company"])
def test_calls_that_end_their_worker_only_together_are_all_answered(batching: RunningServer, how: str):
    before = batching.row("batching")
    answers, odd = together(batching, {"how": how, "tag": EIGHT - 1})
    assert odd is not None
    assert [result["tag"] for result in results([*answers, odd])] == list(range(EIGHT))
    after = batching.row("batching")
    assert after["health"]["workers"]["ended_in_call"] == before["health"]["workers"]["ended_in_call"] + 1
    assert after["error_count"] == before["error_count"]


def test_an_image_that_ends_workers_is_refused_and_those_beside_it_never(strict: RunningServer):
    killer = colored(77)
    for _ in range(3):
        answers, bad = together(strict, {"how": "exits"}, killer)
        results(answers)
        assert bad is not None
        assert_error(bad, 400, "plugin_crashed")
    health = strict.row("batching")["health"]
    assert (health["breaker"], health["quarantined_inputs"]) == ("closed", [sha256(killer).hexdigest()])
    answers, bad = together(strict, None, killer)
    results(answers)
    assert bad is not None
    assert_error(bad, 400, "input_quarantined")


def test_calls_beside_one_that_hangs_wait_for_it_but_not_beyond_their_deadline(hasty: RunningServer):
    query = {"plugin": "batching", "timeout_s": "4.5"}  # the batch hangs for 6 s, then the one to blame for 6 s
    with ThreadPoolExecutor(EIGHT) as pool:
        hanging = pool.submit(hasty.analyze, "batching", {"how": "hangs"})
        eventually(lambda: hasty.row("batching")["in_flight"] == 1, "the call that is called again first")
        patient = [pool.submit(hasty.analyze, "batching", {"tag": tag}) for tag in range(EIGHT - 2)]
        hurried = pool.submit(hasty.http.post, "/v1/analyze", params=query, content=PHOTO, headers={"content-type": ""})
        assert [result["tag"] for result in results([call.result() for call in patient])] == list(range(EIGHT - 2))
        assert_error(hurried.result(), 400, "deadline_exceeded")
        assert_error(hanging.result(), 400, "plugin_timeout")


def test_a_caller_that_leaves_takes_nobody_along(batching: RunningServer):
    with ThreadPoolExecutor(EIGHT) as pool:
        stay = [pool.submit(batching.analyze, "batching", {"tag": tag}) for tag in range(3)]
        with pytest.raises(httpx.ReadTimeout):
            batching.http.post(
                "/v1/analyze",
                params={"plugin": "batching"},
                content=PHOTO,
                headers={"content-type": ""},
                timeout=httpx.Timeout(10, read=0.2),
            )
        assert [result["tag"] for result in results([call.result() for call in stay])] == [0, 1, 2]
    eventually(lambda: batching.row("batching")["in_flight"] == 0, "end of the calls")


def test_a_call_that_comes_alone_is_answered_alone(batching: RunningServer):
    assert batching.result("batching", {"tag": "alone"}, PHOTO)["together"] == 1
