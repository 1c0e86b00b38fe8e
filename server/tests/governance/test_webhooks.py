"""A job's end is told to the address that its caller named: through HTTP, to a receiver on loopback."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message

import httpx
import pytest
from support.errors import assert_error
from support.images import PNG
from support.post_receiver import receiving
from support.running_server import RunningServer, eventually, make_home, running

SECRET = "a secret of sixteen characters"


@dataclass
class _Hooks:
    """A receiver: what came, by path; while it is down it answers 503."""

    port: int = 0
    came: list[tuple[str, str, bytes]] = field(default_factory=list)
    is_down: bool = False

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def events(self, path: str) -> list[dict[str, object]]:
        return [json.loads(body) for at, _, body in self.came if at == path]


@pytest.fixture(scope="module")
def hooks() -> Iterator[_Hooks]:
    made = _Hooks()

    def take(path: str, headers: Message, body: bytes) -> int:
        made.came.append((path, headers["Sightgate-Signature"], body))
        return 503 if made.is_down else 204

    with receiving(take) as made.port:
        yield made


@pytest.fixture(scope="module")
def server(hooks: _Hooks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = make_home(
        tmp_path_factory.mktemp("calling"),
        "answering",
        "raising",
        webhook_secret=SECRET,
        webhook_allow_networks="127.0.0.0/8",
        outbound_ports=f"80,443,{hooks.port}",
    )
    with running(home) as started:
        yield started


def _submit(server: RunningServer, webhook: str, plugin: str = "echo") -> httpx.Response:
    return server.http.post(
        "/v1/jobs", params={"plugin": plugin, "webhook": webhook}, content=PNG, headers={"content-type": "image/png"}
    )


def test_a_job_tells_its_end_signed_with_its_result(server: RunningServer, hooks: _Hooks) -> None:
    job_id = _submit(server, hooks.url("/end")).json()["id"]
    (event,) = eventually(lambda: hooks.events("/end"), "call of the webhook")
    assert event["id"] == job_id
    data = event["data"]
    assert isinstance(data, dict)
    assert (data["status"], data["result"]["bytes"], data["path"]) == ("SUCCESS", len(PNG), f"/v1/jobs/{job_id}")
    _, signature, body = next(came for came in hooks.came if came[0] == "/end")
    said = dict(part.split("=", 1) for part in signature.split(","))
    signed = hmac.new(SECRET.encode(), said["t"].encode() + b"." + body, hashlib.sha256)
    assert said["v1"] == signed.hexdigest()
    eventually(lambda: "delivered" in server.http.get("/metrics").text, "figure")
    delivery = server.http.get(f"/v1/jobs/{job_id}").json()["webhook_delivery"]
    assert delivery == {"state": "delivered", "calls": 1, "reason": None}


def test_a_failed_job_and_a_cancelled_one_tell_theirs(server: RunningServer, hooks: _Hooks) -> None:
    _submit(server, hooks.url("/failed"), plugin="raising")
    waits = server.http.post(
        "/v1/jobs",
        params={"plugin": "echo", "webhook": hooks.url("/cancelled"), "delay_s": 3600},
        content=PNG,
        headers={"content-type": "image/png"},
    ).json()["id"]
    assert server.http.delete(f"/v1/jobs/{waits}").status_code == 200
    for path, status in (("/failed", "FAILED"), ("/cancelled", "CANCELLED")):
        (event,) = eventually(lambda path=path: hooks.events(path), f"call of {path}")  # type: ignore[misc]
        data = event["data"]
        assert isinstance(data, dict)
        assert data["status"] == status
        assert data["error"]["details"]["code"]


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "ftp://127.0.0.1/",
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "http://[::1]/",
        "http://127.0.0.1:22/",
        "http://user:password@127.0.0.1/",
        "http://nowhere.invalid/",
    ],
)
def test_a_webhook_that_points_inside_is_refused_with_the_job(server: RunningServer, url: str) -> None:
    before = len(server.jobs())
    error = assert_error(_submit(server, url), 400, "webhook_refused")
    assert error["details"]["field"] == "webhook"
    assert len(server.jobs()) == before


def test_webhooks_are_off_unless_there_is_a_secret(hooks: _Hooks, tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(make_home(tmp_path_factory.mktemp("silent"), "answering")) as silent:
        error = assert_error(_submit(silent, hooks.url("/never")), 400, "webhooks_disabled")
        assert "SIGHTGATE_WEBHOOK_SECRET" in error["message"]


def test_a_webhook_is_told_after_a_crash(hooks: _Hooks, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its receiver is down when the job ends; the server is killed; the next one tells it."""
    home = make_home(
        tmp_path_factory.mktemp("killed"),
        "answering",
        webhook_secret=SECRET,
        webhook_timeout_s=1,
        webhook_allow_networks="127.0.0.0/8",
        outbound_ports=str(hooks.port),
    )
    hooks.is_down = True
    try:
        with running(home) as first:
            job_id = _submit(first, hooks.url("/crash")).json()["id"]
            eventually(lambda: hooks.events("/crash"), "call of the webhook")
            first.kill()
    finally:
        hooks.is_down = False
    seen = len(hooks.events("/crash"))
    with running(home):
        again = eventually(lambda: hooks.events("/crash")[seen:], "another call")
    assert {event["id"] for event in again} == {job_id}


def test_a_secret_that_is_too_short_stops_the_start(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = make_home(tmp_path_factory.mktemp("short"), "answering", webhook_secret="short")
    process = home.launch()
    assert process.wait(60) != 0
    assert "SIGHTGATE_WEBHOOK_SECRET" in home.log.read_text()
