"""Jobs over HTTP: on disk before they are acknowledged, run after a restart, shown and listed."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from support.errors import assert_error, assert_error_object
from support.images import PHOTO, PNG, TRUNCATED_JPEG
from support.running_server import RunningServer, eventually, make_home, running

from app.main import create_app
from app.plugins.loader.plugin_registry import PluginRegistry
from app.settings import Settings


def test_an_accepted_job_is_run_after_the_server_was_killed(tmp_path: Path):
    home = make_home(tmp_path, "slow", "answering")
    with running(home) as server, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.analyze, "queue", {"seconds": 30})
        eventually(lambda: server.row("queue")["in_flight"], "call in flight")
        interrupted = server.jobs(plugin="queue")[0]
        accepted = [server.submit("slow", {"seconds": 0.2, "tag": number}) for number in range(4)]
        accepted.append(server.submit("second", {"a": 1}, PHOTO))
        assert server.http.post("/v1/plugins/echo/disable").status_code == 200
        server.kill()
        with pytest.raises(httpx.TransportError):
            waiting.result()
    assert interrupted["status"] == "RUNNING"
    assert [answer.status_code for answer in accepted] == [202] * 5
    with running(home) as server:
        ended = [server.ended_job(answer.json()["id"]) for answer in accepted]
        assert [job["status"] for job in ended] == ["SUCCESS"] * 5
        assert [job["result"]["tag"] for job in ended[:4]] == [0, 1, 2, 3]
        assert ended[4]["result"]["bytes"] == len(PHOTO)
        assert all(1 <= job["attempt"] <= 2 for job in ended)
        broken_off = [job["plugin"] for job in ended if job["attempts"][0]["outcome"] == "interrupted"]
        figures = server.http.get("/metrics").text
        for plugin in set(broken_off):
            counted = f'sightgate_job_attempts_total{{outcome="interrupted",plugin="{plugin}"}}'
            assert f"{counted} {broken_off.count(plugin):.1f}" in figures
        lost = server.http.get(f"/v1/jobs/{interrupted['id']}").json()
        assert (lost["status"], lost["result"]) == ("FAILED", None)
        assert_error_object(lost["error"], "interrupted")
        assert lost["error"]["details"]["job_id"] == interrupted["id"]
        # What the operator said outlasts the server too.
        assert server.row("echo")["state"] == "UNAVAILABLE"
        assert_error(server.analyze("echo"), 503, "plugin_disabled")


async def test_the_dispatcher_stops_even_if_it_is_woken_at_that_very_moment(tmp_path: Path):
    app = create_app(Settings(data_dir=tmp_path, installed_plugins=False), PluginRegistry())
    async with app.router.lifespan_context(app):
        jobs = app.state.sightgate.job_execution
        await asyncio.sleep(0.1)  # until it waits
        jobs.look_again()
        stopped, _ = await asyncio.wait([asyncio.create_task(jobs.stop())], timeout=20)
        assert stopped
        assert not jobs.dispatching


def test_an_accepted_job_says_where_it_is_and_runs(server: RunningServer):
    answer = server.submit("echo", {"of": "a job"})
    assert answer.status_code == 202
    assert set(answer.json()) == {"id", "status"}
    assert answer.json()["status"] == "PENDING"
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    job = server.ended_job(answer.json()["id"])
    assert (job["status"], job["error"], job["options"]) == ("SUCCESS", None, {"of": "a job"})
    assert job["result"]["options"] == {"of": "a job"}
    assert job["created_at"] <= job["started_at"] <= job["ended_at"]
    assert job["running_ms"] > 0


@pytest.mark.parametrize(
    ("plugin", "options", "image", "code"),
    [
        ("raising", {"what": "plain"}, PNG, "plugin_failed"),
        ("outputs", {"what": "NaN"}, PNG, "invalid_output"),
        ("typed", {"most": 99}, PNG, "invalid_options"),
        ("ending", {"how": "segfault"}, PNG, "plugin_crashed"),
        ("typed", {}, TRUNCATED_JPEG, "undecodable_image"),
        ("echo", {}, b"", "empty_image"),
    ],
)
def test_a_job_that_fails_carries_the_envelopes_error(
    server: RunningServer, plugin: str, options: dict[str, object], image: bytes, code: str
):
    answer = server.submit(plugin, options, image)
    assert answer.status_code == 202, answer.text
    job = server.ended_job(answer.json()["id"])
    assert (job["status"], job["result"]) == ("FAILED", None)
    assert_error_object(job["error"], code)
    assert job["error"]["details"]["job_id"] == job["id"]


def test_a_job_whose_image_is_empty_ends_as_an_execution_would(server: RunningServer):
    errors = server.row("echo")["error_count"]
    answer = server.http.post("/v1/jobs", json={"plugin": "echo", "image": "", "mime_type": "image/png"})
    job = server.ended_job(answer.json()["id"])
    assert_error_object(job["error"], "empty_image")
    assert server.row("echo")["error_count"] == errors + 1


def test_a_job_of_a_plugin_that_cannot_run_is_refused_at_once(server: RunningServer):
    count = len(server.jobs(plugin="raises_at_import"))
    assert_error(server.submit("nobody"), 404, "plugin_not_found")
    assert_error(server.submit("raises_at_import"), 503, "plugin_unavailable")
    assert len(server.jobs(plugin="raises_at_import")) == count


def test_many_jobs_wait_for_one_worker_and_none_ends_overloaded(server: RunningServer):
    first = server.result("queue")["turn"]
    accepted = [server.submit("queue", {"tag": number}).json()["id"] for number in range(60)]
    ended = [server.ended_job(job_id) for job_id in accepted]
    assert [job["status"] for job in ended] == ["SUCCESS"] * 60
    assert [job["result"]["turn"] for job in ended] == [first + 1 + number for number in range(60)]


def test_the_list_is_newest_first_without_results_and_can_be_walked_by_its_cursor(server: RunningServer):
    began = datetime.now(UTC).isoformat()  # of other tests there may be more than fit on a page
    for _ in range(7):
        server.analyze("second")
    every = [job["id"] for job in server.jobs(plugin="second", since=began)]
    assert len(every) >= 7
    assert every == sorted(every, reverse=True)
    assert "result" not in server.jobs(plugin="second")[0]
    walked, cursor = [], None
    while True:
        query = {"plugin": "second", "limit": "3", "since": began} | ({"cursor": cursor} if cursor else {})
        page = server.http.get("/v1/jobs", params=query).json()
        walked += [job["id"] for job in page["jobs"]]
        assert len(page["jobs"]) <= 3
        if (cursor := page["next_cursor"]) is None:
            break
    assert walked == every


def test_the_list_is_filtered_by_status_and_plugin(server: RunningServer):
    server.analyze("raising", {"what": "plain"})
    server.analyze("echo")
    failed = server.jobs(status="FAILED", plugin="raising")
    assert failed
    assert {(job["status"], job["plugin"]) for job in failed} == {("FAILED", "raising")}
    assert_error_object(failed[0]["error"], "plugin_failed")
    assert server.jobs(plugin="nobody-at-all") == []
    assert {job["status"] for job in server.jobs(status="SUCCESS")} == {"SUCCESS"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "DONE"}, "status"),
        ({"limit": 0}, "limit"),
        ({"limit": 501}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "forged"}, "cursor"),
        ({"cursor": "é\x00"}, "cursor"),
    ],
)
def test_a_wrong_filter_is_refused_by_name(server: RunningServer, query: dict[str, str], field: str):
    error = assert_error(server.http.get("/v1/jobs", params=query), 400, "malformed_request")
    assert error["details"]["field"] == field


def test_a_cursor_of_another_filter_is_refused(server: RunningServer):
    for _ in range(2):
        server.analyze("second")
    cursor = server.http.get("/v1/jobs", params={"plugin": "second", "limit": 1}).json()["next_cursor"]
    error = server.http.get("/v1/jobs", params={"plugin": "echo", "limit": 1, "cursor": cursor})
    assert_error(error, 400, "malformed_request")


@pytest.mark.parametrize("job_id", ["nobody", "0" * 32, "x" * 5000, "a%00b", "..%2f..", "%ff"])
def test_a_job_that_is_not_there_is_404(server: RunningServer, job_id: str):
    error = server.http.get(f"/v1/jobs/{job_id}")
    code = "not_found" if "%2f" in job_id else "job_not_found"
    assert_error(error, 404, code)
