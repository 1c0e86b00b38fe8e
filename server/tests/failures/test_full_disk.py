"""The disk fills up under a server: what it accepted ends once there is room, what it cannot keep it refuses."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.errors import assert_error
from support.images import PNG
from support.mounts import fill, small_disk
from support.running_server import RunningServer, eventually, make_home, running

SLOW_S = 1.5


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "home" / "data", mib=48) as folder:
        yield folder


def is_ready(server: RunningServer) -> bool:
    return server.http.get("/health/ready").status_code == 200


def test_a_full_disk_loses_no_accepted_job_and_refuses_what_it_cannot_keep(disk: Path) -> None:
    home = make_home(disk.parent, "slow", "answering")
    with running(home) as server:
        accepted = [server.submit("slow", {"seconds": SLOW_S, "tag": number}).json()["id"] for number in range(3)]
        eventually(lambda: server.row("slow")["in_flight"], "a job that runs")
        ballast = fill(disk)
        refused = [server.submit("slow", {"tag": "refused"}, PNG + bytes([number]) * 200_000) for number in range(4)]
        for answer in refused:
            assert_error(answer, 503, "storage_unavailable")
        eventually(lambda: not is_ready(server), "server that says it is not ready")
        # Who waits for the answer gets it: nothing of it must be stored yet.
        assert server.result("echo")["bytes"] == len(PNG)
        eventually(lambda: not server.row("slow")["in_flight"], "end of the job that ran")
        ballast.unlink()
        eventually(lambda: is_ready(server), "server that is ready again")
        late = server.submit("slow", {"tag": "late"})
        assert late.status_code == 202
        ended = [server.ended_job(job_id) for job_id in [*accepted, late.json()["id"]]]
        assert [job["status"] for job in ended] == ["SUCCESS"] * 4
        assert [job["result"]["tag"] for job in ended] == [0, 1, 2, "late"]
        assert len(server.jobs(plugin="slow")) == 4
        eventually(lambda: [job["status"] for job in server.jobs(plugin="echo")] == ["SUCCESS"], "row of the call")
        assert server.http.get("/v1/jobs", params={"plugin": "slow", "limit": 500}).status_code == 200


def test_a_server_that_was_killed_on_a_full_disk_goes_on_when_there_is_room(disk: Path) -> None:
    home = make_home(disk.parent, "slow")
    with running(home) as server:
        accepted = [server.submit("slow", {"seconds": 0.5, "tag": number}).json()["id"] for number in range(4)]
        eventually(lambda: server.row("slow")["in_flight"], "a job that runs")
        ballast = fill(disk)
        server.kill()
    ballast.unlink()
    with running(home) as server:
        ended = [server.ended_job(job_id) for job_id in accepted]
    assert [(job["status"], job["result"]["tag"]) for job in ended] == [("SUCCESS", tag) for tag in range(4)]
