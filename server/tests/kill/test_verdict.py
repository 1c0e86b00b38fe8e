"""The kill test's verdict is not blind: each thing that must not be is found where it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest

from kill.clients import digest_of
from kill.ledger import Ledger, Submission
from kill.verdict import faults_of, faults_of_webhooks

IMAGE = digest_of(b"image")


def time(second: int) -> str:
    return f"2030-01-01T00:00:{second:02}+00:00"


def attempt(number: int, outcome: str | None, began: int) -> dict[str, Any]:
    return {"number": number, "outcome": outcome, "started_at": time(began), "ended_at": time(began + 1)}


def job(job_id: str, tag: str, **fields: Any) -> dict[str, Any]:
    """A job that was interrupted once and then succeeded."""
    return {
        "id": job_id,
        "status": "SUCCESS",
        "attempt": 2,
        "attempts": [attempt(1, "interrupted", 1), attempt(2, "SUCCESS", 3)],
        "started_at": time(3),
        "ended_at": time(4),
        "error": None,
        "result": {"tag": tag, "digest": IMAGE, "padding": ""},
        "options": {"tag": tag, "padding": 0},
        "needs": [],
    } | fields


def failed(code: str) -> dict[str, Any]:
    return {"status": "FAILED", "error": {"details": {"code": code}}, "result": None}


@contextmanager
def batches() -> Iterator[httpx.Client]:
    """A server that says of every batch that its one job has succeeded."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"total": 1, "done": 1, "counts": {"SUCCESS": 1, "FAILED": 0}}'
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}", trust_env=False) as http:
            yield http
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def ledger() -> Ledger:
    """Two jobs that were accepted, the second to run after the first, and a request that got no answer."""
    made = Ledger()
    for submission, ids in (
        (Submission("first", 1, frozenset({IMAGE}), key="key"), ("a",)),
        (Submission("second", 1, frozenset({IMAGE}), needs=("a",)), ("b",)),
    ):
        made.sending(submission)
        made.accepted(submission, ids)
    made.sending(Submission("unanswered", 1, frozenset({IMAGE})))
    return made


@pytest.fixture
def jobs() -> dict[str, dict[str, Any]]:
    after = {"needs": ["a"], "attempt": 1, "attempts": [attempt(1, "SUCCESS", 5)], "ended_at": time(6)}
    return {"a": job("a", "first"), "b": job("b", "second", **after)}


def verdict(ledger: Ledger, jobs: dict[str, dict[str, Any]]) -> str:
    with batches() as http:
        return "\n".join(faults_of(ledger, jobs, http))


def test_what_is_as_promised_has_no_fault(ledger: Ledger, jobs: dict[str, dict[str, Any]]) -> None:
    assert verdict(ledger, jobs) == ""
    jobs["c"] = job("c", "unanswered")  # it may have been accepted all the same
    assert verdict(ledger, jobs) == ""


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"status": "RUNNING"}, "it has not ended"),
        ({"ended_at": None}, "its end is not whole"),
        ({"attempt": 3}, "it counts 3 attempts"),
        ({"attempts": [attempt(2, "SUCCESS", 3)], "attempt": 1}, "not numbered"),
        ({"attempts": [attempt(1, None, 1), attempt(2, "SUCCESS", 3)]}, "an attempt has no end"),
        ({"attempts": [attempt(1, "interrupted", 1), attempt(2, "SUCCESS", 1)]}, "ran at once"),
        ({"attempts": [attempt(1, "SUCCESS", 1), attempt(2, "SUCCESS", 3)]}, "ended it before the last"),
        ({"attempts": [attempt(1, "interrupted", 1), attempt(2, "FAILED", 3)]}, "otherwise than it"),
        ({"attempts": [attempt(1, "interrupted", 1), attempt(2, "interrupted", 3)]}, "no attempt succeeded"),
        ({"attempts": [attempt(1, "retried", 1), attempt(2, "SUCCESS", 3)]}, "and 1 were allowed"),
        ({"result": {"tag": "second", "digest": IMAGE, "padding": ""}}, "of another job"),
        ({"result": {"tag": "first", "digest": digest_of(b"other"), "padding": ""}}, "of another job"),
        ({"options": {"tag": "first", "padding": 9}}, "its result is cut"),
        ({"needs": ["b"]}, "it was to need ()"),
        (failed("internal_error"), "it failed as internal_error"),
        ({"options": {"tag": "nobody's", "padding": 0}}, "nobody submitted"),
    ],
)
def test_a_job_that_is_not_as_promised_is_found(
    ledger: Ledger, jobs: dict[str, dict[str, Any]], changed: dict[str, Any], found: str
) -> None:
    jobs["a"] |= changed
    assert found in verdict(ledger, jobs)


