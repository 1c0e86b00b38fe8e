"""PostgreSQL goes away for ten seconds under a running server: refusals meanwhile, and then all goes on by itself."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest
from support.errors import assert_error
from support.images import PNG
from support.postgres_server import PostgresServer
from support.running_server import RunningServer, eventually, make_home, running
from support.stores import postgres_beside

AWAY_S = 10.0


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """One that nobody else uses: it is killed."""
    with postgres_beside() as server:
        yield server


@pytest.fixture
def server(tmp_path: Path, postgres: PostgresServer) -> Iterator[RunningServer]:
    with running(make_home(tmp_path / "home", "slow", "answering", database_url=postgres.url, lease_s=3)) as started:
        yield started


def is_ready(server: RunningServer) -> bool:
    return server.http.get("/health/ready").status_code == 200


def accept(server: RunningServer, count: int) -> list[str]:
    """Jobs of one worker, so that some run and some wait."""
    ids = [server.submit("slow", {"seconds": 1.0, "tag": number}).json()["id"] for number in range(count)]
    eventually(lambda: server.row("slow")["in_flight"], "a job that runs")
    return ids


def assert_all_ended_once(server: RunningServer, accepted: list[str]) -> None:
    ended = [server.ended_job(job_id) for job_id in accepted]
    assert [(job["status"], job["result"]["tag"]) for job in ended] == [
        ("SUCCESS", tag) for tag in range(len(accepted))
    ]
    for job in ended:
        outcomes = [attempt["outcome"] for attempt in job["attempts"]]
        assert outcomes[-1] == "SUCCESS"
        assert set(outcomes[:-1]) <= {"interrupted"}


def test_a_database_that_was_killed_for_ten_seconds_costs_no_accepted_job(
    server: RunningServer, postgres: PostgresServer
) -> None:
    accepted = accept(server, 4)
    postgres.kill()
    back = time.monotonic() + AWAY_S
    assert_error(server.submit("slow", {"tag": "refused"}), 503, "storage_unavailable")
    assert_error(server.http.get(f"/v1/jobs/{accepted[0]}"), 503, "storage_unavailable")
    assert_error(server.http.get("/v1/jobs"), 503, "storage_unavailable")
    assert server.result("echo")["bytes"] == len(PNG)
    assert not is_ready(server)
    time.sleep(max(0.0, back - time.monotonic()))
    assert server.result("echo")["bytes"] == len(PNG)
    postgres.start()
    eventually(lambda: is_ready(server), "server that is ready again")
    assert_all_ended_once(server, accepted)
    assert server.ended_job(server.submit("echo").json()["id"])["status"] == "SUCCESS"
    tags = {job["options"].get("tag") for job in server.jobs(plugin="slow")}
    assert "refused" not in tags
    assert server.events("fault") == []


def test_a_database_that_hangs_for_ten_seconds_costs_no_accepted_job(
    server: RunningServer, postgres: PostgresServer
) -> None:
    accepted = accept(server, 4)
    answers: list[httpx.Response] = []
    with paused(postgres):
        asking = [threading.Thread(target=_ask, args=(server, number, answers.append)) for number in range(3)]
        for thread in asking:
            thread.start()
        assert server.result("echo")["bytes"] == len(PNG)
        time.sleep(AWAY_S)
    for thread in asking:
        thread.join(60)
    eventually(lambda: is_ready(server), "server that is ready again")
    assert_all_ended_once(server, accepted)
    assert len(answers) == len(asking)
    for answer in answers:
        if answer.status_code == 202:
            assert server.ended_job(answer.json()["id"])["status"] == "SUCCESS"
        else:
            assert_error(answer, 503, "storage_unavailable")


def test_what_is_asked_of_a_database_that_hangs_is_refused_within_seconds(
    server: RunningServer, postgres: PostgresServer
) -> None:
    job_id = server.ended_job(server.submit("echo").json()["id"])["id"]
    paths = (f"/v1/jobs/{job_id}", "/v1/jobs", "/v1/jobs/counts", f"/v1/jobs/{job_id}/input", f"/v1/batches/{job_id}")
    with paused(postgres), ThreadPoolExecutor(10) as pool:
        # Far less than a command may take, though as many ask as have to wait for each other's connection.
        answers = list(pool.map(lambda path: server.http.get(path, timeout=40), paths * 2))
        for answer in answers:
            assert_error(answer, 503, "storage_unavailable")
    # The connections that were given up are not used again: each answer is the one that was asked for.
    for _ in range(10):
        eventually(lambda: server.http.get(f"/v1/jobs/{job_id}").status_code == 200, "answer")
        assert server.http.get("/v1/jobs/counts").json()["total"] == 1
        assert [job["id"] for job in server.jobs(plugin="echo")] == [job_id]
    assert server.events("fault") == []


def test_what_is_written_to_a_database_that_hangs_is_refused_within_seconds_or_told_as_unknown(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    home = make_home(tmp_path / "brief", "slow", "answering", database_url=postgres.url, database_timeout_s=2)
    with running(home) as server:
        waiting = server.accepted("slow", delay_s=3600)
        numbers = range(6)
        with paused(postgres), ThreadPoolExecutor(10) as pool:
            cancelling = pool.submit(server.http.delete, f"/v1/jobs/{waiting}", timeout=40)
            # Far less than a minute: their limit, and then that of a new connection.
            accepting = [pool.submit(_ask_with_key, server, number) for number in numbers]
            errors = [assert_error(asked.result(), 503, "storage_unavailable") for asked in (cancelling, *accepting)]
        eventually(lambda: is_ready(server), "server that is ready again")
        refused = [error["details"].get("outcome") != "unknown" for error in errors]
        stored = {job["options"]["asked"] for job in server.jobs(plugin="echo")}
        assert [number for number in numbers if refused[number + 1] and number in stored] == []
        assert not refused[0] or server.job(waiting)["status"] == "PENDING"
        # With their keys they are safe to send again.
        again = [eventually(partial(_id_with_key, server, number), "accepted job") for number in numbers]
        assert {server.ended_job(job_id)["status"] for job_id in again} == {"SUCCESS"}
        assert sorted(job["options"]["asked"] for job in server.jobs(plugin="echo")) == list(numbers)
        assert server.events("fault") == []


def test_a_server_whose_database_is_away_says_so_and_does_not_start(tmp_path: Path, postgres: PostgresServer) -> None:
    postgres.stop()
    home = make_home(tmp_path / "other", "answering", database_url=postgres.url)
    process = home.launch()
    said, _ = process.communicate(timeout=90)
    assert process.returncode not in (0, None)
    told = said + home.log.read_text()
    assert "database" in told.lower(), told
    assert "Traceback" not in told, told
    password = postgres.url.partition("tests:")[2].partition("@")[0]
    assert password not in told


def _ask(server: RunningServer, number: int, tell: Callable[[httpx.Response], None]) -> None:
    tell(server.submit("echo", {"asked": number}, PNG + bytes([number])))


def _ask_with_key(server: RunningServer, number: int) -> httpx.Response:
    query = {"plugin": "echo", "options": json.dumps({"asked": number})}
    headers = {"content-type": "image/png", "idempotency-key": f"key-{number}"}
    return server.http.post("/v1/jobs", params=query, content=PNG, headers=headers, timeout=40)


def _id_with_key(server: RunningServer, number: int) -> str | None:
    """None: its few seconds were over once more, as they may be on a busy machine."""
    answer = _ask_with_key(server, number)
    return answer.json()["id"] if answer.status_code != 503 else None


@contextlib.contextmanager
def paused(postgres: PostgresServer) -> Iterator[None]:
    postgres.pause()
    try:
        yield
    finally:
        postgres.resume()
