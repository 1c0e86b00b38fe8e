import textwrap
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.governance.lifecycle import Availability
from app.plugins.sandbox.cgroups import Cgroups
from app.plugins.sandbox.confinement import Confinement, WorkerSpec
from app.plugins.sandbox.home_loop import HomeLoop
from app.plugins.sandbox.pool import PoolOptions, ProcessWorkers
from sightgate.manifest import Limits, Manifest, Source


@pytest.fixture
def write_plugin(tmp_path: Path) -> Callable[[str, str], Source]:
    """Writes a plugin file and returns its source."""
    folder = tmp_path / "plugins_here"
    folder.mkdir()

    def write(name: str, text: str) -> Source:
        path = folder / f"{name}.py"
        path.write_text(textwrap.dedent(text))
        return Source("path", str(path), name)

    return write


@pytest.fixture
def confinement(tmp_path: Path) -> Confinement:
    """Without the kernel's sandbox, which has tests of its own: plugins here write files and start processes."""
    return Confinement(tmp_path / "scratch", enforce=False)


class Pools:
    """Makes pools on the test's loop, and notes what they say of themselves."""

    def __init__(self, confinement: Confinement) -> None:
        self.said: list[tuple[Availability, str]] = []
        self._confinement = confinement
        self._made: list[ProcessWorkers] = []

    def make(
        self,
        source: Source,
        *,
        home: HomeLoop | None = None,
        manifest: Manifest | None = None,
        cgroups: Cgroups | None = None,
        **more: object,
    ) -> ProcessWorkers:
        """Return a pool of the plugin that is named like its file; ``more`` are limits and options of the pool."""
        limits = Limits.from_data({name: more.pop(name) for name in list(more) if name in Limits().to_data()})
        if home is None:
            home = HomeLoop()
            home.adopt()
        pool = ProcessWorkers(
            WorkerSpec(source, source.name, memory_mb=limits.memory_mb),
            manifest or Manifest(source.name),
            limits,
            home,
            # Who waits while a worker starts waits as long as a busy machine takes, if nothing else is asked for.
            PoolOptions(replace(self._confinement, cgroups=cgroups), **{"max_wait_s": 60.0, **more}),  # type: ignore[arg-type]
            lambda availability, reason: self.said.append((availability, reason)),
        )
        self._made.append(pool)
        return pool

    async def close(self) -> None:
        for pool in self._made:
            await pool.close()


@pytest.fixture
async def pools(confinement: Confinement) -> AsyncIterator[Pools]:
    made = Pools(confinement)
    yield made
    await made.close()
