"""Who may talk to the server: nobody from outside without a key, no page of another site."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.errors import assert_error
from support.images import PNG
from support.running_server import PATIENCE_S, SIGHTGATE, Home, RunningServer, make_home, running

KEY = "a-key-of-at-least-sixteen-characters"
COMMAND = "export SIGHTGATE_API_KEY=$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')"
UVICORN = (sys.executable, "-m", "uvicorn", "app.main:app", "--port", "0")
HEALTH = ("/health/live", "/health/ready")


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(make_home(tmp_path_factory.mktemp("keyed"), "answering", api_key=KEY), KEY) as started:
        yield started


def start(home: Home, command: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=home.folder, env=home.environment(), capture_output=True, text=True, timeout=PATIENCE_S
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "example.org"])
def test_without_a_key_it_refuses_to_listen_beyond_loopback_and_says_what_mends_it(tmp_path: Path, host: str):
    ended = start(make_home(tmp_path), (str(SIGHTGATE), "serve", "--port", "0", "--host", host))
    assert ended.returncode == 2
    assert host in ended.stderr
    assert COMMAND in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "data").exists()


def test_the_application_itself_refuses_too_however_it_is_started(tmp_path: Path):
    ended = start(make_home(tmp_path, host="0.0.0.0"), UVICORN)
    assert ended.returncode != 0
    assert COMMAND in ended.stderr


def test_a_weak_key_is_refused(tmp_path: Path):
    ended = start(make_home(tmp_path, api_key="short"), (str(SIGHTGATE), "serve", "--port", "0"))
    assert ended.returncode == 2
    assert "shorter than 16 characters" in ended.stderr
    assert COMMAND in ended.stderr


def routes(server: RunningServer) -> list[tuple[str, str]]:
    paths = server.http.get("/openapi.json").json()["paths"]
    filled = {"{job_id}": "some-job", "{name}": "echo"}
    found = [("GET", "/openapi.json"), ("GET", "/nowhere")]
    for path, methods in paths.items():
        for part, value in filled.items():
            path = path.replace(part, value)
        found += [(method.upper(), path) for method in methods]
    return found


def test_with_a_key_every_route_but_health_wants_it(keyed: RunningServer):
    known = routes(keyed)
    assert len(known) >= 12
    with httpx.Client(base_url=keyed.url, trust_env=False, timeout=PATIENCE_S) as stranger:
        for method, path in known:
            answer = stranger.request(method, path)
            if path in HEALTH:
                assert answer.status_code == 200, path
            else:
                assert_error(answer, 401, "unauthorized")


def test_with_a_key_the_pages_files_are_open_and_nothing_else_is(keyed: RunningServer):
    with httpx.Client(base_url=keyed.url, trust_env=False, timeout=PATIENCE_S) as stranger:
        for path in ("/", "/jobs", "/jobs/some-job", "/plugins/echo", "/status"):
            answer = stranger.get(path)
            assert answer.headers["content-type"] == "text/html; charset=utf-8", path
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert_error(stranger.post(path), 401, "unauthorized")
        assert_error(stranger.get("/assets/nothing.js"), 404, "not_found")
        for path in (
            "/assets/../v1/jobs",
            "/assets/%2e%2e/v1/jobs",
            "/v1/jobs?/assets/",
            "//v1/jobs",
            "/jobs/../v1/jobs",
        ):
            answer = stranger.get(path)
            assert "next_cursor" not in answer.text, path


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        f"Basic {KEY}",
        KEY,
        f"Bearer {KEY.upper()}",
        "Bearer é",
        "Bearer " + "x" * 30_000,
    ],
)
def test_a_wrong_key_is_refused(keyed: RunningServer, given: str):
    answer = keyed.http.get("/v1/plugins", headers={b"authorization": given.encode()})
    assert_error(answer, 401, "unauthorized")
    assert KEY not in answer.text


def test_the_right_key_is_taken_whatever_the_host_and_case_of_the_scheme(keyed: RunningServer):
    for headers in ({"host": "example.org"}, {"authorization": f"bearer {KEY}"}, {"origin": "https://example.org"}):
        assert keyed.http.get("/v1/plugins", headers=headers).status_code == 200
    assert keyed.analyze("echo").status_code == 200


def test_the_key_is_in_no_log(keyed: RunningServer):
    keyed.http.get("/v1/plugins")
    assert KEY not in keyed.home.log.read_text()


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "10.0.0.1", "0.0.0.0", "[", "[::1", "a b"])
def test_without_a_key_it_answers_only_under_its_loopback_address(server: RunningServer, host: str):
    for method, path in (("GET", "/v1/plugins"), ("POST", "/v1/analyze?plugin=echo"), ("GET", "/nowhere")):
        assert_error(server.http.request(method, path, headers={"host": host}), 403, "forbidden")


@pytest.mark.parametrize("host", ["localhost", "localhost:{port}", "127.0.0.1:{port}", "[::1]:{port}", "127.8.9.1"])
def test_any_loopback_address_will_do(server: RunningServer, host: str):
    named = host.format(port=server.port)
    assert server.http.get("/v1/plugins", headers={"host": named}).status_code == 200


@pytest.mark.parametrize("origin", ["https://example.org", "http://127.0.0.1:1", "null", "http://[", ""])
def test_without_a_key_pages_of_other_sites_are_refused(server: RunningServer, origin: str):
    calls = server.row("resting")
    headers = {"origin": origin, "content-type": "image/png"}
    answer = server.http.post("/v1/analyze", params={"plugin": "resting"}, content=PNG, headers=headers)
    assert_error(answer, 403, "forbidden")
    assert server.row("resting") == calls


def test_a_page_of_its_own_is_served(server: RunningServer):
    headers = {"origin": f"http://127.0.0.1:{server.port}"}
    assert server.http.get("/v1/plugins", headers=headers).status_code == 200


def test_no_documentation_page_loads_scripts_from_elsewhere(server: RunningServer):
    for path in ("/docs", "/redoc"):
        assert_error(server.http.get(path), 404, "not_found")
