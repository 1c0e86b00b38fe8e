"""Images named by URL, through HTTP and the command line, from a server of the test's own on loopback."""

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.errors import assert_error
from support.images import PNG
from support.running_server import PATIENCE_S, SIGHTGATE, Home, RunningServer, make_home, running

PAGES: dict[str, tuple[int, dict[str, str], bytes]] = {
    "/a.png": (200, {"Content-Type": "image/png"}, PNG),
    "/untyped": (200, {}, PNG),
    "/wrong": (200, {"Content-Type": "image/gif"}, PNG),
    "/page": (200, {"Content-Type": "text/html"}, b"<p>secret inside</p>"),
    "/empty": (200, {"Content-Type": "image/png"}, b""),
    "/large": (200, {"Content-Type": "image/png"}, PNG + bytes(100_000)),
    "/missing": (404, {}, b"secret inside"),
    "/there": (302, {"Location": "/a.png"}, b""),
    "/inside": (302, {"Location": "http://10.0.0.1/secret"}, b""),
}


# The paths that were asked for.
ASKED: list[str] = []
# Until it is set, /slow does not answer.
HELD = threading.Event()


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        ASKED.append(self.path)
        if self.path == "/slow":
            HELD.wait(PATIENCE_S)
        status, headers, body = PAGES.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        HELD.set()
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def home(site: str, tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(
        tmp_path_factory.mktemp("fetching"),
        "answering",
        image_urls="on",
        image_url_allow_networks="127.0.0.0/8",
        image_url_max_bytes=50_000,
        outbound_ports=f"80,443,{site.rpartition(':')[2]}",
    )


@pytest.fixture(scope="module")
def server(home: Home) -> Iterator[RunningServer]:
    with running(home) as started:
        yield started


@pytest.fixture(scope="module")
def closed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(make_home(tmp_path_factory.mktemp("default"), "answering")) as started:
        yield started


def _analyze(server: RunningServer, url: object, **more: object) -> httpx.Response:
    return server.http.post("/v1/analyze", json={"plugin": "echo", "image_url": url, **more})


def _ask_in_each_way(server: RunningServer, url: str) -> list[httpx.Response]:
    body = {"plugin": "echo", "image_url": url}
    return [
        server.http.post("/v1/analyze-execution", json=body),
        server.http.post("/v1/analyze", json=body),
        server.http.post("/v1/analyze", files=[("plugin", (None, "echo")), ("image_url", (None, url))]),
        server.http.post("/v1/analyze", params=body),
    ]


def test_every_body_may_name_the_image_by_url(server: RunningServer, site: str) -> None:
    for answer in _ask_in_each_way(server, f"{site}/a.png"):
        assert answer.status_code == 200, answer.text
        assert answer.json()["result"]["bytes"] == len(PNG)


def test_it_is_off_unless_the_operator_turns_it_on(closed_server: RunningServer, site: str) -> None:
    for answer in _ask_in_each_way(closed_server, f"{site}/a.png"):
        error = assert_error(answer, 400, "image_url_disabled")
        assert "SIGHTGATE_IMAGE_URLS=on" in error["message"]
        assert error["details"]["field"] == "image_url"


def test_an_accepted_job_has_its_image_already(server: RunningServer, site: str) -> None:
    accepted = server.http.post("/v1/jobs", json={"plugin": "echo", "image_url": f"{site}/a.png"})
    assert accepted.status_code == 202, accepted.text
    assert server.ended_job(accepted.json()["id"])["result"]["bytes"] == len(PNG)
    refused = server.http.post("/v1/jobs", json={"plugin": "echo", "image_url": f"{site}/missing"})
    assert_error(refused, 400, "image_url_failed")


@pytest.mark.parametrize(
    ("path", "mime_type", "code"),
    [
        ("/untyped", None, None),
        ("/there", None, None),
        ("/wrong", "image/png", None),
        ("/wrong", None, "mime_mismatch"),
        ("/page", None, "unsupported_mime_type"),
        ("/page", "image/png", "undecodable_image"),
        ("/empty", None, "empty_image"),
        ("/large", None, "image_url_too_large"),
        ("/missing", None, "image_url_failed"),
        ("/inside", None, "image_url_refused"),
    ],
)
def test_what_came_is_judged_like_any_image(
    server: RunningServer, site: str, path: str, mime_type: str | None, code: str | None
) -> None:
    answer = _analyze(server, site + path, mime_type=mime_type)
    if code is None:
        assert answer.status_code == 200, answer.text
        return
    error = assert_error(answer, 400, code)
    assert "secret" not in json.dumps(error)
    assert "10.0.0.1" not in json.dumps(error)
    assert error["details"]["retryable"] is (code == "image_url_failed")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.png",
        "file:///etc/passwd",
        "http://user:password@127.0.0.1/",
        "http://127.0.0.1:22/",
        "http://[::1]/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0x0a000001/",
        "http://[::ffff:127.0.0.1]/",
        "http://\ud800/",
        "http://a" + "a" * 10_000,
    ],
)
def test_what_may_not_be_called_is_refused(server: RunningServer, url: str) -> None:
    body = json.dumps({"plugin": "echo", "image_url": url})  # which escapes what is no character
    answer = server.http.post("/v1/analyze", content=body, headers={"content-type": "application/json"})
    if "ud800" in body:
        assert_error(answer, 400, "malformed_request")
    else:
        assert_error(answer, 400, "image_url_refused")


