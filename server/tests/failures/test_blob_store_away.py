"""A bucket hangs under a running server: refusals in bounded time, what runs goes on, and then all does by itself."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from support.errors import assert_error
from support.images import PNG
from support.running_server import PATIENCE_S, Home, RunningServer, eventually, make_home, running
from support.s3_server import CREDENTIALS, S3Server, s3_server

# Far less than the sum of the limits of all that ask.
BOUND_S = 40.0


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with s3_server() as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, s3: S3Server) -> Home:
    limits = {"blob_timeout_s": 2, "large_result_bytes": 1024, "drain_s": 1}
    return make_home(tmp_path / "home", "slow", "answering", "toiling", blob_url=s3.url("away"), **limits)


def toil(padding: int, seconds: float) -> dict[str, object]:
    return {"tag": "toil", "seconds": seconds, "fails": 0, "padding": padding}


def runs(server: RunningServer, plugin: str) -> bool:
    return bool(server.row(plugin)["in_flight"])


def reasons(server: RunningServer) -> list[str]:
    answer = server.http.get("/health/ready")
    assert (answer.status_code == 503) == bool(answer.json()["reasons"])
    told: list[str] = answer.json()["reasons"]
    return told


def outcomes(job: dict[str, object]) -> list[tuple[str, str | None]]:
    attempts = job["attempts"]
    assert isinstance(attempts, list)
    return [(attempt["outcome"], attempt["error_code"]) for attempt in attempts]


def test_what_a_bucket_that_hangs_does_to_callers_and_to_jobs(home: Home, s3: S3Server) -> None:
    with running(home) as server:
        before = server.ended_job(server.accepted("echo"))["id"]
        assert reasons(server) == []
        running_on = server.accepted("slow", {"seconds": 4.0})
        to_be_written = server.accepted("toil", toil(padding=5000, seconds=4.0))
        for plugin in ("slow", "toil"):
            eventually(partial(runs, server, plugin), "a job that runs")
        to_be_read = server.accepted("echo", delay_s=3)
        with s3.paused():
            with ThreadPoolExecutor(48) as pool:
                asked = [pool.submit(server.http.get, f"/v1/jobs/{before}/input", timeout=BOUND_S)]
                asked += [
                    pool.submit(server.http.post, "/v1/jobs?plugin=echo", content=PNG + b"%d" % number, timeout=BOUND_S)
                    for number in range(100)
                ]
            for answer in asked:
                assert_error(answer.result(), 503, "storage_unavailable")
            assert server.result("echo")["bytes"] == len(PNG)
            assert reasons(server) == ["the blob store does not answer"]
            assert outcomes(server.ended_job(running_on)) == [("SUCCESS", None)]
            eventually(lambda: ("interrupted", "storage_unavailable") in outcomes(server.job(to_be_read)), "attempt")
            assert server.job(to_be_written)["status"] == "RUNNING"
        assert server.ended_job(to_be_read)["status"] == "SUCCESS"
        written = server.ended_job(to_be_written)
        assert (written["status"], len(written["result"]["padding"])) == ("SUCCESS", 5000)
        assert outcomes(written) == [("SUCCESS", None)]
        assert server.ended_job(server.accepted("echo"))["status"] == "SUCCESS"
        eventually(lambda: reasons(server) == [], "server that is ready again")
        assert len(server.jobs(plugin="echo")) == 3 + 1  # what was refused left nothing; one was a waiting call
        assert server.events("fault") == []
        assert server.events("dispatcher fault") == []


def test_a_server_ends_while_its_bucket_hangs_and_the_next_one_runs_what_it_could_not(home: Home, s3: S3Server) -> None:
    with running(home) as server:
        to_be_written = server.accepted("toil", toil(padding=5000, seconds=3.0))
        eventually(lambda: runs(server, "toil"), "a job that runs")
        to_be_read = server.accepted("echo", delay_s=2)
        with s3.paused():
            eventually(lambda: server.job(to_be_read)["status"] == "RUNNING", "job that asks for its input")
            assert server.stop() == 0
    with running(home) as server:
        assert server.ended_job(to_be_read)["status"] == "SUCCESS"
        assert server.ended_job(to_be_written)["status"] == "SUCCESS"
        assert server.events("fault") == []


def test_who_waits_for_a_bucket_when_the_drain_is_over_is_told_that_the_server_ends(home: Home, s3: S3Server) -> None:
    patient = Home(home.folder, {**home.settings, "SIGHTGATE_BLOB_TIMEOUT_S": "120", "SIGHTGATE_DRAIN_S": "0"})
    with running(patient) as server, s3.paused(), ThreadPoolExecutor(1) as pool:
        asked = pool.submit(
            server.http.post,
            "/v1/jobs?plugin=echo",
            content=PNG,
            headers={"Content-Type": "image/png"},
            timeout=PATIENCE_S,
        )
        time.sleep(0.5)  # or it is refused sooner, with the same code
        server.process.send_signal(signal.SIGTERM)
        assert_error(asked.result(), 503, "shutting_down")
        assert server.process.wait(PATIENCE_S) == 0
    assert "Traceback" not in server.home.log.read_text()
