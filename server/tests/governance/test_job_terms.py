"""The terms of a job: retry, delay, deadline, priority, and the jobs that it needs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.errors import assert_error, assert_error_object
from support.running_server import RunningServer, make_home, new_sign, running

QUICK = {"backoff_s": 0.01, "codes": ["plugin_failed"]}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_job_that_fails_is_tried_until_it_succeeds(server: RunningServer):
    options = {"tag": "until success", "failures": 2}
    job = server.ended_job(server.accepted("flaky", options, retry={"max_attempts": 5, **QUICK}))
    assert (job["status"], job["result"], job["error"]) == ("SUCCESS", {"calls": 3}, None)
    assert job["attempt"] == 3
    assert [attempt["number"] for attempt in job["attempts"]] == [1, 2, 3]
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["retried", "retried", "SUCCESS"]
    assert [attempt["error_code"] for attempt in job["attempts"]] == ["plugin_failed", "plugin_failed", None]
    for attempt in job["attempts"]:
        assert job["created_at"] <= attempt["started_at"] <= attempt["ended_at"] <= job["ended_at"]
        assert attempt["worker_pid"] > 0


def test_a_job_that_keeps_failing_is_given_up_with_its_last_error(server: RunningServer):
    options = {"tag": "given up", "failures": 100}
    job = server.ended_job(server.accepted("flaky", options, retry={"max_attempts": 3, **QUICK}))
    assert (job["status"], job["attempt"], job["error_code"]) == ("FAILED", 3, "plugin_failed")
    assert_error_object(job["error"], "plugin_failed")
    assert job["error"]["message"] == "failure 3"
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["retried", "retried", "FAILED"]


def test_a_code_that_the_policy_does_not_name_is_not_tried_again(server: RunningServer):
    policy = {"max_attempts": 5, "codes": ["plugin_timeout"], "backoff_s": 0.01}
    job = server.ended_job(server.accepted("raising", {"what": "plain"}, retry=policy))
    assert (job["status"], job["attempt"]) == ("FAILED", 1)


def test_a_job_rests_between_two_tries(server: RunningServer):
    policy = {"max_attempts": 2, "backoff_s": 600, "max_backoff_s": 900, "codes": ["plugin_failed"], "jitter": 0}
    job_id = server.accepted("flaky", {"tag": "rests", "failures": 9}, retry=policy)
    while (job := server.until_status(job_id, "PENDING"))["attempt"] == 0:
        continue
    assert at(job["not_before"]) - at(job["attempts"][0]["ended_at"]) > timedelta(seconds=590)
    assert server.http.delete(f"/v1/jobs/{job_id}").json()["status"] == "CANCELLED"


def test_no_rest_goes_beyond_the_deadline(server: RunningServer):
    policy = {"max_attempts": 2, "backoff_s": 600, "codes": ["plugin_failed"]}
    job_id = server.accepted("flaky", {"tag": "deadline", "failures": 9}, retry=policy, deadline_s=60)
    assert server.ended_job(job_id)["error_code"] == "plugin_failed"


def test_the_operator_says_how_the_jobs_of_a_plugin_are_tried(tmp_path: Path):
    home = make_home(tmp_path, "steps", retry_attempts=2, retry_backoff_s=0.01)
    home.data.mkdir()
    (home.data / "plugins.toml").write_text('[flaky.retry]\nmax_attempts = 4\ncodes = ["plugin_failed"]\n')
    with running(home) as server:
        job = server.ended_job(server.accepted("flaky", {"tag": "a", "failures": 3}))
        assert (job["status"], job["attempt"], job["retry"]["max_attempts"]) == ("SUCCESS", 4, 4)
        asked = server.ended_job(server.accepted("flaky", {"tag": "b", "failures": 9}, retry={"max_attempts": 1}))
        assert (asked["status"], asked["attempt"]) == ("FAILED", 1)
        assert server.job(server.accepted("steps", delay_s=60))["retry"]["max_attempts"] == 2


def test_a_delayed_job_waits_and_then_runs(server: RunningServer):
    job_id = server.accepted("second", delay_s=1.5)
    job = server.job(job_id)
    assert job["status"] == "PENDING" or at(job["not_before"]) <= datetime.now(UTC)
    assert at(job["not_before"]) - at(job["created_at"]) == timedelta(seconds=1.5)
    ended = server.ended_job(job_id)
    assert ended["status"] == "SUCCESS"
    assert ended["started_at"] >= job["not_before"]


def test_a_job_whose_deadline_passes_while_it_waits_fails_without_running(tmp_path: Path):
    with running(make_home(tmp_path, "slow", "answering")) as server:
        blocker = server.accepted("slow", {"seconds": 600})
        server.until_status(blocker, "RUNNING")
        job = server.ended_job(server.accepted("slow", deadline_s=0.5))
        assert (job["status"], job["attempt"]) == ("FAILED", 0)
        assert_error_object(job["error"], "deadline_exceeded")
        server.kill()  # else it would wait for the other one


def test_a_deadline_ends_a_job_that_runs(server: RunningServer):
    job = server.ended_job(server.accepted("slow", {"seconds": 600}, deadline_s=3))
    assert (job["status"], job["attempt"], job["error_code"]) == ("FAILED", 1, "deadline_exceeded")


def test_jobs_of_higher_priority_start_first(tmp_path: Path):
    with running(make_home(tmp_path, "slow")) as server:
        sign = new_sign()
        blocker = server.accepted("queue", {"until": sign})
        server.until_status(blocker, "RUNNING")
        asked = {priority: server.accepted("queue", priority=priority) for priority in (0, -100, 7, 100, 50)}
        server.give(sign)
        turns = {priority: server.ended_job(job_id)["result"]["turn"] for priority, job_id in asked.items()}
        assert sorted(turns, key=lambda priority: turns[priority]) == [100, 50, 7, 0, -100]


def test_jobs_of_higher_priority_start_first_whatever_their_plugin_where_few_run_at_once(tmp_path: Path):
    with running(make_home(tmp_path, "slow", max_running_jobs=1)) as server:
        sign = new_sign()
        blocker = server.accepted("slow-eight", {"until": sign})
        server.until_status(blocker, "RUNNING")
        asked = [
            ("queue", 0),
            ("queue", 0),
            ("slow-eight", 7),
            ("slow", 100),
            ("queue", 50),
            ("slow", -5),
            ("queue", 7),
        ]
        ids = [server.accepted(plugin, priority=priority) for plugin, priority in asked]
        server.give(sign)
        jobs = sorted((server.ended_job(job_id) for job_id in ids), key=lambda job: job["started_at"])
        assert [(job["plugin"], job["priority"]) for job in jobs] == sorted(asked, key=lambda one: -one[1])


def test_a_job_runs_after_those_that_it_needs(server: RunningServer):
    sign = new_sign()
    first = server.accepted("slow", {"until": sign})
    second = server.accepted("second", after=[first])
    third = server.accepted("echo", after=[first, second])
    waiting = server.job(third)
    assert (waiting["status"], waiting["needs"]) == ("PENDING", [first, second])
    server.give(sign)
    ended = [server.ended_job(job_id) for job_id in (first, second, third)]
    assert [job["status"] for job in ended] == ["SUCCESS"] * 3
    assert ended[0]["ended_at"] <= ended[1]["started_at"]
    assert ended[1]["ended_at"] <= ended[2]["started_at"]


def test_a_delayed_job_whose_need_ends_before_its_time_starts_when_that_comes(server: RunningServer):
    needed = server.accepted("second", delay_s=3600)
    delayed = server.accepted("second", after=[needed], after_rule="end", delay_s=3)
    assert server.http.delete(f"/v1/jobs/{needed}").json()["status"] == "CANCELLED"
    job = server.job(delayed)
    assert job["status"] == "PENDING" or at(job["not_before"]) <= datetime.now(UTC)
    ended = server.ended_job(delayed)
    assert (ended["status"], ended["started_at"] >= job["not_before"]) == ("SUCCESS", True)


def test_what_needs_a_job_that_fails_fails_too_and_so_on(server: RunningServer):
    first = server.accepted("slow", {"seconds": 25})
    chain = [first]
    for _ in range(3):
        chain.append(server.accepted("second", after=[chain[-1]]))
    anyway = server.accepted("second", after=[chain[1]], after_rule="end")
    assert server.http.delete(f"/v1/jobs/{first}").status_code == 200
    for job_id in chain[1:]:
        job = server.ended_job(job_id)
        assert (job["status"], job["attempt"]) == ("FAILED", 0)
        assert_error_object(job["error"], "dependency_failed")
    assert server.ended_job(anyway)["status"] == "SUCCESS"


def test_a_job_that_needs_one_that_has_ended_is_judged_at_once(server: RunningServer):
    good = server.accepted("second")
    bad = server.accepted("raising", {"what": "plain"})
    server.ended_job(good)
    server.ended_job(bad)
    assert server.ended_job(server.accepted("second", after=[good]))["status"] == "SUCCESS"
    born_failed = server.post_job("second", after=[bad])
    assert born_failed.json()["status"] == "FAILED"
    assert server.job(born_failed.json()["id"])["error_code"] == "dependency_failed"


def test_a_dependency_that_is_not_there_is_refused_and_nothing_is_stored(server: RunningServer):
    before = len(server.jobs(plugin="second"))
    error = assert_error(server.post_job("second", after=["0" * 32]), 404, "job_not_found")
    assert error["details"]["field"] == "after"
    assert len(server.jobs(plugin="second")) == before


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"priority": 101}, "priority"),
        ({"priority": -101}, "priority"),
        ({"priority": 1.5}, "priority"),
        ({"priority": True}, "priority"),
        ({"priority": "5"}, "priority"),
        ({"delay_s": -1}, "delay_s"),
        ({"delay_s": 1e12}, "delay_s"),
        ({"delay_s": "soon"}, "delay_s"),
        ({"delay_s": "5"}, "delay_s"),
        ({"delay_s": 10**400}, "delay_s"),
        ({"deadline_s": True}, "deadline_s"),
        ({"timeout_s": "5"}, "timeout_s"),
        ({"deadline_s": 0}, "deadline_s"),
        ({"delay_s": 10, "deadline_s": 5}, "deadline_s"),
        ({"delay_s": 10, "timeout_s": 5}, "timeout_s"),
        ({"after": "itself"}, "after"),
        ({"after": ["itself"]}, "after"),
        ({"after": [7]}, "after"),
        ({"after_rule": "maybe"}, "after_rule"),
        ({"retry": []}, "retry"),
        ({"retry": {"max_attempts": 0}}, "retry"),
        ({"retry": {"max_attempts": 1000}}, "retry"),
        ({"retry": {"max_attempts": 2.5}}, "retry"),
        ({"retry": {"codes": ["no_such_code"]}}, "retry"),
        ({"retry": {"codes": "plugin_failed"}}, "retry"),
        ({"retry": {"codes": ["cancelled"]}}, "retry"),
        ({"retry": {"backoff_s": -1}}, "retry"),
        ({"retry": {"backoff_s": "1"}}, "retry"),
        ({"retry": {"backoff_s": 10**400}}, "retry"),
        ({"retry": {"forever": True}}, "retry"),
        ({"webhook": 7}, "webhook"),
        ({"webhook": "x" * 3000}, "webhook"),
    ],
)
def test_terms_that_make_no_sense_are_refused_by_name(server: RunningServer, terms: dict[str, Any], field: str):
    error = assert_error(server.post_job("second", **terms), 400, "malformed_request")
    assert error["details"]["field"] == field


def test_terms_are_taken_with_uploads_and_raw_bodies_too(server: RunningServer):
    first = server.accepted("second", delay_s=3600)
    terms = {"priority": "9", "delay_s": "3600", "retry": '{"max_attempts": 3}', "after": first, "after_rule": "end"}
    files = {"image": ("a.png", b"not looked at", "image/png")}
    upload = server.http.post("/v1/jobs", data={"plugin": "second", **terms}, files=files)
    raw = server.http.post("/v1/jobs", params={"plugin": "second", **terms}, content=b"x")
    for answer in (upload, raw):
        assert answer.status_code == 202, answer.text
        job = server.job(answer.json()["id"])
        assert (job["priority"], job["needs"], job["after_rule"]) == (9, [first], "end")
        assert (job["retry"]["max_attempts"], job["blocked"]) == (3, 1)
        assert job["not_before"] is not None
    for wrong in ({"priority": "high"}, {"retry": "{"}, {"delay_s": "nan"}, {"priority": ["1", "2"]}):
        answer = server.http.post("/v1/jobs", params={"plugin": "second", **wrong}, content=b"x")
        assert_error(answer, 400, "malformed_request")
    assert_error(server.http.post("/v1/jobs?plugin=second&urgent=1", content=b"x"), 400, "unknown_field")


@pytest.mark.parametrize("name", ["priority", "delay_s", "deadline_s", "retry", "after", "after_rule", "webhook"])
def test_a_term_that_is_empty_is_refused_and_not_left_out(server: RunningServer, name: str):
    before = len(server.jobs(plugin="second"))
    files = {"image": ("a.png", b"not looked at", "image/png")}
    upload = server.http.post("/v1/jobs", data={"plugin": "second", name: ""}, files=files)
    raw = server.http.post("/v1/jobs", params={"plugin": "second", name: ""}, content=b"x")
    for answer in (upload, raw):
        assert assert_error(answer, 400, "malformed_request")["details"]["field"] == name
    assert len(server.jobs(plugin="second")) == before


def test_what_is_no_id_of_a_job_is_told_as_that(server: RunningServer):
    raw = server.http.post("/v1/jobs?plugin=second&after=nope", content=b"x")
    for answer in (raw, server.post_job("second", after=["0" * 32, "nope"])):
        assert assert_error(answer, 400, "malformed_request")["message"] == "'nope' is no id of a job"


def test_a_call_that_is_waited_for_takes_no_terms(server: RunningServer):
    body = {"plugin": "second", "image": "", "mime_type": "image/png", "priority": 1}
    assert_error(server.http.post("/v1/analyze", json=body), 400, "unknown_field")
