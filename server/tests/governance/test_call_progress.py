"""A call that somebody waits for tells how far it is, if the caller takes events; else nothing changes."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
from support.errors import assert_error
from support.images import PNG
from support.running_server import RunningServer, eventually, new_sign
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
    sign, told = new_sign(), []
    with calling(server, "steps", steps=4, pause=0.1, until=sign) as response:
        for event in told_of(response):
            told.append(event)
            if event.event == "progress":
                server.give(f"{sign}-{event.data['done']:g}")
    *progress, end = told
    assert {event.event for event in progress} == {"progress"}
    assert [event.data["message"] for event in progress] == [f"step {number}" for number in range(1, 5)]
    assert {event.data["total"] for event in progress} == {4}
    assert (end.event, end.data["status"]) == ("end", 200)
    body = end.data["body"]
    assert body["result"] == {"steps": 4}
    assert body["running_ms"] >= 400
    assert server.job(body["job_id"])["status"] == "SUCCESS"


def test_a_failure_after_progress_is_told_with_its_status_and_envelope(server: RunningServer):
    with calling(server, "steps", steps=2, pause=0.5, fails=True) as response:
        end = list(told_of(response))[-1]
    assert (end.event, end.data["status"]) == ("end", 400)
    error = end.data["body"]["detail"]
    assert (error["type"], error["details"]["code"]) == ("ExecutionError", "plugin_failed")
    assert error["details"]["job_id"]


def test_what_is_quick_or_silent_or_refused_is_answered_as_ever(server: RunningServer):
    def quick() -> dict[str, Any] | None:
        """Nothing where the machine was so busy that it was not."""
        with calling(server, "steps", steps=3, pause=0) as response:
            body = response.read()
            return json.loads(body) if response.headers["content-type"] == "application/json" else None

    with calling(server, "slow", seconds=0.6) as response:
        silent = json.loads(response.read())
        assert response.headers["content-type"] == "application/json"
    for plugin, answer in (("steps", eventually(quick, "quick call")), ("slow", silent)):
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
    eventually(lambda: server.jobs(plugin="steps")[0]["status"] == "CANCELLED", "record of the end")


def test_who_leaves_before_the_first_progress_ends_the_call_too(server: RunningServer):
    before = server.row("slow")["cancelled_count"]
    query = urlencode({"plugin": "slow", "options": json.dumps({"until": new_sign()})})
    head = f"POST /v1/analyze?{query} HTTP/1.1\r\nHost: localhost\r\nAccept: {EVENTS}\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as impatient:
        impatient.sendall(f"{head}Content-Type: image/png\r\nContent-Length: {len(PNG)}\r\n\r\n".encode() + PNG)
        eventually(lambda: server.row("slow")["in_flight"] == 1, "call in flight")
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
