"""Many images, one or several plugins, one progress."""

from pathlib import Path
from typing import Any

import pytest
from support.errors import assert_error
from support.images import PHOTO, PNG
from support.running_server import PNG_TEXT, RunningServer, eventually, make_home, new_sign, running
from support.server_events import all_events, following

IMAGE = {"image": PNG_TEXT, "mime_type": "image/png"}


def post(server: RunningServer, plugins: Any, images: Any, key: str | None = None, **more: Any):
    headers = {"idempotency-key": key} if key is not None else {}
    return server.http.post("/v1/jobs/batch", json={"plugins": plugins, "images": images, **more}, headers=headers)


def batch_of(server: RunningServer, batch_id: str) -> dict[str, Any]:
    batch: dict[str, Any] = server.http.get(f"/v1/batches/{batch_id}").json()
    return batch


def finished(server: RunningServer, batch_id: str) -> dict[str, Any]:
    def done() -> dict[str, Any] | None:
        batch = batch_of(server, batch_id)
        return batch if batch["done"] == batch["total"] else None

    return eventually(done, "end of the batch")


def test_each_image_goes_to_each_plugin(server: RunningServer):
    images = [IMAGE, {"image": PNG_TEXT, "mime_type": "image/png", "name": "b.png"}, IMAGE]
    answer = post(server, ["echo", "second"], images, options={"echo": {"of": "a batch"}}, priority=5)
    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    assert accepted["total"] == len(accepted["jobs"]) == 6
    assert answer.headers["location"] == f"/v1/batches/{accepted['id']}"
    batch = finished(server, accepted["id"])
    assert batch["counts"] == {"PENDING": 0, "RUNNING": 0, "SUCCESS": 6, "FAILED": 0, "CANCELLED": 0}
    jobs = [server.job(job_id) for job_id in accepted["jobs"]]
    assert [job["plugin"] for job in jobs] == ["echo", "second"] * 3
    assert {job["batch"] for job in jobs} == {accepted["id"]}
    assert {job["priority"] for job in jobs} == {5}
    assert [job["options"] for job in jobs] == [{"of": "a batch"}, {}] * 3
    listed = server.jobs(batch=accepted["id"])
    assert sorted(job["id"] for job in listed) == sorted(accepted["jobs"])
    assert server.http.get("/v1/jobs/counts", params={"batch": accepted["id"]}).json()["total"] == 6


def test_a_batch_can_be_uploaded(server: RunningServer):
    files = [("image", ("a.png", PNG, "image/png")), ("image", ("b.jpg", PHOTO, "image/jpeg"))]
    data = {"plugin": ["echo", "second"], "options": '{"echo": {"a": 1}}', "retry": '{"max_attempts": 2}'}
    answer = server.http.post("/v1/jobs/batch", data=data, files=files)
    assert answer.status_code == 202, answer.text
    assert answer.json()["total"] == 4
    finished(server, answer.json()["id"])
    jobs = [server.job(job_id) for job_id in answer.json()["jobs"]]
    assert [job["result"]["bytes"] for job in jobs] == [len(PNG), len(PNG), len(PHOTO), len(PHOTO)]
    assert {job["retry"]["max_attempts"] for job in jobs} == {2}


def test_a_bad_image_fails_alone(server: RunningServer):
    bad = {"image": "AAAA", "mime_type": "image/png"}
    accepted = post(server, ["second"], [IMAGE, bad, IMAGE]).json()
    assert finished(server, accepted["id"])["counts"]["FAILED"] == 1
    assert [server.job(job_id)["status"] for job_id in accepted["jobs"]] == ["SUCCESS", "FAILED", "SUCCESS"]


def test_the_same_key_gives_the_same_batch(server: RunningServer):
    first = post(server, ["second"], [IMAGE] * 3, key="batch-key")
    again = post(server, ["second"], [IMAGE] * 3, key="batch-key")
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()
    assert_error(post(server, ["second"], [IMAGE] * 4, key="batch-key"), 422, "idempotency_conflict")


def test_what_is_left_of_a_batch_can_be_cancelled(tmp_path: Path):
    with running(make_home(tmp_path, "slow")) as server:
        accepted = post(server, ["slow"], [IMAGE] * 30, options={"slow": {"seconds": 600}}).json()
        server.until_status(accepted["jobs"][0], "RUNNING")
        answer = server.http.delete(f"/v1/batches/{accepted['id']}")
        assert answer.status_code == 200
        batch = finished(server, accepted["id"])
        assert batch["counts"]["CANCELLED"] == batch["total"] == 30
        assert server.http.delete(f"/v1/batches/{accepted['id']}").json() == batch