@pytest.mark.parametrize("url", [5, ["http://127.0.0.1/"], {}, True])
def test_a_url_that_is_no_text_is_malformed(server: RunningServer, url: object) -> None:
    assert assert_error(_analyze(server, url), 400, "malformed_request")["details"]["field"] == "image_url"


def test_an_image_and_a_url_are_one_too_many(server: RunningServer, site: str) -> None:
    url = f"{site}/a.png"
    answers = [
        _analyze(server, url, image="AAAA"),
        server.http.post(
            "/v1/analyze", files=[("plugin", (None, "echo")), ("image_url", (None, url)), ("image", ("a.png", PNG))]
        ),
        server.http.post("/v1/analyze", params={"plugin": "echo", "image_url": url}, content=PNG),
    ]
    for answer in answers:
        assert assert_error(answer, 400, "malformed_request")["details"]["field"] == "image_url"


def test_nothing_is_fetched_for_a_plugin_that_is_not_there(server: RunningServer, site: str) -> None:
    answer = server.http.post("/v1/analyze", json={"plugin": "nobody", "image_url": f"{site}/missing"})
    assert_error(answer, 404, "plugin_not_found")
    assert_error(server.http.post("/v1/analyze", json={"image_url": f"{site}/missing"}), 400, "missing_plugin")


def test_fetches_are_counted_by_how_they_ended(server: RunningServer, site: str) -> None:
    _analyze(server, f"{site}/a.png")
    _analyze(server, f"{site}/missing")
    figures = server.http.get("/metrics").text
    for outcome in ("success", "image_url_failed"):
        assert f'sightgate_image_urls_total{{outcome="{outcome}"}}' in figures


