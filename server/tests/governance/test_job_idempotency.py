"""A key that a caller gives with a request: the same request gives the same job, whatever became of the answer."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.errors import assert_error
from support.images import PHOTO, PNG
from support.running_server import PNG_TEXT, RunningServer, make_home, running

REPLAYED = "idempotency-replayed"


def count(server: RunningServer, plugin: str = "second") -> int:
    total: int = server.http.get("/v1/jobs/counts", params={"plugin": plugin}).json()["total"]
    return total


def test_the_same_key_and_request_give_the_same_job(server: RunningServer):
    first = server.post_job("second", {"a": 1, "b": [2]}, key="the-same")
    before = count(server)
    again = server.post_job("second", {"b": [2], "a": 1}, key="the-same")  # the order of keys says nothing
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["id"] == first.json()["id"]
    assert (first.headers.get(REPLAYED), again.headers[REPLAYED]) == (None, "true")
    assert again.headers["location"] == first.headers["location"]
    assert count(server) == before
    ended = server.ended_job(first.json()["id"])
    assert server.post_job("second", {"a": 1, "b": [2]}, key="the-same").json() == {
        "id": ended["id"],
        "status": "SUCCESS",
    }


@pytest.mark.parametrize(
    "other",
    [
        {"plugin": "echo"},
        {"options": {"a": 2}},
        {"priority": 1},
        {"delay_s": 1},
        {"deadline_s": 100},
        {"timeout_s": 100},
        {"retry": {"max_attempts": 2}},
        {"mime_type": "image/jpeg"},
        {"image": "AAAA"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_the_same_key_with_another_request_is_refused(server: RunningServer, other: dict[str, Any]):
    body = {"plugin": "second", "image": PNG_TEXT, "mime_type": "image/png", "options": {"a": 1}}
    headers = {"idempotency-key": "another-request"}
    assert server.http.post("/v1/jobs", json=body, headers=headers).status_code in (200, 202)
    before = count(server)
    error = server.http.post("/v1/jobs", json=body | other, headers=headers)
    assert_error(error, 422, "idempotency_conflict")
    assert count(server) == before


def test_the_same_request_over_another_transport_is_the_same(server: RunningServer):
    key = {"idempotency-key": "transports"}
    as_json = server.post_job("second", key="transports")
    raw = server.http.post("/v1/jobs?plugin=second", content=PNG, headers=key | {"content-type": "image/png"})
    files = {"image": ("a.png", PNG, "image/png")}
    upload = server.http.post("/v1/jobs", data={"plugin": "second"}, files=files, headers=key)
    assert {answer.json()["id"] for answer in (as_json, raw, upload)} == {as_json.json()["id"]}
    other = server.http.post("/v1/jobs?plugin=second", content=PHOTO, headers=key | {"content-type": "image/jpeg"})
    assert_error(other, 422, "idempotency_conflict")


def test_what_was_accepted_is_told_again_although_the_plugin_cannot_run_now(server: RunningServer):
    first = server.post_job("second", {"a": 1}, key="kept").json()["id"]
    batch = {"images": [{"image": PNG_TEXT, "mime_type": "image/png"}], "plugins": ["second"]}
    batched = server.http.post("/v1/jobs/batch", json=batch, headers={"idempotency-key": "kept"}).json()["id"]
    assert server.http.post("/v1/plugins/second/disable").status_code == 200
    try:
        again = server.post_job("second", {"a": 1}, key="kept")
        assert (again.status_code, again.json()["id"]) == (200, first)
        again = server.http.post("/v1/jobs/batch", json=batch, headers={"idempotency-key": "kept"})
        assert (again.status_code, again.json()["id"]) == (200, batched)
        assert_error(server.post_job("second", {"a": 2}, key="kept"), 422, "idempotency_conflict")
        assert_error(server.post_job("second", {"a": 1}, key="another"), 503, "plugin_disabled")
        assert_error(server.post_job("second", {"a": 1}), 503, "plugin_disabled")
    finally:
        server.http.post("/v1/plugins/second/enable")


def test_a_key_is_scoped_to_its_route(server: RunningServer):
    job = server.post_job("second", key="scoped")
    body = {"plugins": ["second"], "images": [{"image": PNG_TEXT, "mime_type": "image/png"}]}
    batch = server.http.post("/v1/jobs/batch", json=body, headers={"idempotency-key": "scoped"})
    assert (job.status_code, batch.status_code) == (202, 202)
    assert batch.json()["jobs"] != [job.json()["id"]]


def test_a_key_makes_requeuing_safe_to_send_again(server: RunningServer):
    first, second = (server.ended_job(server.accepted("second"))["id"] for _ in range(2))
    key = {"idempotency-key": "again"}
    copied, replayed = (server.http.post(f"/v1/jobs/{first}/requeue", headers=key) for _ in range(2))
    assert (copied.status_code, replayed.status_code) == (202, 200)
    assert (copied.headers.get(REPLAYED), replayed.headers[REPLAYED]) == (None, "true")
    assert replayed.json()["id"] == copied.json()["id"]
    assert replayed.json()["copy_of"] == first
    other = server.http.post(f"/v1/jobs/{second}/requeue", headers=key)  # the key is one job's
    assert other.status_code == 202
    assert server.http.post(f"/v1/jobs/{first}/requeue").json()["id"] != copied.json()["id"]
    assert server.http.post("/v1/jobs/purge", params={"q": first}).json() == {"removed": 1}
    gone = server.http.post(f"/v1/jobs/{first}/requeue", headers=key)  # the copy is still there
    assert (gone.status_code, gone.json()["id"]) == (200, copied.json()["id"])
    for stranger in (first, "%00", "%C3%A9"):
        unknown = server.http.post(f"/v1/jobs/{stranger}/requeue", headers={"idempotency-key": "never-used"})
        assert_error(unknown, 404, "job_not_found")
    none = {"idempotency-key": "two words"}
    assert_error(server.http.post(f"/v1/jobs/{first}/requeue", headers=none), 400, "malformed_request")
    at_once = {"idempotency-key": "at-once"}
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: server.http.post(f"/v1/jobs/{second}/requeue", headers=at_once), range(10)))
    assert sorted({answer.status_code for answer in answers}) == [200, 202]
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_twenty_who_send_the_same_at_once_get_one_job(server: RunningServer):
    before = count(server)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: server.post_job("second", {"n": 1}, key="at-once"), range(20)))
    assert {answer.status_code for answer in answers} == {200, 202}
    assert [answer.status_code for answer in answers].count(202) == 1
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert count(server) == before + 1


def test_a_key_outlasts_the_server(tmp_path: Path):
    home = make_home(tmp_path, "answering")
    with running(home) as server:
        first = server.post_job("second", key="lasting").json()["id"]
        server.kill()
    with running(home) as server:
        again = server.post_job("second", key="lasting")
        assert (again.status_code, again.json()["id"]) == (200, first)


@pytest.mark.parametrize("key", ["", "x" * 256, "x" * 10_240, "two words", "tab\tbed"])
def test_a_key_that_is_none_is_refused(server: RunningServer, key: str):
    for path in ("/v1/jobs?plugin=second", "/v1/jobs/batch"):
        answer = server.http.post(path, content=PNG, headers={"idempotency-key": key, "content-type": "image/png"})
        error = assert_error(answer, 400, "malformed_request")
        assert error["details"]["field"] == "Idempotency-Key"


def test_the_longest_key_is_taken(server: RunningServer):
    assert server.post_job("second", key="~" * 255).status_code == 202


@pytest.mark.parametrize("path", ["/v1/analyze", "/v1/analyze-execution"])
def test_a_call_that_is_waited_for_takes_no_key(server: RunningServer, path: str):
    before = count(server)
    body = {"plugin": "second", "image": PNG_TEXT, "mime_type": "image/png"}
    for key in ("anything", ""):
        error = assert_error(server.http.post(path, json=body, headers={"idempotency-key": key}), 400, "unknown_field")
        assert error["details"]["field"] == "Idempotency-Key"
    assert count(server) == before