def test_the_progress_of_a_batch_is_told_as_it_comes(server: RunningServer):
    sign = new_sign()
    accepted = post(server, ["slow"], [IMAGE] * 4, options={"slow": {"seconds": 0.6, "until": sign}}).json()
    path = f"/v1/batches/{accepted['id']}/events"
    with following(server, path) as stream:
        events = [next(stream)]
        server.give(sign)  # whoever follows is there when the first one ends
        events += stream
    assert [event.event for event in events[:-1]] == ["progress"] * (len(events) - 1)
    assert events[-1].event == "end"
    assert events[-1].data == batch_of(server, accepted["id"])
    done = [event.data["done"] for event in events]
    assert done == sorted(done)
    assert done[-1] == 4
    assert len(set(done)) >= 3
    assert [event.event for event in all_events(server, path)] == ["end"]


def test_a_batch_may_need_other_jobs(server: RunningServer):
    first = server.accepted("slow", {"seconds": 1})
    accepted = post(server, ["second"], [IMAGE] * 2, after=[first]).json()
    finished(server, accepted["id"])
    ended = server.job(first)["ended_at"]
    assert all(server.job(job_id)["started_at"] >= ended for job_id in accepted["jobs"])


@pytest.mark.parametrize(
    ("plugins", "images", "more", "code", "field"),
    [
        (["second"], [], {}, "malformed_request", "images"),
        ([], [IMAGE], {}, "missing_plugin", "plugins"),
        ([""], [IMAGE], {}, "missing_plugin", "plugins"),
        (["second"], [{}] * 100_000, {}, "malformed_request", "images"),
        (["second", "echo"], [IMAGE] * 501, {}, "malformed_request", "images"),
        (["second", "second"], [IMAGE], {}, "malformed_request", "plugins"),
        ("second", [IMAGE], {}, "malformed_request", "plugins"),
        (["second"], "images", {}, "malformed_request", "images"),
        (["second"], [{}], {}, "malformed_request", "images[0].image"),
        (["second"], [IMAGE, {**IMAGE, "image": "?"}], {}, "invalid_base64", "images[1].image"),
        (["second"], [IMAGE, {**IMAGE, "plugin": "x"}], {}, "unknown_field", "images[1].plugin"),
        (["second"], [IMAGE, {**IMAGE, "name": 5}], {}, "malformed_request", "images[1].name"),
        (["second"], [IMAGE], {"timeout_s": "5"}, "malformed_request", "timeout_s"),
        (["second"], [IMAGE], {"options": {"echo": {}}}, "malformed_request", "options"),
        (["second"], [IMAGE], {"options": {"second": 7}}, "malformed_request", "options"),
        (["second"], [IMAGE], {"image": "x"}, "unknown_field", "image"),
        (["second"], [IMAGE], {"priority": 1000}, "malformed_request", "priority"),
    ],
)
def test_a_batch_that_makes_no_sense_is_refused_whole(
    server: RunningServer, plugins: Any, images: Any, more: dict[str, Any], code: str, field: str
):
    before = server.http.get("/v1/jobs/counts").json()["total"]
    error = assert_error(post(server, plugins, images, **more), 400, code)
    assert error["details"]["field"] == field
    assert server.http.get("/v1/jobs/counts").json()["total"] == before


def test_a_batch_for_a_plugin_that_is_not_there_is_refused_whole(server: RunningServer):
    before = server.http.get("/v1/jobs/counts").json()["total"]
    assert_error(post(server, ["second", "nobody"], [IMAGE]), 404, "plugin_not_found")
    assert_error(post(server, ["second", "raises_at_import"], [IMAGE]), 503, "plugin_unavailable")
    assert server.http.get("/v1/jobs/counts").json()["total"] == before


@pytest.mark.parametrize("batch_id", ["nobody", "0" * 32, "x" * 5000, "%ff"])
def test_an_unknown_batch_is_404(server: RunningServer, batch_id: str):
    for answer in (
        server.http.get(f"/v1/batches/{batch_id}"),
        server.http.delete(f"/v1/batches/{batch_id}"),
        server.http.get(f"/v1/batches/{batch_id}/events"),
    ):
        assert_error(answer, 404, "not_found")
