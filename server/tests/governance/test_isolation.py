"""A discovered plugin never runs in the server, and its process holds nothing of the server's."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.running_server import Home, RunningServer, eventually, is_alive, make_home, running

KEY = "hidden-secret-one-long-enough"
SECRETS = {"DATABASE_URL": "postgres://user:hidden-secret-two@host/db", "AWS_SECRET_ACCESS_KEY": "hidden-secret-three"}
TELLING = "import os\nprint('imported by', os.getpid(), flush=True)\n"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose environment is full of secrets, with a plugin that tells who imports it."""
    made = make_home(tmp_path_factory.mktemp("guarded"), "snooping", "slow", "answering", api_key=KEY)
    home = Home(made.folder, {**made.settings, **SECRETS})
    source = (home.plugins / "answering.py").read_text()
    (home.plugins / "answering.py").write_text(TELLING + source)
    with running(home, KEY) as started:
        yield started


def test_discovery_imports_no_plugin_into_the_server(guarded: RunningServer):
    assert guarded.row("resting")["state"] == "IDLE"
    assert "imported by" not in guarded.home.log.read_text()
    maps = Path(f"/proc/{guarded.process.pid}/maps").read_text()
    assert not {"numpy", "PIL"} & set(maps.split("/"))


def test_a_discovered_plugin_runs_in_a_process_of_its_own(guarded: RunningServer):
    before = guarded.descendants()
    assert guarded.analyze("slow").status_code == 200
    workers = guarded.descendants()
    assert workers > before
    assert guarded.process.pid not in workers
    assert guarded.analyze("slow").status_code == 200
    assert guarded.descendants() == workers
    assert guarded.analyze("second").status_code == 200
    assert guarded.descendants() > workers


def test_a_worker_knows_nothing_of_the_servers_environment(guarded: RunningServer):
    found = guarded.result("snooping")
    assert "hidden-secret" not in json.dumps(found)
    environment = found["environment"]
    assert {name for name in environment if name.startswith("SIGHTGATE_")} <= {"SIGHTGATE_WORKER"}
    assert not set(SECRETS) & set(environment)
    assert not any(module.split(".")[0] in ("app", "fastapi", "sqlalchemy") for module in found["modules"])


def test_a_workers_folder_home_and_temporary_files_are_its_scratch(guarded: RunningServer):
    found = guarded.result("snooping")
    assert found["folder"] == found["temporary"] == found["home"]
    assert found["environment"]["OMP_NUM_THREADS"].isdigit()


def test_workers_and_their_scratch_end_when_the_server_stops_in_order(tmp_path: Path):
    with running(make_home(tmp_path, "answering")) as server:
        server.analyze("echo")
        workers = server.descendants()
        assert workers
        assert server.stop() == 0
        assert not any(is_alive(pid) for pid in workers)
        assert not list((server.home.data / "scratch").glob("worker-*"))


def test_workers_die_with_the_server_however_it_dies(tmp_path: Path):
    with running(make_home(tmp_path, "slow", "answering")) as server:
        server.analyze("slow")
        server.analyze("echo")
        workers = server.descendants()
        assert workers
        server.kill()
        eventually(lambda: not any(is_alive(pid) for pid in workers), "end of the workers")


@pytest.mark.skipif(sys.platform != "linux", reason="there is no filter of system calls elsewhere")
@pytest.mark.parametrize("options", [{}, {"without_main_thread": True}], ids=["as it is", "without its main thread"])
def test_a_plugin_that_clings_to_life_dies_with_a_killed_server_too(tmp_path: Path, options: dict[str, bool]):
    with running(make_home(tmp_path, "clinging")) as server:
        server.accepted("clinging", options)
        scratches = server.home.data / "scratch"
        (told,) = eventually(lambda: list(scratches.glob("worker-*/clings")), "plugin that clings")
        pid = int(told.read_text())
        take_out_of_its_groups(pid)
        if options:
            server.process.send_signal(signal.SIGSTOP)  # else it may see and end such a worker before it is killed
            (told.parent / "lets_go").touch()
            eventually(lambda: not is_alive(pid), "end of the main thread")
        assert any_thread_runs(pid)
        server.kill()
        try:
            eventually(lambda: not any_thread_runs(pid), "end of the worker")
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def take_out_of_its_groups(pid: int) -> None:
    """Let no other server that starts on this machine meanwhile end the worker with the groups of the dead one."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for line in (thread / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            group = Path("/sys/fs/cgroup", controllers, path.lstrip("/"))
            if group.name.startswith("sightgate-"):
                with suppress(OSError):  # version 2 takes none beside groups
                    (group.parent / "tasks").write_text(thread.name)


def any_thread_runs(pid: int) -> bool:
    """Tell whether a process runs, if only a part of it: without its main thread it looks like a zombie."""
    with suppress(FileNotFoundError):  # the process may end between two looks
        for status in Path(f"/proc/{pid}/task").glob("*/stat"):
            with suppress(OSError):
                if status.read_text().rpartition(")")[2].split()[0] not in "ZX":
                    return True
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="there is no filter of system calls elsewhere")
def test_a_worker_cannot_change_when_and_where_the_server_runs(guarded: RunningServer):
    assert guarded.row("snooping")["isolation"]["scheduling"] == "denied"
