"""Jobs as they are kept: found, counted, exported, repeated, and removed when their time is over."""

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.errors import assert_error
from support.images import PHOTO, PNG
from support.running_server import RunningServer, eventually, make_home, running
from support.server_events import all_events


def blobs(server: RunningServer) -> int:
    """Return how many bytes the stored images and results take."""
    return sum(path.stat().st_size for path in (server.home.data / "blobs").rglob("*") if path.is_file())


def test_a_job_shows_what_it_was_given_and_the_image_comes_back(server: RunningServer):
    answer = server.submit("second", {}, PHOTO)
    job = server.job(answer.json()["id"])
    digest = hashlib.sha256(PHOTO).hexdigest()
    assert job["inputs"] == [{"role": "image", "media_type": "image/jpeg", "size": len(PHOTO), "sha256": digest}]
    image = server.http.get(f"/v1/jobs/{job['id']}/input")
    assert image.content == PHOTO
    assert image.headers["content-type"] == "image/jpeg"
    assert image.headers["x-content-type-options"] == "nosniff"
    assert image.headers["content-disposition"] == f'attachment; filename="{job["id"]}.jpeg"'
    assert "sandbox" in image.headers["content-security-policy"]


def test_no_type_that_a_caller_declares_makes_a_page_of_an_input(server: RunningServer):
    body = {"plugin": "second", "image": "PHNjcmlwdD4=", "mime_type": "text/html"}
    job_id = server.http.post("/v1/jobs", json=body).json()["id"]
    image = server.http.get(f"/v1/jobs/{job_id}/input")
    assert image.headers["content-type"] == "application/octet-stream"
    assert image.headers["x-content-type-options"] == "nosniff"


def test_the_image_of_a_call_that_was_waited_for_is_not_there(server: RunningServer):
    job_id = server.analyze("second").json()["job_id"]
    error = assert_error(server.http.get(f"/v1/jobs/{job_id}/input"), 404, "not_found")
    assert "not kept" in error["message"]
    assert_error(server.http.post(f"/v1/jobs/{job_id}/requeue"), 404, "not_found")


def test_a_call_that_was_waited_for_has_one_attempt(server: RunningServer):
    job = server.job(server.analyze("second").json()["job_id"])
    (attempt,) = job["attempts"]
    assert (job["durable"], attempt["number"], attempt["outcome"]) == (False, 1, "SUCCESS")


def test_a_job_can_be_repeated(server: RunningServer):
    first = server.accepted("second", {"a": 1}, priority=3, retry={"max_attempts": 2})
    before = server.ended_job(first)
    answer = server.http.post(f"/v1/jobs/{first}/requeue")
    assert answer.status_code == 202
    copy = server.ended_job(answer.json()["id"])
    assert answer.json() == {"id": copy["id"], "status": "PENDING", "copy_of": first}
    assert answer.headers["location"] == f"/v1/jobs/{copy['id']}"
    for name in ("plugin", "options", "priority", "retry", "inputs"):
        assert copy[name] == before[name]
    assert (copy["copy_of"], copy["status"], copy["attempt"]) == (first, "SUCCESS", 1)
    assert server.job(first) == before


def test_a_job_of_a_plugin_that_is_gone_cannot_be_repeated(tmp_path: Path):
    home = make_home(tmp_path, "answering")
    with running(home) as server:
        job_id = server.accepted("second")
        server.ended_job(job_id)
    (home.plugins / "answering.py").unlink()
    with running(home) as server:
        assert_error(server.http.post(f"/v1/jobs/{job_id}/requeue"), 404, "plugin_not_found")


