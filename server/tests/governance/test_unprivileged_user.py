"""Where the server is root, and a user without rights can reach what a worker needs, the worker becomes that user."""

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.environment_place import Place, make_place
from support.errors import assert_error
from support.reachable_python import COMMAND, make_python
from support.running_server import Home, RunningServer, eventually, is_alive, make_home, running

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

LOOKING = """
import os
from pathlib import Path


class Looking:
    name = "looking"
    permissions = {"read": ["%(secret)s"]}

    def run(self, payload):
        Path("kept").write_text("its own")
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
        return {
            "pid": os.getpid(),
            "users": sorted(set(os.getresuid() + os.getresgid())),
            "groups": os.getgroups(),
            "powers": [status[name].strip() for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")],
            "secret": self.reads("%(secret)s"),
            "own": Path("kept").read_text(),
        }

    def reads(self, path):
        try:
            return Path(path).read_text()
        except OSError as refused:
            return refused.strerror
"""


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """A folder that every user can pass; that of the tests' own files is closed to all but its owner."""
    folder = Path(tempfile.mkdtemp(prefix="sightgate-open-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def python(open_folder: Path) -> Path:
    return make_python(open_folder)


@pytest.fixture(scope="module")
def home(open_folder: Path) -> Home:
    made = make_home(open_folder / "home", "ending", "answering", "writing")
    secret = open_folder / "secret"
    secret.write_text("root's")
    secret.chmod(0o600)
    (made.plugins / "looking.py").write_text(LOOKING % {"secret": secret})
    made.data.mkdir(mode=0o711)  # as an operator does who wants this: others may pass, not list
    (made.data / "plugins.toml").write_text(f'[looking.grant]\nread = ["{secret}"]\n')
    return made


@pytest.fixture(scope="module")
def dropping(python: Path, home: Home) -> Iterator[RunningServer]:
    with running(home, command=(str(python), *COMMAND, "serve", "--port", "0")) as started:
        yield started


def nobody() -> int:
    return pwd.getpwnam("nobody").pw_uid


def test_a_worker_is_nobody_and_has_no_powers(dropping: RunningServer):
    seen = dropping.result("looking")
    assert (seen["users"], seen["groups"]) == ([nobody()], [])
    assert {int(mask, 16) for mask in seen["powers"]} == {0}
    assert seen["own"] == "its own"
    row = dropping.row("looking")
    assert (row["isolation"]["user"], row["isolation_level"]) == (str(nobody()), "sandbox")


def test_what_is_granted_is_still_roots_own_file(dropping: RunningServer):
    """Landlock would let it: the file's mode does not."""
    assert dropping.result("looking")["secret"] == "Permission denied"


@pytest.mark.parametrize("how", ["segfault", "hang that ignores signals", "memory"])
def test_such_a_worker_is_ended_and_cleaned_up_behind_like_any_other(dropping: RunningServer, how: str):
    before = dropping.descendants()
    answer = dropping.analyze("ending", {"how": how})
    assert answer.status_code == 400, answer.text
    assert dropping.descendants() <= before
    assert dropping.result("ending") == {"calls": 1}
    scratches = dropping.home.data / "scratch"
    eventually(lambda: len(list(scratches.glob("worker-*"))) == len(dropping.descendants()), "cleaned up folders")


def test_its_scratch_folder_is_bounded_too(dropping: RunningServer):
    assert_error(dropping.analyze("writing", {"how": "deleted files"}), 400, "plugin_out_of_disk")
    assert_error(dropping.analyze("writing", {"how": "unlistable folder"}), 400, "plugin_out_of_disk")


def test_it_dies_with_the_server(python: Path, home: Home, dropping: RunningServer, open_folder: Path):
    other = replace(home, folder=open_folder / "other")
    shutil.copytree(home.plugins, other.plugins)
    other.data.mkdir(mode=0o711)
    with running(other, command=(str(python), *COMMAND, "serve", "--port", "0")) as server:
        server.result("echo")
        workers = server.descendants()
        assert workers
        server.kill()
        eventually(lambda: not any(is_alive(pid) for pid in workers), "end of the workers")


def test_a_plugin_in_an_environment_of_its_own_is_nobody_too(python: Path, open_folder: Path):
    made = make_place(open_folder / "environments")
    made.home.data.mkdir(mode=0o711)
    place = Place(made.home, made.wheels, (str(python), *COMMAND))
    place.install("sightgate-plugin-warm")
    with running(place.home, command=(str(python), *COMMAND, "serve", "--port", "0")) as server:
        row = server.row("warm")
        assert (row["origin"], row["isolation"]["user"]) == ("environment", str(nobody()))
        assert server.result("warm")
        (pid,) = server.descendants()
        assert Path(f"/proc/{pid}").stat().st_uid in (nobody(), 0)  # root's where it may not be looked into
        status = Path(f"/proc/{pid}/status").read_text()
        assert f"Uid:\t{nobody()}\t{nobody()}\t{nobody()}\t{nobody()}\n" in status


def test_where_nobody_cannot_reach_it_a_worker_stays_root_without_roots_powers(tmp_path: Path):
    """The folder of the tests' own files is closed to others."""
    home = make_home(tmp_path, "answering")
    (home.plugins / "looking.py").write_text(LOOKING % {"secret": tmp_path / "secret"})
    home.data.mkdir()
    (home.data / "plugins.toml").write_text(f'[looking.grant]\nread = ["{tmp_path / "secret"}"]\n')
    with running(home) as server:
        seen = server.result("looking")
        assert seen["users"] == [0]
        assert {int(mask, 16) for mask in seen["powers"]} <= {0, 1 << 1}
        assert server.row("looking")["isolation"]["user"] == "0"
