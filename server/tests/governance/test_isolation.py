"""A discovered plugin never runs in the server, and its process holds nothing of the server's."""

import json
from pathlib import Path

from support.images import PNG
from support.running_server import eventually, is_alive, living_descendants, make_home, running

SECRETS = {"DATABASE_URL": "postgres://user:hidden-secret-one@host/db", "AWS_SECRET_ACCESS_KEY": "hidden-secret-two"}


def test_a_discovered_plugin_runs_in_a_process_of_its_own(tmp_path):
    with running(make_home(tmp_path, "slow", "answering")) as server:
        assert server.descendants() == set()  # those of discovery have ended
        assert server.analyze("slow").status_code == 200
        workers = server.descendants()
        assert workers
        assert server.process.pid not in workers
        assert server.analyze("slow").status_code == 200
        assert server.descendants() == workers
        assert server.analyze("echo").status_code == 200
        assert server.descendants() > workers


def test_discovery_imports_no_plugin_into_the_server(tmp_path):
    home = make_home(tmp_path, "answering")
    told = "import os\nprint('imported by', os.getpid(), flush=True)\n"
    source = home.plugins / "telling.py"
    source.write_text(told + (home.plugins / "answering.py").read_text().replace('"echo"', '"telling"'))
    (home.plugins / "answering.py").unlink()
    with running(home) as server:
        assert server.row("telling")["state"] == "IDLE"
        assert "imported by" not in home.log.read_text()
        maps = Path(f"/proc/{server.process.pid}/maps").read_text()
        assert "numpy" not in maps
        assert "PIL" not in maps


def test_a_worker_knows_nothing_of_the_servers_environment(tmp_path):
    key = "hidden-secret-three-long-enough"
    home = make_home(tmp_path, "snooping", api_key=key)
    home = type(home)(home.folder, {**home.settings, **SECRETS})
    with running(home, key) as server:
        found = server.result("snooping")
    assert "hidden-secret" not in json.dumps(found)
    environment = found["environment"]
    ours = {name for name in environment if name.startswith("SIGHTGATE_")} - {"SIGHTGATE_WORKER"}
    assert not ours
    assert not set(SECRETS) & set(environment)
    assert not any(module.split(".")[0] in ("app", "fastapi", "sqlalchemy") for module in found["modules"])


def test_a_workers_folder_home_and_temporary_files_are_its_scratch_which_ends_with_it(tmp_path):
    home = make_home(tmp_path, "snooping")
    with running(home) as server:
        found = server.result("snooping", {}, PNG)
        scratch = Path(found["home"])
        assert found["folder"] == found["temporary"] == str(scratch)
        assert found["environment"]["OMP_NUM_THREADS"].isdigit()
    assert not list((home.data / "scratch").iterdir())


def test_workers_die_with_the_server_however_it_dies(tmp_path):
    with running(make_home(tmp_path, "slow", "answering")) as server:
        server.analyze("slow")
        server.analyze("echo")
        workers = living_descendants(server.process.pid)
        assert workers
        server.kill()
        eventually(lambda: not any(is_alive(pid) for pid in workers), "end of the workers")


def test_workers_end_when_the_server_stops_in_order(tmp_path):
    with running(make_home(tmp_path, "answering")) as server:
        server.analyze("echo")
        workers = server.descendants()
        assert workers
        assert server.stop() == 0
        assert not any(is_alive(pid) for pid in workers)