def test_jobs_are_found_by_what_is_known_of_them(server: RunningServer):
    began = datetime.now(UTC)
    good = server.accepted("second")
    bad = server.accepted("raising", {"what": "plain"})
    server.ended_job(good)
    server.ended_job(bad)
    call = server.analyze("second").json()["job_id"]

    def found(**query: Any) -> set[str]:
        ids = {job["id"] for job in server.jobs(since=began.isoformat(), **query)}
        total = server.http.get("/v1/jobs/counts", params={"since": began.isoformat(), **query}).json()["total"]
        assert total == len(ids)
        return ids & {good, bad, call}

    assert found() == {good, bad, call}
    assert found(error_code="plugin_failed") == {bad}
    assert found(status="SUCCESS") == {good, call}
    assert found(durable=True) == {good, bad}
    assert found(durable=False) == {call}
    assert found(q=good[:-1]) == {good} | ({call} if call.startswith(good[:-1]) else set())
    assert found(q="aisin") == {bad}
    assert found(q="%") == set()
    assert found(until=(datetime.now(UTC) + timedelta(minutes=1)).isoformat().replace("+00:00", "Z")) == {
        good,
        bad,
        call,
    }
    later = {"since": (datetime.now(UTC) + timedelta(minutes=1)).isoformat()}
    assert server.jobs(**later) == []


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/counts", "/v1/jobs/export", "/v1/jobs/purge"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "DONE"}, "status"),
        ({"error_code": "no_such_code"}, "error_code"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-13-01"}, "until"),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "until"),
        ({"since": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "until"),
        ({"batch": "nobody"}, "batch"),
        ({"status": "SUCCESS", "error_code": "plugin_failed"}, "error_code"),
        ({"status": "RUNNING", "error_code": "plugin_failed"}, "error_code"),
        ({"plugin": ["echo", "second"]}, "plugin"),
        ({"durable": "perhaps"}, "durable"),
        ({"q": "x" * 1000}, "q"),
        ({"q": "a\x00b"}, "q"),
        *(({name: ""}, name) for name in ("status", "plugin", "error_code", "since", "until", "batch", "q")),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_by_name(
    server: RunningServer, path: str, query: dict[str, Any], field: str
):
    method = "POST" if path.endswith("purge") else "GET"
    error = assert_error(server.http.request(method, path, params=query), 400, "malformed_request")
    assert error["details"]["field"] == field
    assert "Input should" not in error["message"]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/counts", "/v1/jobs/export", "/v1/jobs/purge"])
def test_a_filter_that_is_none_is_refused_and_not_left_out(server: RunningServer, path: str):
    job_id = server.accepted("second")
    server.ended_job(job_id)
    method = "POST" if path.endswith("purge") else "GET"
    for stranger in ("untill", "Status", "all" if path != "/v1/jobs/purge" else "limit"):
        query = {"plugin": "second", stranger: "2020-01-01"}
        error = assert_error(server.http.request(method, path, params=query), 400, "unknown_field")
        assert error["details"]["field"] == stranger
    assert server.job(job_id)["status"] == "SUCCESS"


@pytest.mark.parametrize("status", ["PENDING", "RUNNING"])
def test_a_purge_of_what_has_not_ended_is_refused(server: RunningServer, status: str):
    error = assert_error(server.http.post("/v1/jobs/purge", params={"status": status}), 400, "malformed_request")
    assert error["details"]["field"] == "status"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v1/jobs?durable=2", "durable: must be true or false"),
        ("/v1/jobs?limit=many", "limit: must be a whole number"),
        ("/v1/jobs/purge?all=maybe", "all: must be true or false"),
    ],
)
def test_a_parameter_that_does_not_read_is_refused_in_our_words(server: RunningServer, path: str, said: str):
    method = "POST" if "purge" in path else "GET"
    assert assert_error(server.http.request(method, path), 400, "malformed_request")["message"] == said