def _command(home: Home, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    ran = subprocess.run(
        [str(SIGHTGATE), "analyze", *arguments, "--plugin", "echo", "--json"],
        cwd=home.folder,
        env=home.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return ran.returncode, [json.loads(line) for line in ran.stdout.splitlines()]


def test_the_command_line_asks_the_server_for_urls(server: RunningServer, home: Home, site: str) -> None:
    file = home.folder / "a.png"
    file.write_bytes(PNG)
    code, lines = _command(home, f"{site}/a.png", str(file))
    assert (code, [line["image"] for line in lines]) == (0, [f"{site}/a.png", str(file)])
    assert {line["result"]["bytes"] for line in lines} == {len(PNG)}
    code, lines = _command(home, "http://10.0.0.1/a.png")
    assert code == 1
    assert lines[0]["error"]["details"]["code"] == "image_url_refused"


def test_without_a_server_the_settings_of_the_command_hold(home: Home, tmp_path: Path, site: str) -> None:
    alone = make_home(
        tmp_path / "alone",
        "answering",
        **{name.removeprefix("SIGHTGATE_").lower(): value for name, value in home.settings.items()},
    )
    assert _command(alone, f"{site}/a.png")[0] == 0
    off = make_home(tmp_path / "off", "answering")
    code, lines = _command(off, f"{site}/a.png")
    assert code == 1
    assert lines[0]["error"]["details"]["code"] == "image_url_disabled"


def test_a_batch_may_mix_images_and_urls(server: RunningServer, site: str) -> None:
    images = [
        {"image_url": f"{site}/a.png"},
        {"image": base64.b64encode(PNG).decode(), "mime_type": "image/png"},
        {"image_url": f"{site}/untyped"},
    ]
    answer = server.http.post("/v1/jobs/batch", json={"plugins": ["echo"], "images": images})
    assert answer.status_code == 202, answer.text
    for job_id in answer.json()["jobs"]:
        assert server.ended_job(job_id)["result"]["bytes"] == len(PNG)
    before = len(server.jobs())
    images.append({"image_url": f"{site}/missing"})
    answer = server.http.post("/v1/jobs/batch", json={"plugins": ["echo"], "images": images})
    assert assert_error(answer, 400, "image_url_failed")["details"]["field"] == "images[3].image_url"
    answer = server.http.post("/v1/jobs/batch", json={"plugins": ["echo"], "images": [images[0]] * 101})
    assert_error(answer, 400, "malformed_request")
    assert len(server.jobs()) == before


def test_a_batch_that_is_too_large_is_refused_without_the_rest_of_it(home: Home, site: str, tmp_path: Path) -> None:
    PAGES["/half"] = (200, {"Content-Type": "image/png"}, PNG + bytes(3_000))
    settings = {name.removeprefix("SIGHTGATE_").lower(): value for name, value in home.settings.items()}
    small = make_home(tmp_path, "answering", **settings | {"max_body_bytes": "5000", "image_url_timeout_s": "20"})
    # The last one does not answer: who waits for it learns of that, and has kept the others meanwhile.
    images = [{"image_url": f"{site}{path}"} for path in ("/half", "/half", "/slow")]
    with running(small) as server:
        answer = server.http.post("/v1/jobs/batch", json={"plugins": ["echo"], "images": images})
        assert_error(answer, 400, "image_url_too_large")


def test_the_same_key_and_url_give_the_same_job_whatever_is_there_by_now(server: RunningServer, site: str) -> None:
    def submit(path: str) -> httpx.Response:
        body = {"plugin": "echo", "image_url": site + path}
        return server.http.post("/v1/jobs", json=body, headers={"idempotency-key": "once"})

    PAGES["/changing"] = PAGES["/a.png"]
    first = submit("/changing")
    PAGES["/changing"] = PAGES["/wrong"]
    again = submit("/changing")
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    assert_error(submit("/a.png"), 422, "idempotency_conflict")


def test_what_was_asked_before_with_its_key_is_fetched_once(server: RunningServer, site: str) -> None:
    def ask_both() -> list[httpx.Response]:
        sent = {"image": base64.b64encode(PNG).decode(), "mime_type": "image/png"}
        named = {"image_url": f"{site}/once"}
        batch = {"plugins": ["echo"], "images": [named]}
        mixed = {"plugins": ["echo"], "images": [sent, named]}
        return [
            server.http.post("/v1/jobs", json={"plugin": "echo", "image_url": f"{site}/once"}, headers=key),
            server.http.post("/v1/jobs/batch", json=batch, headers=key),
            server.http.post("/v1/jobs/batch", json=mixed, headers={"idempotency-key": "fetched-once-too"}),
        ]

    key = {"idempotency-key": "fetched-once"}
    PAGES["/once"] = PAGES["/a.png"]
    first = ask_both()
    assert [answer.status_code for answer in first] == [202, 202, 202]
    ASKED.clear()
    del PAGES["/once"]
    again = ask_both()
    assert [answer.status_code for answer in again] == [200, 200, 200]
    assert [answer.json()["id"] for answer in again] == [answer.json()["id"] for answer in first]
    assert [answer.json()["jobs"] for answer in again[1:]] == [answer.json()["jobs"] for answer in first[1:]]
    assert not ASKED


def test_the_time_of_a_request_holds_for_its_fetch_too(server: RunningServer, site: str) -> None:
    answer = server.http.post("/v1/analyze", json={"plugin": "echo", "image_url": f"{site}/slow", "timeout_s": 1.5})
    error = assert_error(answer, 400, "image_url_failed")
    assert "within 1.5 s" in error["message"]
