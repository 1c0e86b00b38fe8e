"""What happens to jobs, told as server-sent events that can be taken up again."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.errors import assert_error
from support.running_server import RunningServer, eventually, make_home, new_sign, running
from support.server_events import ServerEvent, all_events, following


def no_streams(server: RunningServer) -> None:
    """Wait for the end of those that other tests have left: the server notices it a moment later."""
    eventually(lambda: streams(server) == 0, "end of earlier streams")


def streams(server: RunningServer) -> float:
    lines = server.http.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("sightgate_event_streams "))


def test_a_job_is_told_from_its_acceptance_to_its_end(server: RunningServer):
    job_id = server.accepted("slow", {"seconds": 0.5})
    events = all_events(server, f"/v1/jobs/{job_id}/events")
    assert [(event.event, event.data["status"]) for event in events] == [
        ("status", "PENDING"),
        ("status", "RUNNING"),
        ("end", "SUCCESS"),
    ]
    assert [event.id for event in events] == ["1", "2", "3"]
    assert events[-1].data == server.job(job_id)


def test_retries_are_told_with_their_reason(server: RunningServer):
    policy = {"max_attempts": 3, "backoff_s": 0.01, "codes": ["plugin_failed"]}
    job_id = server.accepted("flaky", {"tag": "events", "failures": 2}, retry=policy)
    events = all_events(server, f"/v1/jobs/{job_id}/events")
    told = [(event.data["status"], event.data.get("outcome")) for event in events]
    waits = [("PENDING", "retried"), ("RUNNING", None)]
    assert told[:-1] == [("PENDING", None), ("RUNNING", None), *waits, *waits]
    assert events[2].data["error_code"] == "plugin_failed"


def test_a_reader_that_comes_back_goes_on_where_it_was(server: RunningServer):
    job_id = server.accepted("second")
    server.ended_job(job_id)
    path = f"/v1/jobs/{job_id}/events"
    whole = all_events(server, path)
    for position in range(1, len(whole)):
        rest = all_events(server, path, after=whole[position - 1].id)
        assert [(event.event, event.id) for event in rest] == [(event.event, event.id) for event in whole[position:]]
    # What lies beyond the end, or is no position at all, harms nothing.
    assert [(event.event, event.id) for event in all_events(server, path, after="999")] == [("end", whole[-1].id)]
    for nonsense in ("x", "-1", "1.5", "9" * 40):
        assert len(all_events(server, path, after=nonsense)) == len(whole)


def test_a_position_that_a_job_has_not_reached_is_none_and_begins_anew(server: RunningServer):
    sign = new_sign()
    job_id = server.accepted("second", after=[server.accepted("slow", {"until": sign})])
    with following(server, f"/v1/jobs/{job_id}/events", after="999") as stream:
        events = [next(stream)]
        server.give(sign)
        events += stream
    assert [(event.event, event.id) for event in events] == [("status", "1"), ("status", "2"), ("end", "3")]


def test_a_reader_goes_on_after_the_server_was_restarted(tmp_path: Path):
    home = make_home(tmp_path, "slow")
    with running(home) as server:
        job_id = server.accepted("slow", {"seconds": 3})
        with following(server, f"/v1/jobs/{job_id}/events") as events:
            assert [next(events).data["status"] for _ in range(2)] == ["PENDING", "RUNNING"]
        server.kill()
    with running(home) as server:
        rest = all_events(server, f"/v1/jobs/{job_id}/events", after="2")
    told = [(event.event, event.data["status"], event.data.get("outcome")) for event in rest]
    assert told[:2] == [("status", "PENDING", "interrupted"), ("status", "RUNNING", None)]
    assert told[-1][:2] == ("end", "SUCCESS")


@pytest.mark.parametrize("plugin", ["steps", "plain-steps"])
def test_progress_is_told_while_the_plugin_runs(server: RunningServer, plugin: str):
    sign = new_sign()
    options = {"until": sign} if plugin == "plain-steps" else {"steps": 3, "pause": 0.1, "until": sign}
    events = go_on_as_told(server, server.accepted(plugin, options), sign)
    progress = [event.data for event in events if event.event == "progress"]
    assert {step["total"] for step in progress} == {3}
    assert [step["done"] for step in progress] == sorted(step["done"] for step in progress)
    assert progress[-1]["done"] == 3
    if plugin == "steps":
        assert [step["message"] for step in progress] == ["step 1", "step 2", "step 3"]
    assert events[-1].data["progress"] is None
    kinds = [event.event for event in events]
    assert kinds.index("progress") > 1
    assert kinds[-1] == "end"


def go_on_as_told(server: RunningServer, job_id: str, sign: str) -> list[ServerEvent]:
    """Return the events of a job that waits after each step until that is told."""
    events = []
    with following(server, f"/v1/jobs/{job_id}/events") as stream:
        for event in stream:
            events.append(event)
            if event.event == "progress":
                server.give(f"{sign}-{event.data['done']:g}")
    return events


def test_progress_stands_in_the_job_and_in_the_list_while_it_runs(server: RunningServer):
    sign = new_sign()
    job_id = server.accepted("steps", {"steps": 2, "pause": 0.1, "until": sign})
    told = eventually(lambda: server.job(job_id)["progress"], "progress")
    assert told == {"done": 1.0, "total": 2.0, "message": "step 1"}
    assert {job["id"]: job["progress"] for job in server.jobs(plugin="steps")}[job_id] == told
    for step in (1, 2):
        server.give(f"{sign}-{step}")
    assert server.ended_job(job_id)["progress"] is None


def test_a_call_that_somebody_waits_for_can_be_followed(server: RunningServer):
    with ThreadPoolExecutor(1) as pool:
        sign = new_sign()
        call = pool.submit(server.analyze, "steps", {"steps": 3, "pause": 0.1, "until": sign})
        running_now = eventually(lambda: server.jobs(plugin="steps", status="RUNNING"), "call")
        events = go_on_as_told(server, running_now[0]["id"], sign)
        assert call.result().status_code == 200
    assert events[0].data["status"] == "RUNNING"
    assert "progress" in [event.event for event in events]
    assert events[-1].data["result"] == {"steps": 3}


def test_all_jobs_are_told_as_they_change(server: RunningServer):
    no_streams(server)
    with following(server, "/v1/jobs/events") as events:
        eventually(lambda: streams(server) == 1, "open stream")
        sign = new_sign()
        job_id = server.accepted("slow", {"until": sign})
        seen = []
        for event in events:
            assert event.event == "job"
            assert "result" not in event.data
            if event.data["id"] == job_id:
                seen.append(event.data["status"])
                if seen[-1] == "RUNNING":
                    server.give(sign)
                if seen[-1] == "SUCCESS":
                    break
        assert server.http.post("/v1/jobs/purge", params={"q": job_id}).json() == {"removed": 1}
        assert any(event.event == "resync" for event in events)
    assert seen in (["PENDING", "RUNNING", "SUCCESS"], ["RUNNING", "SUCCESS"])


def test_who_comes_back_to_all_jobs_is_told_to_list_anew(server: RunningServer):
    with following(server, "/v1/jobs/events", after="another-7") as events:
        assert next(events).event == "resync"


def test_a_reader_that_leaves_leaves_nothing_behind(server: RunningServer):
    job_id = server.accepted("second", delay_s=3600)
    no_streams(server)
    for path in (f"/v1/jobs/{job_id}/events", "/v1/jobs/events"):
        with following(server, path):
            eventually(lambda: streams(server) == 1, "open stream")
        eventually(lambda: streams(server) == 0, "end of the stream")


def test_a_reader_that_never_reads_is_no_burden(server: RunningServer):
    no_streams(server)
    with socket.create_connection(("127.0.0.1", server.port)) as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        stuck.sendall(b"GET /v1/jobs/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        eventually(lambda: streams(server) == 1, "open stream")
        for _ in range(30):
            server.accepted("second")
        assert server.analyze("second").status_code == 200
    eventually(lambda: streams(server) == 0, "end of the stream")


def test_only_so_many_streams_are_kept_open(tmp_path: Path):
    with running(make_home(tmp_path, "answering")) as server:
        job_id = server.accepted("second", delay_s=3600)
        open_ones: list[socket.socket] = []
        try:
            request = f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
            for _ in range(500):
                open_ones.append(socket.create_connection(("127.0.0.1", server.port)))
                open_ones[-1].sendall(request)
            eventually(lambda: streams(server) == 500, "500 open streams")
            assert_error(server.http.get(f"/v1/jobs/{job_id}/events"), 429, "overloaded")
            assert server.analyze("second").status_code == 200
        finally:
            for each in open_ones:
                each.close()
        eventually(lambda: streams(server) == 0, "end of all streams")
