"""Two servers on one PostgreSQL and one blob folder: they share the work, and either can be asked about all of it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.errors import assert_error
from support.postgres_server import PostgresServer
from support.running_server import Home, RunningServer, eventually, make_home, new_sign, running
from support.server_events import all_events, following
from support.stores import PostgresPlace, execute

Pair = tuple[RunningServer, RunningServer]


def homes_of(folder: Path, url: str, **settings: object) -> tuple[Home, Home]:
    """Return the homes of two servers on one database and one blob folder."""
    shared = {"database_url": url, "blob_url": folder / "blobs", **settings}
    first, second = (make_home(folder / name, "slow", "steps", "answering", **shared) for name in ("one", "two"))
    return first, second


@contextmanager
def both(homes: tuple[Home, Home]) -> Iterator[Pair]:
    with running(homes[0]) as one, running(homes[1]) as two:
        yield one, two


def told_progress(server: RunningServer, job_id: str) -> bool:
    return server.job(job_id)["progress"] is not None


def is_available(server: RunningServer) -> bool:
    return bool(server.row("second")["state"] != "UNAVAILABLE")


def is_unavailable(server: RunningServer) -> bool:
    return not is_available(server)


@pytest.fixture(scope="module")
def pair(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningServer, RunningServer]]:
    homes = homes_of(tmp_path_factory.mktemp("pair"), PostgresPlace(postgres).url)
    with both(homes) as servers:
        yield servers


def test_they_share_the_work_and_each_job_runs_once(pair: Pair):
    one, two = pair
    ids = [server.accepted("slow", {"seconds": 0.2, "tag": number}) for number in range(10) for server in pair]
    jobs = [one.ended_job(job_id) for job_id in ids]
    assert {(job["status"], job["attempt"]) for job in jobs} == {("SUCCESS", 1)}
    assert len({job["attempts"][0]["server"] for job in jobs}) == 2
    assert [two.job(job["id"]) for job in jobs] == jobs


def test_an_idle_server_takes_what_a_busy_one_accepted(pair: Pair):
    one, two = pair
    blocker = one.accepted("queue", {"seconds": 25})
    busy = one.until_status(blocker, "RUNNING")["attempts"][0]["server"]
    other = one.ended_job(one.accepted("queue"))
    assert other["attempts"][0]["server"] != busy
    assert two.job(blocker)["status"] == "RUNNING"
    assert two.http.delete(f"/v1/jobs/{blocker}").status_code == 200


def test_a_job_is_cancelled_through_either(pair: Pair):
    for asked in pair:
        job_id = pair[0].accepted("slow", {"seconds": 600})
        pair[0].until_status(job_id, "RUNNING")
        answer = asked.http.delete(f"/v1/jobs/{job_id}")
        assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
        job = asked.ended_job(job_id)
        assert (job["status"], job["attempts"][0]["outcome"]) == ("CANCELLED", "CANCELLED")
        assert_error(asked.http.delete(f"/v1/jobs/{job_id}"), 409, "job_not_cancellable")


def test_progress_does_not_end_the_wait_for_the_end_of_a_job_that_another_server_runs(pair: Pair):
    for asked in pair:
        job_id = pair[0].accepted("steps", {"steps": 100_000, "pause": 0.001})
        eventually(partial(told_progress, pair[0], job_id), "progress")
        answer = asked.http.delete(f"/v1/jobs/{job_id}")
        assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")


def test_a_job_and_its_progress_are_followed_through_either(pair: Pair):
    job_id = pair[0].accepted("steps", {"steps": 3, "pause": 1}, delay_s=1)
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda server: all_events(server, f"/v1/jobs/{job_id}/events"), pair))
    for events in told:
        assert [event.data["status"] for event in events if event.event == "status"] == ["PENDING", "RUNNING"]
        assert events[-1].data["result"] == {"steps": 3}
        assert "progress" in {event.event for event in events}
    assert pair[1].job(job_id)["progress"] is None


def test_what_one_does_stands_in_the_list_that_the_other_tells(pair: Pair):
    one, two = pair
    with following(two, "/v1/jobs/events") as events:
        job_id = one.accepted("second")
        ends = (event.data for event in events if event.data.get("status") == "SUCCESS")
        assert next(job for job in ends if job["id"] == job_id)


def test_a_plugin_is_disabled_and_enabled_for_both(pair: Pair):
    for asked, other in (pair, pair[::-1]):
        assert asked.http.post("/v1/plugins/second/disable").status_code == 200
        eventually(partial(is_unavailable, other), "disabled plugin")
        assert_error(other.analyze("second"), 503, "plugin_disabled")
        assert_error(other.post_job("second"), 503, "plugin_disabled")
        assert asked.http.post("/v1/plugins/second/enable").status_code == 200
        eventually(partial(is_available, other), "enabled plugin")
        assert other.analyze("second").status_code == 200


def test_what_was_said_of_a_plugin_while_nobody_listened_is_found_when_the_listener_is_back(
    pair: Pair, postgres: PostgresServer
):
    one, two = pair
    database = one.home.settings["SIGHTGATE_DATABASE_URL"]
    said = "INSERT INTO plugin_overrides VALUES ('second', false, 'unheard', 0)"
    execute(database, f"{said} ON CONFLICT (plugin) DO UPDATE SET enabled = false")
    assert two.row("second")["state"] != "UNAVAILABLE"
    listeners = "datname = current_database() AND (query LIKE 'LISTEN%' OR query = 'SELECT 1')"
    execute(database, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {listeners}")
    for server in pair:
        eventually(partial(is_unavailable, server), "disabled plugin")
    assert one.http.post("/v1/plugins/second/enable").status_code == 200
    eventually(partial(is_available, two), "enabled plugin")


def test_a_key_counts_for_both(pair: Pair):
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda n: pair[n % 2].post_job("second", {"a": 1}, key="for-both"), range(20)))
    assert sorted({answer.status_code for answer in answers}) == [200, 202]
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_a_chain_goes_on_from_server_to_server(pair: Pair):
    one, two = pair
    first = one.accepted("slow", {"seconds": 1})
    second = two.accepted("queue", {"seconds": 0.1}, after=[first])
    third = one.accepted("second", after=[second])
    assert two.ended_job(third)["status"] == "SUCCESS"


def test_the_jobs_of_a_server_that_died_are_taken_up_by_the_other(postgres: PostgresServer, tmp_path: Path):
    homes = homes_of(tmp_path, PostgresPlace(postgres).url, lease_s=5)
    with both(homes) as (one, two):
        job_id = one.accepted("slow", {"seconds": 6})
        eventually(lambda: _runs(one) or _runs(two), "call in flight")
        dying, living = (one, two) if _runs(one) else (two, one)
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(dying.analyze, "queue", {"seconds": 600})
            eventually(lambda: living.jobs(plugin="queue", status="RUNNING"), "record of the call")
            dying.kill()
            with pytest.raises(httpx.TransportError):
                call.result()
        job = living.ended_job(job_id)
        assert (job["status"], job["attempt"]) == ("SUCCESS", 2)
        assert [attempt["outcome"] for attempt in job["attempts"]] == ["interrupted", "SUCCESS"]
        assert len({attempt["server"] for attempt in job["attempts"]}) == 2
        counted = 'sightgate_job_attempts_total{outcome="interrupted",plugin="slow"} 1.0'
        assert counted in living.http.get("/metrics").text
        # The call that somebody waited for has ended too.
        lost = eventually(lambda: living.jobs(plugin="queue", status="FAILED"), "end of the call")
        assert lost[0]["error_code"] == "interrupted"


def test_a_job_waits_for_a_server_that_has_its_plugin(postgres: PostgresServer, tmp_path: Path):
    url = PostgresPlace(postgres).url
    shared = {"database_url": url, "blob_url": tmp_path / "blobs"}
    having, lacking = make_home(tmp_path / "one", "slow", **shared), make_home(tmp_path / "two", "answering", **shared)
    with running(lacking) as two:
        with running(having) as one:
            sign = new_sign()
            blocker = one.accepted("slow", {"until": sign})
            one.until_status(blocker, "RUNNING")
            ids = [one.accepted("slow", {"seconds": 0.1, "tag": number}) for number in range(8)]
            one.give(sign)
            assert {two.ended_job(job_id)["status"] for job_id in ids} == {"SUCCESS"}
            running_on = {two.job(job_id)["attempts"][0]["server"] for job_id in (blocker, *ids)}
            assert len(running_on) == 1
            needed = two.accepted("echo", delay_s=3600)
            late = one.accepted("slow", after=[needed], after_rule="end")
            hurried = one.accepted("slow", after=[needed], after_rule="end", deadline_s=7)
        # Nobody is left who could run them: one waits, the other has waited too long.
        assert two.http.delete(f"/v1/jobs/{needed}").status_code == 200
        assert two.ended_job(hurried)["error_code"] == "deadline_exceeded"
        waits = two.job(late)
        assert waits["status"] == "PENDING"
        assert waits["waits_because"].startswith("this server cannot start it now: there is no plugin 'slow'")
        with running(having):
            assert two.ended_job(late)["waits_because"] is None


def test_a_job_waits_for_a_server_that_can_load_its_plugin(postgres: PostgresServer, tmp_path: Path):
    shared = {"database_url": PostgresPlace(postgres).url, "blob_url": tmp_path / "blobs"}
    able = make_home(tmp_path / "one", "slow", "asking", "answering", **shared)
    operator_says(able, '[asking.grant]\nnetwork = ["example.org:443"]\n')
    broken = make_home(tmp_path / "two", "asking", **shared)
    (broken.plugins / "slow.py").write_text("import a_module_that_nobody_installed\n")
    (broken.plugins / "echo.py").write_text("raise ValueError\n")
    exposed = make_home(tmp_path / "three", "slow", sandbox="off", min_isolation="sandbox", **shared)
    with running(able) as one, running(broken) as two, running(exposed) as three:
        rows = (two.row("slow"), two.row("asking"), two.row("echo"), three.row("slow"))
        assert [row["state"] for row in rows] == ["UNAVAILABLE", "UNAVAILABLE", "FAILED", "UNAVAILABLE"]
        sign = new_sign()
        blocker = one.accepted("slow", {"until": sign})
        one.until_status(blocker, "RUNNING")
        ids = [one.accepted(plugin, delay_s=delay_s) for plugin in ("slow", "asking", "echo") for delay_s in (0, 1)]
        one.give(sign)
        jobs = [two.ended_job(job_id) for job_id in ids]
        assert {(job["status"], job["attempt"]) for job in jobs} == {("SUCCESS", 1)}
        # A call that somebody waits for is told at once what is wrong, and so is who would submit a job there.
        for server, plugin, code in ((two, "asking", "permission_not_granted"), (three, "slow", "plugin_unavailable")):
            assert_error(server.analyze(plugin), 503, code)
            assert_error(server.post_job(plugin), 503, code)


def test_a_plugin_that_a_server_cannot_start_is_left_to_the_others(postgres: PostgresServer, tmp_path: Path):
    shared = {"database_url": PostgresPlace(postgres).url, "blob_url": tmp_path / "blobs"}
    wanting, able = (make_home(tmp_path / name, "fragile", **shared) for name in ("one", "two"))
    (able.plugins / "model").touch()
    with running(wanting) as one:
        job_id = one.accepted("wanting")
        left = eventually(lambda: _ended_attempts(one, job_id), "attempt that was handed back")
        assert [(attempt["outcome"], attempt["error_code"]) for attempt in left] == [
            ("handed_back", "plugin_unavailable")
        ]
        assert one.job(job_id)["status"] == "PENDING"
        with running(able) as two:
            job = two.ended_job(job_id)
    assert (job["status"], job["attempt"]) == ("SUCCESS", 2)
    assert len({attempt["server"] for attempt in job["attempts"]}) == 2


def test_a_job_that_no_server_can_start_fails_after_some_tries(postgres: PostgresServer, tmp_path: Path):
    rest = {"breaker_rest_s": 0.1, "breaker_longest_rest_s": 0.1}
    shared = {"database_url": PostgresPlace(postgres).url, "blob_url": tmp_path / "blobs", **rest}
    with running(make_home(tmp_path / "shared", "fragile", **shared)) as server:
        job = server.ended_job(server.accepted("wanting"))
        outcomes = [(attempt["outcome"], attempt["error_code"]) for attempt in job["attempts"]]
        assert outcomes == [*[("handed_back", "plugin_unavailable")] * 5, ("FAILED", "plugin_unavailable")]
        assert "its model is not there" in job["error"]["message"]
    with running(make_home(tmp_path / "alone", "fragile", **rest)) as server:  # nobody could come to its help
        job = server.ended_job(server.accepted("wanting"))
        assert (job["attempt"], job["error"]["details"]["code"]) == (1, "plugin_unavailable")


def operator_says(home: Home, said: str) -> None:
    home.data.mkdir()
    (home.data / "plugins.toml").write_text(said)


def _ended_attempts(server: RunningServer, job_id: str) -> list[dict[str, Any]]:
    return [attempt for attempt in server.job(job_id)["attempts"] if attempt["ended_at"] is not None]


def _runs(server: RunningServer) -> bool:
    return bool(server.row("slow")["in_flight"])


def test_a_server_that_stops_hands_its_jobs_to_the_other(postgres: PostgresServer, tmp_path: Path):
    homes = homes_of(tmp_path, PostgresPlace(postgres).url, drain_s=0.2, lease_s=600)
    with both(homes) as (one, two):
        job_id = one.accepted("slow", {"seconds": 6})
        one.until_status(job_id, "RUNNING")
        eventually(lambda: _runs(one) or _runs(two), "call in flight")
        stopping, staying = (one, two) if _runs(one) else (two, one)
        assert stopping.stop() == 0
        job = staying.ended_job(job_id)
        assert [attempt["outcome"] for attempt in job["attempts"]] == ["handed_back", "SUCCESS"]
