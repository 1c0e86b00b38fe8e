"""Install, upgrade, reload and roll back while calls come without a pause: not one of them fails."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from support.environment_place import COLD, WARM, Place, make_place
from support.running_server import RunningServer, eventually, running
from support.wheels import tint, write_all

CALLERS = 3


@dataclass
class Load:
    """Callers who call without a pause, and what they were answered."""

    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def call(self, server: RunningServer, plugin: str) -> None:
        while not self.over.is_set():
            try:
                answer = server.analyze(plugin)
            except httpx.HTTPError as failed:
                self.failures.append(repr(failed))
                continue
            if answer.status_code == 200:
                self.answers[answer.json()["result"]["version"]] += 1
            else:
                self.failures.append(answer.text)

    def wait_for(self, version: str) -> None:
        """Wait until more calls have been answered by this version."""
        seen = self.answers[version]
        eventually(lambda: self.answers[version] > seen + 10, f"answer of version {version}")


@contextmanager
def load(server: RunningServer, plugin: str) -> Iterator[Load]:
    made = Load()
    callers = [threading.Thread(target=made.call, args=(server, plugin)) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        yield made
    finally:
        made.over.set()
        for caller in callers:
            caller.join()


def test_not_one_call_fails_while_plugins_are_reloaded_installed_upgraded_and_rolled_back(tmp_path: Path):
    place = make_place(tmp_path, max_wait_s=60)  # a busy machine takes its time to start a worker
    place.install(WARM)
    with running(place.home) as server, load(server, "warm") as calls:
        calls.wait_for("1.0")
        for _ in range(3):
            assert server.http.post("/v1/plugins/warm/reload").status_code == 200
            calls.wait_for("1.0")
        place.install(COLD)
        assert server.result("cold")["colours"] == ["red", "green", "blue"]
        write_all(place.wheels, tint("warm", "2.0", "2.0"))
        change = place.install(WARM, "--upgrade")
        assert (change["former_version"], change["version"]) == ("1.0", "2.0")
        calls.wait_for("2.0")
        assert server.result("warm") == {"version": "2.0", "colours": ["red", "green", "blue"]}
        assert place.plugins("rollback", "warm").code == 0
        calls.wait_for("1.0")
        assert server.result("warm")["version"] == "1.0"
        assert place.plugins("remove", COLD).code == 0
        assert server.analyze("cold").status_code == 404
        assert server.http.get("/v1/plugins/cold").status_code == 404
        calls.wait_for("1.0")
    assert calls.failures == []


def test_a_call_that_runs_on_the_former_version_ends_on_it(place: Place):
    slow = "import time\n{source}"
    source = slow.format(source=tint("warm", "1.0", "1.0").files["warm.py"]).replace("return", "time.sleep(6); return")
    tint("warm", "1.0", "1.0", source.replace("{", "{{").replace("}", "}}")).write(place.wheels)
    place.install(WARM)
    write_all(place.wheels, tint("warm", "2.0", "2.0"))
    with running(place.home) as server:
        job = server.submit("warm").json()["id"]
        eventually(lambda: server.http.get(f"/v1/jobs/{job}").json()["status"] == "RUNNING", "start of the job")
        place.install(WARM, "--upgrade")
        assert server.result("warm")["version"] == "2.0"
        assert server.ended_job(job)["result"]["version"] == "1.0"
