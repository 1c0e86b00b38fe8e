"""Every code of the closed table that can be had now, had over HTTP, in the one shape."""

import base64
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from support.errors import assert_error, assert_error_object
from support.images import BOMB, PNG
from support.raw_http import exchange
from support.running_server import RunningServer, eventually, make_home, new_sign, running

from app.api.errors import STATUS, status_of
from app.governance.errors import ERROR_CODES

Produce = Callable[[RunningServer], httpx.Response]
TEXT = base64.b64encode(PNG).decode()
GOOD = {"plugin": "second", "image": TEXT, "mime_type": "image/png"}
DOCUMENTED = Path(__file__).resolve().parents[3] / "docs" / "reference" / "error-codes.md"


def post(**changed: object) -> Produce:
    return lambda server: server.http.post("/v1/analyze-execution", json={**GOOD, **changed})


def of_plugin(name: str, **options: object) -> Produce:
    return lambda server: server.analyze(name, options)


def too_large(server: RunningServer) -> httpx.Response:
    head = "POST /v1/analyze HTTP/1.1\nHost: localhost\nContent-Length: 99999999\n\n"
    return exchange(server.port, head).answer


def disabled(server: RunningServer) -> httpx.Response:
    server.http.post("/v1/plugins/resting/disable")
    try:
        return server.analyze("resting")
    finally:
        server.http.post("/v1/plugins/resting/enable")


def past_its_deadline(server: RunningServer) -> httpx.Response:
    sign = new_sign()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(server.analyze, "queue", {"until": sign})
        eventually(lambda: server.row("queue")["in_flight"], "call in flight")
        query = {"plugin": "queue", "timeout_s": "0.2"}
        answer = server.http.post("/v1/analyze", params=query, content=PNG, headers={"content-type": ""})
        server.give(sign)
        call.result()
    return answer


# Codes that the shared server answers with.
REACHED: Mapping[str, Produce] = {
    "malformed_request": post(image=5),
    "unknown_field": post(colour="red"),
    "missing_plugin": post(plugin=""),
    "invalid_base64": post(image="!"),
    "body_too_large": too_large,
    "unsupported_content_type": lambda server: server.http.post("/v1/jobs", headers={"content-type": "text/plain"}),
    "empty_image": post(image=""),
    "missing_mime_type": post(mime_type=""),
    "unsupported_mime_type": post(mime_type="image/avif"),
    "mime_mismatch": post(mime_type="image/gif"),
    "image_url_disabled": post(image=None, image_url="https://example.org/a.png"),
    "webhooks_disabled": lambda server: server.http.post("/v1/jobs", json={**GOOD, "webhook": "https://example.org/"}),
    "undecodable_image": post(image=base64.b64encode(b"text").decode()),
    "image_too_large": post(image=base64.b64encode(BOMB).decode()),
    "invalid_options": of_plugin("typed", most=0),
    "invalid_output": of_plugin("outputs", what="NaN"),
    "output_too_large": of_plugin("outputs", what="17 MiB"),
    "plugin_failed": of_plugin("raising", what="plain"),
    "plugin_timeout": of_plugin("ending", how="hang"),
    "plugin_crashed": of_plugin("ending", how="segfault"),
    "plugin_out_of_memory": of_plugin("ending", how="memory"),
    "plugin_not_found": post(plugin="nobody"),
    "plugin_unavailable": of_plugin("syntax_error"),
    "plugin_disabled": disabled,
    "permission_not_granted": of_plugin("asking"),
    "deadline_exceeded": past_its_deadline,
    "not_found": lambda server: server.http.get("/nowhere"),
    "method_not_allowed": lambda server: server.http.delete("/v1/analyze"),
    "job_not_found": lambda server: server.http.get("/v1/jobs/nobody"),
    "forbidden": lambda server: server.http.get("/v1/plugins", headers={"host": "example.org"}),
}

# Codes that need a server of their own, and the test here or beside that has them.
REACHED_ELSEWHERE = {
    "input_quarantined": "test_crash.py",
    "image_url_refused": "test_image_url.py",
    "image_url_failed": "test_image_url.py",
    "image_url_too_large": "test_image_url.py",
    "webhook_refused": "test_webhooks.py",
    "overloaded": "test_concurrency.py",
    "unauthorized": "test_security.py",
    "interrupted": "test_durable_jobs.py",
    "cancelled": "test_a_caller_that_hangs_up_leaves_a_cancelled_job",
    "internal_error": "test_a_fault_of_ours_says_nothing_else_and_is_logged_once",
    "plugin_out_of_disk": "test_disk.py",
    "storage_unavailable": "test_disk.py",
    "shutting_down": "test_job_drain.py",
    "job_not_cancellable": "test_job_cancel.py",
    "idempotency_conflict": "test_job_idempotency.py",
    "dependency_failed": "test_job_terms.py",
}

NOT_REACHED_YET = {
    "rate_limited": "there are no limits a caller yet",
}


