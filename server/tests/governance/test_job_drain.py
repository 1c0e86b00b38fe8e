"""The end of a server in order: nothing new is taken, what runs ends or is handed back, and all within the setting."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx
from support.errors import assert_error
from support.raw_http import exchange
from support.running_server import PATIENCE_S, eventually, make_home, new_sign, running
from support.server_events import following


def test_a_draining_server_takes_nothing_new_and_answers_what_it_is_asked(tmp_path: Path):
    with running(make_home(tmp_path, "slow", "answering", drain_s=60)) as server, ThreadPoolExecutor(2) as pool:
        sign = new_sign()
        job_id = server.accepted("slow", {"until": sign})
        waiting = server.accepted("slow")
        call = pool.submit(server.analyze, "queue", {"until": sign})
        eventually(lambda: server.row("slow")["in_flight"] and server.row("queue")["in_flight"], "calls in flight")
        server.process.send_signal(signal.SIGTERM)
        ready = eventually(lambda: _unready(server.http), "readiness withdrawn")
        assert ready["reasons"] == ["the server is stopping"]
        for refused in (
            server.post_job("second"),
            server.analyze("second"),
            server.http.post(f"/v1/jobs/{job_id}/requeue"),
        ):
            assert_error(refused, 503, "shutting_down")
            assert int(refused.headers["retry-after"]) >= 1
        assert server.job(job_id)["status"] == "RUNNING"
        server.give(sign)
        assert call.result().status_code == 200
        assert server.process.wait(PATIENCE_S) == 0
    with running(server.home) as server:
        assert (server.job(job_id)["status"], server.job(job_id)["attempt"]) == ("SUCCESS", 1)
        assert server.ended_job(waiting)["attempt"] == 1


def _unready(http: httpx.Client) -> dict[str, list[str]] | None:
    answer = http.get("/health/ready")
    body: dict[str, list[str]] = answer.json()
    return body if answer.status_code == 503 else None


def test_what_does_not_end_in_time_is_handed_back_and_runs_again(tmp_path: Path):
    home = make_home(tmp_path, "slow", drain_s=0.5)
    with running(home) as server:
        job_id = server.accepted("slow", {"seconds": 5})
        eventually(lambda: server.row("slow")["in_flight"], "call in flight")
        workers = server.descendants()
        assert server.stop() == 0
        assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    with running(home) as server:
        job = server.ended_job(job_id)
        assert (job["status"], job["attempt"]) == ("SUCCESS", 2)
        assert [attempt["outcome"] for attempt in job["attempts"]] == ["handed_back", "SUCCESS"]


def test_a_caller_who_waits_longer_than_the_drain_is_told(tmp_path: Path):
    home = make_home(tmp_path, "slow", drain_s=0.3)
    with running(home) as server, ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(server.analyze, "slow", {"seconds": 600}) for _ in range(2)]  # one of them in the queue
        eventually(lambda: len(server.jobs(plugin="slow", status="RUNNING")) == 2, "calls")
        eventually(lambda: server.row("slow")["in_flight"], "call in flight")
        workers = server.descendants()
        assert server.stop() == 0
        for call in calls:
            assert_error(call.result(), 400, "interrupted")
        assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    with running(home) as server:
        assert {job["error_code"] for job in server.jobs(plugin="slow")} == {"interrupted"}


def test_a_call_that_waits_for_a_seat_in_vain_is_told_that_the_server_stops(tmp_path: Path):
    home = make_home(tmp_path, "slow", drain_s=60, max_wait_s=6)
    with running(home) as server, ThreadPoolExecutor(2) as pool:
        running_call = pool.submit(server.analyze, "slow", {"seconds": 600})
        eventually(lambda: server.row("slow")["in_flight"], "call in flight")
        (job,) = server.jobs(plugin="slow")
        waiting_call = pool.submit(server.analyze, "slow", {"seconds": 600})
        eventually(lambda: len(server.jobs(plugin="slow")) == 2, "call in the queue")
        server.process.send_signal(signal.SIGTERM)
        refused = waiting_call.result()
        assert_error(refused, 503, "shutting_down")
        assert refused.headers["retry-after"] == "60"
        server.http.delete(f"/v1/jobs/{job['id']}")
        assert_error(running_call.result(), 400, "cancelled")
        assert server.process.wait(PATIENCE_S) == 0


def test_attempts_that_were_handed_back_are_not_held_against_a_job(tmp_path: Path):
    home = make_home(tmp_path, "slow", "steps", drain_s=0)
    with running(home) as server:
        job_id = server.accepted("slow", {"seconds": 3}, retry={"max_attempts": 1})
        eventually(lambda: server.row("slow")["in_flight"], "call in flight")
        server.stop()
    with running(home) as server:
        assert server.ended_job(job_id)["status"] == "SUCCESS"


def test_event_streams_end_with_the_server(tmp_path: Path):
    with running(make_home(tmp_path, "slow", drain_s=60)) as server:
        sign = new_sign()
        job_id = server.accepted("slow", {"until": sign})
        with following(server, f"/v1/jobs/{job_id}/events") as events, following(server, "/v1/jobs/events") as every:
            assert next(events).data["status"] == "PENDING"
            eventually(lambda: server.row("slow")["in_flight"], "call in flight")
            server.process.send_signal(signal.SIGTERM)
            eventually(lambda: _unready(server.http), "readiness withdrawn")
            server.give(sign)
            assert [event.event for event in events][-1] == "end"
            assert all(event.event == "job" for event in every)
        assert server.process.wait(PATIENCE_S) == 0


def test_who_still_sends_when_the_server_ends_is_told_that_it_does(tmp_path: Path):
    form = "multipart/form-data; boundary=cut"
    asked = [("/v1/analyze?plugin=echo", "image/png"), ("/v1/jobs", form), ("/v1/jobs/batch", "application/json")]
    with running(make_home(tmp_path, "answering", drain_s=0)) as server, ThreadPoolExecutor(len(asked)) as pool:
        all_sent = Barrier(len(asked), action=lambda: server.process.send_signal(signal.SIGTERM))

        def half_a_body() -> Iterator[bytes]:
            yield b"--cut\r\n"
            all_sent.wait(PATIENCE_S)

        def send(path: str, kind: str) -> httpx.Response:
            head = f"POST {path} HTTP/1.1\nHost: 127.0.0.1\nContent-Type: {kind}\nContent-Length: 1000\n\n"
            return exchange(server.port, head, half_a_body()).answer

        for answer in pool.map(lambda request: send(*request), asked):
            assert_error(answer, 503, "shutting_down")
            assert int(answer.headers["retry-after"]) >= 1
        assert server.process.wait(PATIENCE_S) == 0
    assert "Traceback" not in server.home.log.read_text()


def test_an_idle_server_ends_at_once_whatever_its_drain_time(tmp_path: Path):
    with running(make_home(tmp_path, "answering", drain_s=600)) as server:
        assert server.stop() == 0


def test_a_second_interrupt_ends_it_at_once(tmp_path: Path):
    with running(make_home(tmp_path, "slow", drain_s=600)) as server:
        job_id = server.accepted("slow", {"seconds": 600})
        eventually(lambda: server.row("slow")["in_flight"], "call in flight")
        server.process.send_signal(signal.SIGINT)
        eventually(lambda: _unready(server.http), "readiness withdrawn")
        time.sleep(0.2)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(PATIENCE_S) == 130
    with running(server.home) as server:
        assert server.job(job_id)["status"] in ("PENDING", "RUNNING")
        server.kill()  # else it would wait for the job
