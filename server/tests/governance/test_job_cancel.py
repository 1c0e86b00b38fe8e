"""Cancelling jobs: those that wait end at once, of those that run the worker is ended."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.errors import assert_error, assert_error_object
from support.running_server import RunningServer, eventually, make_home, running


def cancel(server: RunningServer, job_id: str):
    return server.http.delete(f"/v1/jobs/{job_id}")


def test_a_job_that_waits_is_cancelled_at_once_and_never_runs(server: RunningServer):
    job_id = server.accepted("resting", delay_s=3600)
    answer = cancel(server, job_id)
    assert answer.status_code == 200
    job = answer.json()
    assert (job["status"], job["attempt"], job["attempts"]) == ("CANCELLED", 0, [])
    assert_error_object(job["error"], "cancelled")
    assert job["error"]["details"]["job_id"] == job_id
    assert server.row("resting")["success_count"] == 0  # nobody else calls it


def test_a_job_that_runs_is_cancelled_and_its_worker_is_gone(tmp_path: Path):
    with running(make_home(tmp_path, "steps")) as server:
        job_id = server.accepted("steps", {"steps": 2, "pause": 600})
        eventually(lambda: server.job(job_id)["progress"], "progress")
        workers = server.descendants()
        job = cancel(server, job_id).json()
        assert job["status"] == "CANCELLED"
        assert_error_object(job["error"], "cancelled")
        (attempt,) = job["attempts"]
        assert (attempt["outcome"], attempt["error_code"]) == ("CANCELLED", "cancelled")
        assert attempt["worker_pid"] in workers
        eventually(lambda: attempt["worker_pid"] not in server.descendants(), "end of the worker")
        assert server.row("steps")["cancelled_count"] == 1
        # Its place is free for the next.
        assert server.ended_job(server.accepted("steps"))["status"] == "SUCCESS"


def test_a_job_whose_worker_is_still_starting_can_be_cancelled(tmp_path: Path):
    home = make_home(tmp_path)
    (home.plugins / "lazy.py").write_text(
        """
import time

class Lazy:
    name = "lazy"

    def load(self):
        time.sleep(600)

    def run(self, payload):
        return {"done": True}
"""
    )
    with running(home) as server:
        job_id = server.accepted("lazy")
        server.until_status(job_id, "RUNNING")
        eventually(server.descendants, "worker that starts")
        assert cancel(server, job_id).json()["status"] == "CANCELLED"
        eventually(lambda: not server.descendants(), "end of the worker")


def test_a_call_that_somebody_waits_for_can_be_cancelled_by_another(tmp_path: Path):
    with running(make_home(tmp_path, "slow")) as server, ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(server.analyze, "slow", {"seconds": 600}) for _ in range(2)]
        eventually(lambda: len(server.jobs(status="RUNNING", plugin="slow")) == 2, "two calls")
        eventually(lambda: server.row("slow")["in_flight"], "call in flight")
        for job in server.jobs(status="RUNNING", plugin="slow"):
            assert cancel(server, job["id"]).status_code == 200
        for call in calls:
            assert_error(call.result(), 400, "cancelled")
        assert {job["status"] for job in server.jobs(plugin="slow")} == {"CANCELLED"}


@pytest.mark.parametrize("plugin", ["echo", "raising"])
def test_a_job_that_has_ended_cannot_be_cancelled(server: RunningServer, plugin: str):
    job_id = server.accepted(plugin, {"what": "plain"})
    before = server.ended_job(job_id)
    error = assert_error(cancel(server, job_id), 409, "job_not_cancellable")
    assert before["status"] in error["message"]
    assert server.job(job_id) == before


def test_cancelling_twice_is_refused_the_second_time(server: RunningServer):
    job_id = server.accepted("second", delay_s=3600)
    assert cancel(server, job_id).status_code == 200
    assert_error(cancel(server, job_id), 409, "job_not_cancellable")


def test_two_who_cancel_a_running_job_at_once_agree(tmp_path: Path):
    with running(make_home(tmp_path, "slow")) as server, ThreadPoolExecutor(4) as pool:
        job_id = server.accepted("slow", {"seconds": 600})
        eventually(lambda: server.row("slow")["in_flight"], "call in flight")
        answers = list(pool.map(lambda _: cancel(server, job_id), range(4)))
        assert {answer.status_code for answer in answers} <= {200, 409}
        assert 200 in {answer.status_code for answer in answers}
        assert len(server.job(job_id)["attempts"]) == 1


@pytest.mark.parametrize("job_id", ["nobody", "0" * 32, "x" * 5000, "a%00b", "%ff"])
def test_an_unknown_or_malformed_id_is_404_whatever_is_asked_of_it(server: RunningServer, job_id: str):
    assert_error(cancel(server, job_id), 404, "job_not_found")
    assert_error(server.http.post(f"/v1/jobs/{job_id}/requeue"), 404, "job_not_found")
    for what in ("input", "events"):
        assert_error(server.http.get(f"/v1/jobs/{job_id}/{what}"), 404, "job_not_found")


def test_cancelling_one_call_of_a_batching_worker_leaves_the_others(tmp_path: Path):
    home = make_home(tmp_path)
    (home.plugins / "together.py").write_text(
        """
import time
from pathlib import Path

class Together:
    name = "together"
    limits = {"workers": 1, "max_batch": 4, "batch_wait_ms": 500}

    def run(self, payload):
        time.sleep(payload["options"].get("seconds", 0))
        return {"done": True}

    def run_batch(self, payloads):
        Path("together").touch()
        while not (Path(__file__).parent / "go").exists():
            time.sleep(0.01)
        return [{"size": len(payloads)} for _ in payloads]
"""
    )
    with running(home) as server:
        jobs = [server.accepted("together") for _ in range(3)]
        eventually(lambda: server.row("together")["in_flight"] == 3, "three calls in flight")
        scratches = home.data / "scratch"
        eventually(lambda: list(scratches.glob("worker-*/together")), "batch in the worker")
        assert cancel(server, jobs[0]).json()["status"] == "CANCELLED"
        server.give("go")
        rest = [server.ended_job(job_id) for job_id in jobs[1:]]
        assert [job["status"] for job in rest] == ["SUCCESS", "SUCCESS"]
        assert {job["attempt"] for job in rest} == {1}
