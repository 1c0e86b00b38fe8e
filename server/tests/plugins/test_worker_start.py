import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from app.plugins.sandbox.confinement import Confinement, WorkerSpec
from app.plugins.sandbox.launch import NICER_BY
from app.plugins.sandbox.worker_process import WorkerProcess
from sightgate.manifest import Source

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