def test_a_job_that_is_lost_or_there_twice_is_found(ledger: Ledger, jobs: dict[str, dict[str, Any]]) -> None:
    assert "a of first was accepted and is lost" in verdict(ledger, {"b": jobs["b"]})
    jobs["c"] = job("c", "first")
    assert "first asked for 1 jobs, and there are 2" in verdict(ledger, jobs)


def test_a_job_that_ran_against_what_it_needs_is_found(ledger: Ledger, jobs: dict[str, dict[str, Any]]) -> None:
    early = deepcopy(jobs)
    early["b"]["attempts"] = [attempt(1, "SUCCESS", 2)]
    assert "b began before what it needs had ended" in verdict(ledger, early)
    jobs["a"] |= failed("plugin_failed") | {"attempts": [attempt(1, "interrupted", 1), attempt(2, "FAILED", 3)]}
    assert "b ran, though what it needs did not succeed" in verdict(ledger, jobs)


def test_a_job_that_was_given_up_early_is_found(ledger: Ledger, jobs: dict[str, dict[str, Any]]) -> None:
    ledger.submissions["first"].max_attempts = 3
    jobs["a"] |= failed("plugin_failed") | {"attempts": [attempt(1, "retried", 1), attempt(2, "FAILED", 3)]}
    jobs["b"] |= failed("dependency_failed") | {"attempts": [], "attempt": 0}
    assert "given up after 2 of 3 tries" in verdict(ledger, jobs)


def test_an_end_that_changed_and_a_key_that_gave_two_jobs_are_found(
    ledger: Ledger, jobs: dict[str, dict[str, Any]]
) -> None:
    ledger.read(job("a", "first", status="CANCELLED"))
    ledger.accepted(ledger.submissions["first"], ("other",))
    said = verdict(ledger, jobs)
    assert "a had ended as" in said
    assert "the key of first gave ('a',), then ('other',)" in said


def test_a_batch_that_does_not_add_up_is_found(ledger: Ledger, jobs: dict[str, dict[str, Any]]) -> None:
    batch = Submission("batch", 2, frozenset({IMAGE}))
    ledger.sending(batch)
    ledger.accepted(batch, ("c", "d"), "batch-id")
    jobs |= {"c": job("c", "batch"), "d": job("d", "batch")}
    assert "the batch of batch says" in verdict(ledger, jobs)


def test_a_webhook_that_never_came_or_told_another_end_is_found(
    ledger: Ledger, jobs: dict[str, dict[str, Any]]
) -> None:
    ledger.submissions["first"].webhook = True
    assert faults_of_webhooks(ledger, jobs, {"a": ["SUCCESS", "SUCCESS"]}) == []
    for told, found in (
        ({}, "a has a webhook"),
        ({"a": ["SUCCESS", "FAILED"]}, "a ended as ['FAILED', 'SUCCESS']"),
        ({"a": ["SUCCESS"], "b": ["SUCCESS"]}, "b has no webhook"),
        ({"a": ["SUCCESS"], "z": ["SUCCESS"]}, "told of z"),
    ):
        assert found in "; ".join(faults_of_webhooks(ledger, jobs, told))


def test_a_job_that_is_found_waiting_after_its_end_is_a_fault_and_an_answer_that_was_late_is_none(
    ledger: Ledger,
) -> None:
    ledger.read(job("a", "first", status="CANCELLED"))
    ledger.read(job("a", "first", status="PENDING"), had_ended=False)
    assert ledger.faults == []
    ledger.read(job("a", "first", status="PENDING"), had_ended=True)
    assert ["a had ended as" in fault and fault.endswith("and is PENDING") for fault in ledger.faults] == [True]
