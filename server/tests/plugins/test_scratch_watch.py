"""What is found in a scratch folder, however it is hidden."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from app.plugins.sandbox.scratch_watch import MOST_FILES, measure

MIB = 1024 * 1024
MUCH = 1 << 40


def used(folder: Path, most: int = MUCH, pid: int = 0) -> tuple[int, int]:
    found = measure(folder, pid, most)
    return found.used_bytes, found.files


def fill(file: Path, mib: int = 1) -> Path:
    file.write_bytes(os.urandom(mib * MIB))
    return file


def test_nothing_is_nothing(tmp_path: Path) -> None:
    assert used(tmp_path) == (0, 0)
    assert used(tmp_path / "gone") == (0, 0)


def test_files_are_counted_wherever_they_lie(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    fill(tmp_path / "one")
    fill(tmp_path / "a" / "two", 2)
    fill(tmp_path / "a" / "b" / "three", 3)
    found, files = used(tmp_path)
    assert 6 * MIB <= found < 7 * MIB
    assert files == 5


def test_a_hole_takes_no_room_and_a_second_name_none_either(tmp_path: Path) -> None:
    with (tmp_path / "hole").open("wb") as hole:
        hole.truncate(1 << 33)
    os.link(fill(tmp_path / "first"), tmp_path / "second")
    assert MIB <= used(tmp_path)[0] < 2 * MIB


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    fill(tmp_path / "outside", 4)
    (tmp_path / "inside" / "file").symlink_to(tmp_path / "outside")
    (tmp_path / "inside" / "folder").symlink_to(tmp_path)
    assert used(tmp_path / "inside")[0] < MIB


def test_a_folder_that_cannot_be_listed_is_looked_into(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    fill(locked / "file")
    locked.chmod(0)
    assert used(tmp_path)[0] >= MIB


def test_a_way_down_of_any_length_is_followed(tmp_path: Path) -> None:
    before = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(2_000):
            Path("d").mkdir()
            os.chdir("d")
        fill(Path("file"))
    finally:
        os.chdir(before)
    found = measure(tmp_path, 0, MUCH)
    assert found.used_bytes >= MIB
    assert not found.too_deep
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)


def test_a_tree_made_to_exhaust_the_one_who_looks_is_too_much_in_itself(tmp_path: Path) -> None:
    here = tmp_path
    for _ in range(200):
        (here / "a").mkdir()
        (here / "b").mkdir()
        here = here / "a"
    before = descriptors_into(tmp_path)
    found = measure(tmp_path, 0, MUCH)
    assert found.exceeds(MUCH) or found.files == 400
    assert descriptors_into(tmp_path) == before == 0


def descriptors_into(folder: Path) -> int:
    """Return how many descriptors of this process lead into a folder; other tests' own come and go."""
    return sum(str(folder) in os.path.realpath(one) for one in Path("/proc/self/fd").iterdir())


def test_it_stops_looking_at_the_limits(tmp_path: Path) -> None:
    for number in range(4):
        fill(tmp_path / str(number), 2)
    found = measure(tmp_path, 0, 3 * MIB)
    assert found.exceeds(3 * MIB)
    assert found.files < 4
    for number in range(MOST_FILES + 10):
        (tmp_path / f"empty-{number}").touch()
    assert measure(tmp_path, 0, MUCH).exceeds(MUCH)


def test_it_does_not_take_a_folder_for_empty_that_it_cannot_open(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    fill(tmp_path / "inner" / "file")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            measure(tmp_path, 0, MUCH)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert used(tmp_path)[0] >= MIB


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into the descriptors of a worker")
def test_what_a_process_holds_deleted_is_counted(tmp_path: Path) -> None:
    program = "import os, sys; f = open('gone', 'wb'); f.write(os.urandom(1 << 20)); f.flush(); os.unlink('gone'); "
    program += "print(flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert used(tmp_path)[0] < MIB
        assert used(tmp_path, pid=holder.pid)[0] >= MIB
    finally:
        holder.communicate()
