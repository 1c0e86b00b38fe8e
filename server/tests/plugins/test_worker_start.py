import asyncio
import contextlib
import gc
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from support.running_server import is_alive, living_descendants

from app.governance.isolation import IsolationLevel
from app.governance.lifecycle import Availability
from app.plugins.sandbox.cgroups import Cgroup, Cgroups
from app.plugins.sandbox.confinement import Confinement, WorkerSpec
from app.plugins.sandbox.launch import NICER_BY
from app.plugins.sandbox.worker_process import WorkerProcess
from app.plugins.sandbox.worker_start import CannotStart, start_worker
from sightgate.manifest import Manifest, Source

PATIENCE_S = 60.0
PLUGIN = """
class Quick:
    name = "quick"

    def run(self, payload):
        return {"answered": True}
"""


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_worker_that_speaks_before_the_loop_listens_is_heard(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    (tmp_path / "quick.py").write_text(PLUGIN)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        [row] = runner.run(_started_while_the_loop_is_held_up(tmp_path))
    assert row["manifest"]["name"] == "quick"


async def _started_while_the_loop_is_held_up(folder: Path) -> list[dict[str, Any]]:
    spec = WorkerSpec(Source("path", str(folder / "quick.py"), "quick"), "quick")
    starting = asyncio.ensure_future(WorkerProcess.start(spec, Confinement(folder / "scratch")))
    await asyncio.sleep(0)
    time.sleep(1.5)  # noqa: ASYNC251 - holding up the loop is the point: the worker has said all by then
    worker = await starting
    try:
        return await worker.ready(PATIENCE_S)
    finally:
        await worker.end()


async def test_a_worker_leaves_the_processors_to_the_server_first(tmp_path: Path) -> None:
    (tmp_path / "quick.py").write_text(PLUGIN)
    spec = WorkerSpec(Source("path", str(tmp_path / "quick.py"), "quick"), "quick")
    worker = await WorkerProcess.start(spec, Confinement(tmp_path / "scratch"))
    try:
        await worker.ready(PATIENCE_S)
        most = 19  # of niceness: the tests may run in the background themselves
        expected = min(os.getpriority(os.PRIO_PROCESS, 0) + NICER_BY, most)
        assert os.getpriority(os.PRIO_PROCESS, worker.pid) == expected
    finally:
        await worker.end()


async def test_a_worker_that_is_kept_apart_less_than_wanted_loads_no_plugin(tmp_path: Path) -> None:
    """As after an update of the kernel, which discovery had measured before."""
    (tmp_path / "quick.py").write_text(PLUGIN)
    spec = WorkerSpec(Source("path", str(tmp_path / "quick.py"), "quick"), "quick")
    confinement = Confinement(tmp_path / "scratch", enforce=False, least_isolation=IsolationLevel.SANDBOX)
    before = living_descendants(os.getpid())
    with pytest.raises(CannotStart, match="at least sandbox is wanted") as refused:
        await start_worker(spec, Manifest("quick"), confinement, PATIENCE_S)
    assert refused.value.availability is Availability.UNAVAILABLE
    assert not living_descendants(os.getpid()) - before


ENDS_AT_ONCE = shutil.which("false") or "/bin/false"
# More than a socket holds: to send it fails for certain when nobody reads.
MUCH = {"told": "x" * 4_000_000}


async def test_an_interpreter_that_ends_at_once_leaves_nothing_open(tmp_path: Path) -> None:
    spec = WorkerSpec(Source("path", str(tmp_path / "quick.py"), "quick"), "quick", ENDS_AT_ONCE, config=MUCH)
    # Which of the two it is depends on whether it ends before the first byte is sent, or while the rest waits.
    await _fails_and_leaves_nothing(spec, Confinement(tmp_path / "scratch"), "Broken pipe|Connection reset")


async def test_a_group_that_refuses_the_worker_leaves_nothing_open_or_running(tmp_path: Path) -> None:
    (tmp_path / "quick.py").write_text(PLUGIN)
    spec = WorkerSpec(Source("path", str(tmp_path / "quick.py"), "quick"), "quick")
    await _fails_and_leaves_nothing(
        spec, Confinement(tmp_path / "scratch", cgroups=Closed((tmp_path,), 2)), "No such file"
    )


class Closed(Cgroups):
    """Groups that can be made, and take no process."""

    def make(self, memory_mb: int) -> Cgroup:
        folder = self._bases[0] / "group"
        folder.mkdir()
        return Cgroup((folder,), self.version)


async def _fails_and_leaves_nothing(spec: WorkerSpec, confinement: Confinement, how: str) -> None:
    with contextlib.suppress(OSError):  # the first makes what lasts: a thread, a canary
        await WorkerProcess.start(spec, confinement)
    gc.collect()  # also what tests before this one have left open
    descriptors, files = _descriptors(), sorted(confinement.scratch_root.parent.rglob("*"))
    running, unreaped = living_descendants(os.getpid()), _unreaped()
    for _ in range(5):
        with pytest.raises(OSError, match=how):
            await WorkerProcess.start(spec, confinement)
    gc.collect()
    assert sorted(confinement.scratch_root.parent.rglob("*")) == files
    # Of what tests before this one have left, some may be closed or end meanwhile.
    assert _descriptors() <= descriptors
    assert not living_descendants(os.getpid()) - running
    assert not _unreaped() - unreaped, "nobody took its exit status"


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _unreaped() -> set[int]:
    listings = Path("/proc/self/task").glob("*/children")
    return {pid for listing in listings for pid in map(int, listing.read_text().split()) if not is_alive(pid)}
