"""A plugin that writes more than it may, and a disk that is full: a named outcome, and the next call works."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.errors import assert_error
from support.mounts import small_disk
from support.running_server import RunningServer, eventually, make_home, running

WAYS = ("many files", "many names", "unlistable folder", "deep folders")
HIDDEN_WAYS = ("deleted files", "deleted files that are filled later", "files that never had a name")


@pytest.fixture(scope="module")
def writing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = make_home(tmp_path_factory.mktemp("writing"), "writing", "answering", breaker_ends=1_000)
    with running(home) as started:
        yield started


@pytest.mark.parametrize("how", WAYS)
def test_a_plugin_that_fills_its_scratch_folder_is_ended(writing: RunningServer, how: str):
    error = assert_error(writing.analyze("writing", {"how": how}), 400, "plugin_out_of_disk")
    assert error["details"]["limit_mb"] == 16
    assert error["details"]["used_mb"] >= (0 if how == "many names" else 16)
    assert writing.result("writing") == {"calls": 1, "files": 0}
    assert writing.row("writing")["failures"][0]["code"] == "plugin_out_of_disk"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into the descriptors of a worker")
@pytest.mark.parametrize("how", HIDDEN_WAYS)
def test_files_that_nobody_can_find_and_are_still_open_count_too(writing: RunningServer, how: str):
    assert_error(writing.analyze("writing", {"how": how}), 400, "plugin_out_of_disk")
    assert writing.result("writing")["calls"] == 1


def test_what_fits_is_kept_for_the_next_call(writing: RunningServer):
    before = writing.result("writing")
    assert writing.result("writing", {"how": "mib", "mib": 8})["files"] == 1
    assert writing.result("writing") == {"calls": before["calls"] + 2, "files": 1}


def test_one_file_above_the_limit_is_refused_by_the_kernel(writing: RunningServer):
    error = assert_error(writing.analyze("writing", {"how": "mib", "mib": 20}), 400, "plugin_failed")
    assert error["details"]["exception"] == "OSError"


def test_a_thread_that_writes_on_between_calls_costs_the_plugin_its_worker(writing: RunningServer):
    ended = writing.row("writing")["health"]["workers"]["ended_idle"]
    writing.result("writing", {"how": "later"})
    for folder in (writing.home.data / "scratch").glob("worker-*"):
        (folder / "go").touch()

    def replaced() -> bool:
        return bool(writing.row("writing")["health"]["workers"]["ended_idle"] > ended)

    eventually(replaced, "end of the worker")
    assert writing.result("writing") == {"calls": 1, "files": 0}


def test_the_limit_and_its_means_are_told(writing: RunningServer):
    row = writing.row("writing")
    assert (row["limits"]["scratch_mb"], row["isolation"]["scratch"]) == (16, "watch")


FILLING_AT = """
import time
from pathlib import Path


def fill():
    for number in range(200_000):
        Path(f"empty-{number}").touch()
    time.sleep(60)


class Filling:
    name = "filling-at-%s"

    def load(self):
        %s

    def run(self, payload):
        return {"never": True}


%s
"""


def test_a_plugin_that_fills_the_disk_before_it_is_called_keeps_nothing_from_starting(tmp_path: Path):
    home = make_home(tmp_path, "answering", discovery_timeout_s=300, start_timeout_s=300)
    (home.plugins / "filling_at_import.py").write_text(FILLING_AT % ("import", "pass", "fill()"))
    (home.plugins / "filling_at_load.py").write_text(FILLING_AT % ("load", "fill()", ""))
    home.data.mkdir()
    (home.data / "plugins.toml").write_text("[filling-at-load]\nwarm = true\n")
    with running(home) as server:
        for name in ("filling_at_import", "filling-at-load"):
            row = server.row(name)
            assert row["state"] == "FAILED"
            assert "scratch folder" in row["reason"]
            assert "scratch folder" in assert_error(server.analyze(name), 503, "plugin_unavailable")["message"]
        assert server.result("echo")["calls"] == 1


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "data", mib=24) as folder:
        yield folder


def test_a_full_disk_is_told_and_the_next_call_works_when_there_is_room(disk: Path):
    with running(make_home(disk.parent, "writing", "answering", "slow")) as server:
        filled = assert_error(server.analyze("filling", {"how": "all there is"}), 400, "plugin_failed")
        assert "No space left" in filled["message"]
        # The worker lives, and holds what it wrote: there is no room for a job's input, nor for another worker.
        refused = assert_error(server.submit("echo"), 503, "storage_unavailable")
        assert "full" in refused["message"]
        not_started = server.analyze("echo")
        if not_started.status_code != 200:  # its folder took the last page, or not
            assert_error(not_started, 503, "plugin_unavailable")
        assert server.http.get("/health/live").status_code == 200
        assert server.http.post("/v1/plugins/filling/reload").status_code in (200, 503)
        eventually(lambda: server.submit("echo").status_code == 202, "job that is accepted again")
        assert server.result("echo")["calls"] >= 1
        assert server.result("slow")["turn"] == 1
        assert server.row("echo")["health"]["breaker"] == "closed"
