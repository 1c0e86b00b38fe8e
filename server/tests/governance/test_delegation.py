"""Whichever door an execution came in by, it passed the gate once, and each service called only the next.

Asserted on the calls that really happened, in this process or in the CLI's own.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from support.images import JPEG, PNG
from support.running_server import PATIENCE_S, make_home
from support.tracing import Step, Trace, traced_app

from app.plugins.loader.plugin_registry import PluginRegistry

Door = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]
TRACED_CLI = Path(__file__).resolve().parents[1] / "support" / "traced_cli.py"
JSON_BODY = {"plugin": "echo", "image": base64.b64encode(PNG).decode(), "mime_type": "image/png"}

HTTP_DOORS: dict[str, Door] = {
    "analyze-execution": lambda http: http.post("/v1/analyze-execution", json=JSON_BODY),
    "analyze as JSON": lambda http: http.post("/v1/analyze", json=JSON_BODY),
    "analyze as an upload": lambda http: http.post(
        "/v1/analyze", data={"plugin": "echo"}, files={"image": ("a.jpg", JPEG, "image/jpeg")}
    ),
    "analyze as raw bytes": lambda http: http.post("/v1/analyze?plugin=echo", content=PNG),
}

# Each step of the path, and the only step that may enter it. None: the door, or the dispatcher of jobs.
WAITING = [
    Step("request", None),
    Step("job is made", "request"),
    Step("job is run", "request"),
    Step("admission", "job is run"),
    Step("gate", "admission"),
    Step("worker", "gate"),
    Step("registry", "gate"),
]
ACCEPTED = [
    Step("request", None),
    Step("job is made", "request"),
    Step("job is taken up", None),
    Step("admission", "job is taken up"),
    Step("gate", "admission"),
    Step("worker", "gate"),
    Step("registry", "gate"),
]


@pytest.mark.parametrize("door", [*HTTP_DOORS, "jobs", "CLI"])
async def test_every_door_leads_through_the_gate_once(tmp_path: Path, door: str):
    if door == "CLI":
        assert through_the_cli(tmp_path) == WAITING
        return
    async with traced_app(make_home(tmp_path, "answering")) as http:
        with Trace() as trace:
            if door == "jobs":
                accepted = await http.post("/v1/jobs?plugin=echo", content=PNG)
                await ended(http, accepted.json()["id"])
            else:
                answer = await HTTP_DOORS[door](http)
                assert answer.status_code == 200, answer.text
    assert trace.steps == (ACCEPTED if door == "jobs" else WAITING)


@pytest.mark.parametrize(
    ("options", "image"), [("{}", b"no image"), ('{"what": "plain"}', PNG), ('{"what": "CancelledError"}', PNG)]
)
async def test_a_failure_takes_the_same_way_and_is_counted_once(tmp_path: Path, options: str, image: bytes):
    async with traced_app(make_home(tmp_path, "raising")) as http:
        with Trace() as trace:
            query = {"plugin": "raising", "options": options}
            answer = await http.post("/v1/analyze", params=query, content=image, headers={"content-type": "image/png"})
        assert answer.status_code == 400
    called = image == PNG
    assert trace.steps == [step for step in WAITING if called or step.name != "worker"]


class Embedded:
    name = "embedded"

    def run(self, payload: dict[str, object]) -> dict[str, object]:
        return {"calls": 1}


async def test_an_embedded_object_is_called_behind_the_same_gate(tmp_path: Path):
    registry = PluginRegistry()
    registry.register("embedded", Embedded())
    async with traced_app(make_home(tmp_path), registry) as http:
        with Trace() as trace:
            answer = await http.post("/v1/analyze?plugin=embedded", content=PNG)
        assert answer.json()["result"] == {"calls": 1}
    assert trace.steps == [Step("embedded", "gate") if step.name == "worker" else step for step in WAITING]


async def test_a_refusal_before_the_gate_never_reaches_it(tmp_path: Path):
    async with traced_app(make_home(tmp_path, "answering")) as http:
        with Trace() as trace:
            assert (await http.post("/v1/analyze?plugin=nobody", content=PNG)).status_code == 404
            assert (await http.post("/v1/analyze", content=PNG)).status_code == 400
            assert (await http.get("/v1/plugins")).status_code == 200
            assert (await http.get("/v1/jobs")).status_code == 200
    assert not {step.name for step in trace.steps} & {"gate", "worker", "embedded", "registry"}


async def ended(http: httpx.AsyncClient, job_id: str) -> None:
    """Wait until a job has ended."""
    job = {"status": "PENDING"}
    while job["status"] not in ("SUCCESS", "FAILED"):
        job = (await http.get(f"/v1/jobs/{job_id}")).json()
    assert job["status"] == "SUCCESS", job


def through_the_cli(folder: Path) -> list[Step]:
    """Run ``sightgate analyze`` without a server, in a process that traces itself."""
    home = make_home(folder, "answering")
    (folder / "a.png").write_bytes(PNG)
    told = folder / "steps.json"
    command = [sys.executable, str(TRACED_CLI), str(told), "analyze", "a.png", "--plugin", "echo", "--json"]
    done = subprocess.run(
        command, cwd=folder, env=home.environment(), capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["bytes"] == len(PNG)
    return [Step(**step) for step in json.loads(told.read_text())]
