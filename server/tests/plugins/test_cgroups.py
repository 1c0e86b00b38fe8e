"""Control groups of the kernel that runs here, of both versions."""

import fcntl
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.plugins.sandbox.cgroup_delegation import LEAF, base_of, delegate
from app.plugins.sandbox.cgroups import Cgroup, Cgroups

# Where the kernel has both versions, this is where the second is mounted; its groups may have other controllers.
UNIFIED = next((path for path in map(Path, ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")) if (path / "cgroup.procs").exists()), None)  # fmt: skip # noqa: E501
CHILDREN = "import os, sys, time\nsys.stdin.readline()\nfor _ in range(8): os.fork()\nprint(flush=True)\ntime.sleep(60)"
WAITING = "import sys; sys.stdin.read()"


def test_a_group_that_was_found_takes_processes_and_ends_them_all() -> None:
    found = Cgroups.detect()
    if found is None:
        pytest.skip("no control group may be made here")
    group = found.make(256)
    # Few enough for the group, more than one look would catch.
    parent = subprocess.Popen(
        [sys.executable, "-c", CHILDREN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    group.add(parent.pid)
    assert parent.stdin is not None
    assert parent.stdout is not None
    # Children that it had before it was in the group would be outside.
    parent.stdin.write(b"go\n")
    parent.stdin.flush()
    parent.stdout.readline()
    assert len(group.processes()) > 1
    group.end()
    assert parent.wait(30) == -9
    parent.stdin.close()
    parent.stdout.close()
    assert not any(folder.exists() for folder in group.folders)


def test_a_plain_folder_is_no_group(tmp_path: Path) -> None:
    """As in a container whose view of the groups is not the kernel's."""
    for version, bases in ((1, ("memory", "pids")), (2, ("own",))):
        folders = tuple(tmp_path / name for name in bases)
        for folder in folders:
            folder.mkdir(exist_ok=True)
        assert Cgroups(folders, version).holds_processes() is False
        assert not any(list(folder.iterdir()) for folder in folders)


def test_a_place_that_is_not_there_or_closed_is_no_group(tmp_path: Path) -> None:
    assert Cgroups((tmp_path / "gone",), 2).holds_processes() is False
    assert Cgroups((Path("/proc/self"),), 2).holds_processes() is False
    assert delegate(tmp_path / "gone", ("memory",), may_move=True) is False


def test_a_server_that_moved_makes_its_groups_beside_itself() -> None:
    assert base_of(Path("/sys/fs/cgroup/app.scope") / LEAF) == Path("/sys/fs/cgroup/app.scope")
    assert base_of(Path("/sys/fs/cgroup/app.scope")) == Path("/sys/fs/cgroup/app.scope")


def began(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def ended() -> int:
    gone = subprocess.Popen([sys.executable, "-S", "-c", ""])
    gone.wait(30)
    return gone.pid


def test_a_group_is_its_makers_own_as_long_as_that_runs(tmp_path: Path) -> None:
    mine, dead = os.getpid(), ended()
    kept = {f"sightgate-{mine}-{began(mine)}-aa", f"sightgate-{mine}-bb", f"sightgate-{mine}-0-cc", "sightgate-other"}
    gone = {f"sightgate-{mine}-1-dd", f"sightgate-{dead}-{began(mine)}-ee", f"sightgate-{dead}-ff", "sightgate-x-gg"}
    for name in kept | gone:
        (tmp_path / name).mkdir()
    Cgroups((tmp_path,), 2).sweep()
    assert {folder.name for folder in tmp_path.iterdir()} == kept


@pytest.fixture
def apart() -> Iterator[Cgroups]:
    """Groups below one of the test's own: every server that starts on this machine sweeps those beside its own."""
    found = Cgroups.detect()
    if found is None:
        pytest.skip("no control group may be made here")
    within = found.make(512)
    try:
        if within.version == 2:
            (within.folders[0] / "cgroup.subtree_control").write_text("+memory +pids")
        yield Cgroups(within.folders, within.version)
    finally:
        within.end()


def test_the_worker_of_a_dead_server_is_ended_although_the_servers_number_is_anothers(apart: Cgroups) -> None:
    mine = apart.make(64)
    renamed = [folder.with_name(f"sightgate-{os.getpid()}-1-{secrets.token_hex(6)}") for folder in mine.folders]
    dead = Cgroup(tuple(renamed), mine.version)
    try:
        for folder in renamed:
            folder.mkdir()
        with subprocess.Popen([sys.executable, "-c", WAITING], stdin=subprocess.PIPE) as left:
            dead.add(left.pid)
            apart.sweep()
            assert left.wait(30) == -9
        assert not any(folder.exists() for folder in renamed)
        assert all(folder.exists() for folder in mine.folders)
    finally:
        dead.end()
        mine.end()


class Scope:
    """A group of version 2 with one controller to hand on, as a scope of systemd's is: processes are put in."""

    def __init__(self, folder: Path, controller: str) -> None:
        self.folder, self.controller = folder, controller

    def run(self, program: str) -> "subprocess.Popen[str]":
        """Run a Python program in the group; it waits for a line before it begins."""
        lines = f"import sys; sys.stdin.readline()\n{program}"
        process = subprocess.Popen(
            [sys.executable, "-c", lines], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        (self.folder / "cgroup.procs").write_text(str(process.pid))
        return process

    def delegated(self, *, may_move: bool) -> str:
        """Return what ``delegate`` says to a server in the group, and in which group it is then."""
        said = "from pathlib import Path\nfrom app.plugins.sandbox.cgroup_delegation import delegate\n"
        said += f"done = delegate(Path({str(self.folder)!r}), ({self.controller!r},), may_move={may_move})\n"
        said += "print(done, Path('/proc/self/cgroup').read_text().split('0::')[1].strip().rpartition('/')[2])"
        process = self.run(said)
        out, _ = process.communicate("go\n")
        assert process.returncode == 0
        return out.strip()

    def handed_on(self) -> list[str]:
        return (self.folder / "cgroup.subtree_control").read_text().split()


@pytest.fixture
def scope() -> Iterator[Scope]:
    there = (UNIFIED / "cgroup.controllers").read_text().split() if UNIFIED is not None else []
    # The kernel hands these on from a group that has processes itself.
    controllers = [name for name in there if name not in {"cpu", "cpuset", "perf_event", "pids"}]
    if UNIFIED is None or os.geteuid() != 0 or not controllers:
        pytest.skip("version 2 has no controller here that root could hand on")
    root = UNIFIED / "cgroup.subtree_control"
    with alone_at(UNIFIED):
        before = root.read_text().split()
        folder = UNIFIED / f"test-of-sightgate-{secrets.token_hex(6)}"
        try:
            root.write_text(f"+{controllers[0]}")
            folder.mkdir()
        except OSError:
            pytest.skip("no group of version 2 may be made here")
        try:
            yield Scope(folder, controllers[0])
        finally:
            for left in (folder / LEAF, folder):
                if left.is_dir():
                    Cgroup((left,), 2).end()
            if controllers[0] not in before:
                root.write_text(f"-{controllers[0]}")


@contextmanager
def alone_at(folder: Path) -> Iterator[None]:
    """Wait until no other run of these tests on this machine changes what the root hands on."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def test_a_server_that_is_alone_moves_down_and_hands_its_controllers_on(scope: Scope) -> None:
    assert scope.delegated(may_move=True) == f"True {LEAF}"
    assert scope.handed_on() == [scope.controller]


def test_a_command_that_only_looks_moves_nowhere(scope: Scope) -> None:
    assert scope.delegated(may_move=False) == f"False {scope.folder.name}"
    assert scope.handed_on() == []
    assert not (scope.folder / LEAF).exists()


def test_a_server_beside_others_moves_nobody(scope: Scope) -> None:
    other = scope.run(WAITING)
    try:
        assert scope.delegated(may_move=True) == f"False {scope.folder.name}"
        assert scope.handed_on() == []
        assert not (scope.folder / LEAF).exists()
    finally:
        other.communicate("go\n")


def test_a_controller_that_is_not_there_is_not_handed_on(scope: Scope) -> None:
    assert delegate(scope.folder, ("memory", "made-up"), may_move=True) is False
    assert not (scope.folder / LEAF).exists()


def test_a_group_of_version_2_ends_all_at_once(scope: Scope) -> None:
    group = Cgroup((scope.folder,), 2)
    process = scope.run(CHILDREN)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\ngo\n")
    process.stdin.flush()
    process.stdout.readline()
    assert len(group.processes()) > 1
    group.end()
    assert process.wait(30) == -9
    process.stdin.close()
    process.stdout.close()
    assert not scope.folder.exists()
