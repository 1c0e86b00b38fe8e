"""Folders that cannot be written: a server that can keep nothing does not start, one that can keep no input says so."""

from pathlib import Path

from support.errors import assert_error
from support.images import PNG
from support.mounts import read_only
from support.running_server import eventually, make_home, running


def test_a_server_on_a_read_only_data_folder_says_so_and_does_not_start(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", "answering")
    with running(home) as server:
        job_id = server.submit("echo", {"a": 1}).json()["id"]
        server.ended_job(job_id)
    before = sorted(file.relative_to(home.data) for file in home.data.rglob("*"))
    home.log.unlink()
    with read_only(home.data):
        process = home.launch()
        said, _ = process.communicate(timeout=60)
        assert process.returncode not in (0, None)
        told = said + home.log.read_text()
        assert "cannot be written" in told, told
        assert "Traceback" not in told, told
    assert sorted(file.relative_to(home.data) for file in home.data.rglob("*")) == before
    with running(home) as server:
        assert server.http.get(f"/v1/jobs/{job_id}").json()["status"] == "SUCCESS"


def test_a_server_whose_inputs_cannot_be_written_refuses_jobs_and_goes_on_with_those_it_has(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", "slow", "answering")
    with running(home) as server:
        accepted = [server.submit("slow", {"seconds": 0.5, "tag": number}).json()["id"] for number in range(4)]
        with read_only(home.data / "blobs"):
            assert_error(server.submit("echo", {}, PNG + b"another"), 503, "storage_unavailable")
            assert server.result("echo")["bytes"] == len(PNG)
            ended = [server.ended_job(job_id) for job_id in accepted]
            assert [(job["status"], job["result"]["tag"]) for job in ended] == [("SUCCESS", tag) for tag in range(4)]
        again = eventually(lambda: server.submit("echo", {"b": 2}, PNG + b"another").json().get("id"), "accepted job")
        assert server.ended_job(again)["result"]["options"] == {"b": 2}
