"""A call that somebody waits for tells how far it is, if the caller takes events; else nothing changes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from support.errors import assert_error
from support.images import PNG
from support.running_server import RunningServer, eventually
from support.server_events import ServerEvent, parse_events

EVENTS = "text/event-stream"


@contextmanager
def calling(server: RunningServer, plugin: str, **options: Any) -> Iterator[httpx.Response]:
    """Call a plugin as one who takes events as well as JSON."""
    query = {"plugin": plugin, "options": json.dumps(options)}
    headers = {"accept": f"application/json, {EVENTS}", "content-type": "image/png"}
    with server.http.stream("POST", "/v1/analyze", params=query, content=PNG, headers=headers) as response:
        yield response


def told_of(response: httpx.Response) -> Iterator[ServerEvent]:
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(EVENTS)
    return parse_events(response.iter_lines())


def test_progress_comes_while_the_plugin_runs_and_the_answer_last(server: RunningServer):
    with calling(server, "steps", steps=4, pause=0.4) as response:
        *progress, end = told_of(response)
    assert {event.event for event in progress} == {"progress"}
    assert [event.data["message"] for event in progress][-2:] == ["step 3", "step 4"]
    assert {event.data["total"] for event in progress} == {4}
    assert (end.event, end.data["status"]) == ("end", 200)
    body = end.data["body"]
    assert body["result"] == {"steps": 4}
    assert body["running_ms"] >= 1_600
    assert server.job(body["job_id"])["status"] == "SUCCESS"


def test_a_failure_after_progress_is_told_with_its_status_and_envelope(server: RunningServer):
    with calling(server, "steps", steps=2, pause=0.5, fails=True) as response:
        end = list(told_of(response))[-1]
    assert (end.event, end.data["status"]) == ("end", 400)
    error = end.data["body"]["detail"]
    assert (error["type"], error["details"]["code"]) == ("ExecutionError", "plugin_failed")
    assert error["details"]["job_id"]


def test_what_is_quick_or_silent_or_refused_is_answered_as_ever(server: RunningServer):
    for plugin, options in (("steps", {"steps": 3, "pause": 0}), ("slow", {"seconds": 0.6})):
        with calling(server, plugin, **options) as response:
            answer = json.loads(response.read())
            assert response.headers["content-type"] == "application/json"
        assert answer["plugin"] == plugin
        assert answer["job_id"]
    with calling(server, "no-such-plugin") as response:
        response.read()
        assert_error(response, 404, "plugin_not_found")


def test_who_does_not_take_events_gets_none(server: RunningServer):
    answer = server.analyze("steps", {"steps": 3, "pause": 0.3})
    assert answer.status_code == 200
    assert answer.json()["result"] == {"steps": 3}


def test_who_leaves_the_stream_ends_the_call_and_its_worker(server: RunningServer):
    before = server.row("steps")["cancelled_count"]
    with calling(server, "steps", steps=100, pause=1) as response:
        assert next(told_of(response)).event == "progress"
        assert server.row("steps")["in_flight"] == 1
    eventually(lambda: server.row("steps")["in_flight"] == 0, "end of the call")
    assert server.row("steps")["cancelled_count"] == before + 1
    assert server.jobs(plugin="steps")[0]["status"] == "CANCELLED"


def test_who_leaves_before_the_first_progress_ends_the_call_too(server: RunningServer):
    before = server.row("slow")["cancelled_count"]
    query = {"plugin": "slow", "options": json.dumps({"seconds": 25})}
    headers = {"accept": EVENTS, "content-type": "image/png"}
    with httpx.Client(base_url=server.url, trust_env=False, timeout=1) as impatient:
        try:
            impatient.post("/v1/analyze", params=query, content=PNG, headers=headers)
        except httpx.ReadTimeout:
            pass
    eventually(lambda: server.row("slow")["in_flight"] == 0, "end of the call")
    assert server.row("slow")["cancelled_count"] == before + 1


def test_a_followed_call_that_is_cancelled_by_its_id_says_so(server: RunningServer):
    with calling(server, "steps", steps=100, pause=1) as response:
        events = told_of(response)
        assert next(events).event == "progress"
        job = eventually(lambda: server.jobs(plugin="steps", status="RUNNING"), "running call")[0]
        server.http.delete(f"/v1/jobs/{job['id']}").raise_for_status()
        end = list(events)[-1]
    assert end.data["body"]["detail"]["details"]["code"] == "cancelled"