def test_every_code_is_in_the_documented_table():
    listed = [*REACHED, *REACHED_ELSEWHERE, *NOT_REACHED_YET]
    assert sorted(listed) == sorted(ERROR_CODES)
    assert set(STATUS) <= set(ERROR_CODES)
    documented = DOCUMENTED.read_text()
    for code, row in ERROR_CODES.items():
        line = next((line for line in documented.splitlines() if f"`{code}`" in line and line.startswith("|")), "")
        assert str(status_of(code)) in line, code
        assert row.type.value in line, code


@pytest.mark.parametrize("code", REACHED)
def test_every_failure_of_an_execution_is_the_envelope(server: RunningServer, code: str):
    answer = REACHED[code](server)
    assert_error(answer, status_of(code), code)
    assert "cache-control" not in answer.headers or answer.headers["cache-control"] != "public"
    assert server.analyze("echo").status_code == 200


def test_every_route_answers_every_error_in_the_one_shape(server: RunningServer):
    for path, methods in server.http.get("/openapi.json").json()["paths"].items():
        missing = re.sub(r"{\w+}", "nobody", path)
        for method in methods:
            guarded = server.http.request(method, missing, headers={"host": "example.org"})
            if not path.startswith("/health"):
                assert_error(guarded, 403, "forbidden")
            if path == "/v1/jobs/events":  # it answers 200, and does not end
                continue
            plain = server.http.request(method, missing, headers={"content-type": "text/plain"})
            if plain.status_code >= 400:
                assert_error(plain, plain.status_code, plain.json()["detail"]["details"]["code"])
        assert_error(server.http.request("PROPFIND", missing), 405, "method_not_allowed")


def test_no_traceback_or_path_leaves_the_server(server: RunningServer):
    folders = (str(server.home.folder), str(Path(__file__).resolve().parents[3]))
    for code, produce in REACHED.items():
        text = produce(server).text
        assert not [folder for folder in folders if folder in text], code
        assert "Traceback" not in text, code
        assert "_internal" not in text, code
    jobs = server.http.get("/v1/jobs", params={"status": "FAILED", "limit": 500}).text
    assert "Traceback" not in jobs
    assert "_internal" not in jobs
    assert server.home.folder.name not in server.http.get("/v1/plugins").text


def test_a_caller_that_hangs_up_leaves_a_cancelled_job(server: RunningServer):
    already = {job["id"] for job in server.jobs(plugin="slow-eight")}
    with pytest.raises(httpx.ReadTimeout):
        server.http.post(
            "/v1/analyze",
            params={"plugin": "slow-eight", "options": '{"seconds": 20}'},
            content=PNG,
            headers={"content-type": ""},
            timeout=httpx.Timeout(30, read=2.0),
        )

    def cancelled() -> dict[str, object] | None:
        mine = [job for job in server.jobs(plugin="slow-eight") if job["id"] not in already]
        return next((job for job in mine if job["status"] == "CANCELLED"), None)

    job = eventually(cancelled, "cancelled job")
    assert_error_object(job["error"], "cancelled")  # type: ignore[arg-type]
    assert server.row("slow-eight")["cancelled_count"] >= 1


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[RunningServer]:
    """A server whose plugin folder is gone, and whose folder of inputs was replaced by a file."""
    with running(make_home(tmp_path, "answering")) as started:
        assert started.result("echo")
        shutil.rmtree(started.home.plugins)
        blobs = started.home.data / "blobs"
        shutil.rmtree(blobs, ignore_errors=True)
        blobs.write_text("in the way")
        yield started


def test_a_fault_of_ours_says_nothing_else_and_is_logged_once(faulty: RunningServer):
    answer = faulty.http.post("/v1/plugins/echo/reload")
    error = assert_error(answer, 500, "internal_error")
    assert error["message"] == ERROR_CODES["internal_error"].meaning
    assert str(faulty.home.folder) not in answer.text
    (fault,) = eventually(lambda: faulty.events("fault"), "log line of the fault")
    assert "Traceback" in fault["exception"]
    assert faulty.result("echo")
    log = faulty.home.log.read_text()
    assert (log.count("FileNotFoundError: "), "ASGI application" in log) == (1, False)


def test_a_place_for_inputs_that_cannot_be_used_is_told_and_calls_go_on(tmp_path: Path):
    with running(make_home(tmp_path, "answering")) as server:
        blobs = server.home.data / "blobs"
        if blobs.is_dir():
            shutil.rmtree(blobs)
        blobs.write_text("in the way")
        answer = server.submit("echo")
        assert_error(answer, 503, "storage_unavailable")
        assert answer.headers["retry-after"]
        assert "blobs" not in answer.text
        assert server.events("storage")
        assert not server.events("fault")
        assert server.analyze("echo").status_code == 200


@pytest.mark.parametrize(
    "line", ["GET /v1/jobs?plugin=\xe9 HTTP/1.1", "G\xe9T /v1/jobs HTTP/1.1", "GET /v1/jobs HTTP/1.1\nno header"]
)
def test_what_is_no_http_request_gets_the_envelope_too(server: RunningServer, line: str):
    answer = exchange(server.port, f"{line}\nHost: localhost\n\n").answer
    assert_error(answer, 400, "malformed_request")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["connection"] == "close"