def test_jobs_are_exported_with_their_results_oldest_first(server: RunningServer):
    ids = [server.accepted("echo", {"number": number}) for number in range(5)]
    for job_id in ids:
        server.ended_job(job_id)
    answer = server.http.get("/v1/jobs/export", params={"plugin": "echo", "durable": "true"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    jobs = [json.loads(line) for line in answer.text.splitlines()]
    assert [job["id"] for job in jobs] == sorted(job["id"] for job in jobs)
    exported = {job["id"]: job for job in jobs}
    assert [exported[job_id]["result"]["options"]["number"] for job_id in ids] == list(range(5))


def test_only_what_has_ended_is_purged(tmp_path: Path):
    with running(make_home(tmp_path, "answering", "steps")) as server:
        ended = [server.accepted("second") for _ in range(5)]
        for job_id in ended:
            server.ended_job(job_id)
        waits = server.accepted("second", delay_s=3600)
        other = server.accepted("flaky", {"tag": "x", "failures": 0})
        server.ended_job(other)
        assert_error(server.http.post("/v1/jobs/purge"), 400, "malformed_request")
        answer = server.http.post("/v1/jobs/purge", params={"plugin": "second"})
        assert answer.json() == {"removed": 5}
        assert {job["id"] for job in server.jobs()} == {waits, other}
        assert_error(server.http.get(f"/v1/jobs/{ended[0]}"), 404, "job_not_found")
        assert server.http.post("/v1/jobs/purge?all=true").json() == {"removed": 1}
        assert {job["id"] for job in server.jobs()} == {waits}


def test_a_large_result_lies_beside_the_images(tmp_path: Path):
    home = make_home(tmp_path, "answering", large_result_bytes=2_000)
    with running(home) as server:
        text = "x" * 10_000
        job_id = server.accepted("echo", {"text": text})
        job = server.ended_job(job_id)
        assert job["result"]["options"] == {"text": text}
        assert blobs(server) >= 10_000 + len(PNG)
        exported = json.loads(server.http.get("/v1/jobs/export").text)
        assert exported["result"] == job["result"]
    with running(home) as server:
        assert server.job(job_id)["result"] == job["result"]


def test_a_large_result_of_a_call_that_somebody_waits_for_lies_there_too(tmp_path: Path):
    home = make_home(tmp_path, "answering", large_result_bytes=2_000)
    with running(home) as server:
        text = "x" * 10_000
        small, large = (server.analyze("echo", {"text": said}) for said in ("x", text))
        job_id = large.json()["job_id"]
        assert server.job(job_id)["result"] == large.json()["result"]
        assert [row["status"] for row in server.jobs()] == ["SUCCESS", "SUCCESS"]
        assert blobs(server) >= 10_000
        assert json.loads(server.http.get("/v1/jobs/export").text.splitlines()[1])["result"] == large.json()["result"]
        assert rows_with_result(home.data) == {small.json()["job_id"]}
    with running(home) as server:
        assert server.job(job_id)["result"]["options"] == {"text": text}


def test_a_large_result_that_cannot_be_stored_beside_the_images_is_not_lost(tmp_path: Path):
    home = make_home(tmp_path, "answering", large_result_bytes=100)
    home.data.mkdir()
    (home.data / "blobs").write_text("here could be a folder")
    with running(home) as server:
        answer = server.analyze("echo", {"text": "x" * 1_000})
        assert answer.status_code == 200, answer.text
        assert server.job(answer.json()["job_id"])["result"] == answer.json()["result"]
        assert [line["job"] for line in server.events("a large result is kept in its job's row")] == [
            answer.json()["job_id"]
        ]


@pytest.mark.parametrize("spoil", [Path.unlink, partial(os.truncate, length=100)], ids=["gone", "damaged"])
def test_a_job_whose_files_are_lost_says_so_and_still_tells_how_it_ended(tmp_path: Path, spoil: Callable[[Path], None]):
    home = make_home(tmp_path, "answering", large_result_bytes=2_000)
    with running(home) as server:
        job_id = server.accepted("echo", {"text": "x" * 10_000})
        job = server.ended_job(job_id)
        assert job["result_lost"] is False
        other = server.accepted("second")
        server.ended_job(other)
        for file in list((home.data / "blobs" / "named").iterdir()):
            spoil(file)
        path = f"/v1/jobs/{job_id}"
        assert server.job(job_id) == {**job, "result": None, "result_lost": True}
        assert all_events(server, f"{path}/events")[-1].data["status"] == "SUCCESS"
        exported = [json.loads(line) for line in server.http.get("/v1/jobs/export").text.splitlines()]
        assert [(one["id"], one["result_lost"]) for one in exported] == [(job_id, True), (other, False)]
        for answer in (server.http.get(f"{path}/input"), server.http.post(f"{path}/requeue")):
            assert "is lost" in assert_error(answer, 404, "not_found")["message"]


def test_old_jobs_and_their_images_go_and_what_waits_stays(tmp_path: Path):
    swept = {"retain_jobs": 2, "sweep_s": 0.3, "blob_grace_s": 1}
    with running(make_home(tmp_path, "answering", **swept)) as server:
        waits = server.accepted("second", delay_s=3600)
        needed = server.accepted("second")
        needs = server.accepted("second", after=[needed, waits])
        server.ended_job(needed)
        ids = [server.submit("second", {}, PNG + bytes([number])).json()["id"] for number in range(8)]
        for job_id in ids:
            eventually(partial(_gone_or_ended, server, job_id), f"end of {job_id}")
        eventually(lambda: len(server.jobs(status="SUCCESS")) <= 3, "removal of old jobs")
        left = {job["id"] for job in server.jobs()}
        assert {waits, needed, needs} <= left
        assert ids[-1] in left
        assert_error(server.http.get(f"/v1/jobs/{ids[0]}"), 404, "job_not_found")
        # The images of those that stay can still be read.
        assert server.http.get(f"/v1/jobs/{waits}/input").content == PNG
        assert server.http.get(f"/v1/jobs/{ids[-1]}/input").content == PNG + bytes([7])


def rows_with_result(data: Path) -> set[str]:
    """Return the ids of the jobs whose result stands in their row."""
    (database,) = data.glob("*.sqlite3")
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return {job_id for (job_id,) in connection.execute("SELECT id FROM jobs WHERE result IS NOT NULL")}


def _gone_or_ended(server: RunningServer, job_id: str) -> bool:
    answer = server.http.get(f"/v1/jobs/{job_id}")
    return answer.status_code == 404 or answer.json()["status"] == "SUCCESS"


def test_jobs_have_figures(tmp_path: Path):
    with running(make_home(tmp_path, "answering", "steps")) as server:
        server.ended_job(server.accepted("second"))
        policy = {"max_attempts": 2, "codes": ["plugin_failed"], "backoff_s": 0.01}
        server.ended_job(server.accepted("flaky", {"tag": "m", "failures": 1}, retry=policy))
        server.accepted("second", delay_s=3600)
        cancelled = server.accepted("echo", delay_s=3600)
        server.http.delete(f"/v1/jobs/{cancelled}")
        server.accepted("echo", after=[cancelled])  # fails as it is accepted
        figures = server.http.get("/metrics").text
        for line in (
            'sightgate_jobs_waiting{plugin="second"} 1.0',
            'sightgate_jobs_waiting{plugin="flaky"} 0.0',
            'sightgate_job_attempts_total{outcome="SUCCESS",plugin="second"} 1.0',
            'sightgate_job_attempts_total{outcome="retried",plugin="flaky"} 1.0',
            'sightgate_job_duration_seconds_count{plugin="flaky",status="SUCCESS"} 1.0',
            'sightgate_job_duration_seconds_count{plugin="echo",status="CANCELLED"} 1.0',
            'sightgate_job_duration_seconds_count{plugin="echo",status="FAILED"} 1.0',
        ):
            assert line in figures, figures
        oldest = next(line for line in figures.splitlines() if 'oldest_waiting_seconds{plugin="second"}' in line)
        assert 0 <= float(oldest.split()[1]) < 60
