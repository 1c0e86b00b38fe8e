import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from sightgate.manifest import Source

WritePlugin = Callable[[str, str], Source]

# How fast this machine is says nothing of what is tested.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture
def write_plugin(tmp_path: Path) -> WritePlugin:
    """Writes a plugin file into a folder of the test's own, and returns its source."""
    folder = tmp_path / "plugins_here"
    folder.mkdir()

    def write(name: str, text: str) -> Source:
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return Source("path", str(path), path.stem)

    return write


@pytest.fixture
def own_imports() -> Iterator[None]:
    """What is imported during the test is forgotten after it."""
    paths, modules = list(sys.path), set(sys.modules)
    importlib.invalidate_caches()
    yield
    sys.path[:] = paths
    for name in set(sys.modules) - modules:
        del sys.modules[name]
