import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from app.plugins.loader.plugin_registry import PluginRegistry
from app.settings import Settings
from app.wiring import Sightgate, build


class Home:
    """A data folder and a plugin folder, and the servers that are started on them, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.data, self.plugins = folder / "data", folder / "plugins_here"
        self.data.mkdir()
        self.plugins.mkdir()
        self.registry = PluginRegistry()
        self._stack = AsyncExitStack()

    def write(self, name: str, text: str) -> Path:
        """Write a plugin file."""
        path = self.plugins / f"{name}.py"
        path.write_text(textwrap.dedent(text))
        return path

    def say(self, text: str) -> None:
        """Write ``plugins.toml``."""
        (self.data / "plugins.toml").write_text(textwrap.dedent(text))

    async def start(self, registry: PluginRegistry | None = None, **settings: Any) -> Sightgate:
        """Start all services; they are stopped at the end of the test, or by ``stop``."""
        # Without the kernel's sandbox, which has tests of its own: plugins here write files for the test to see.
        usual = {"data_dir": self.data, "sandbox": "off", "installed_plugins": False, "durability": "normal"}
        given: dict[str, Any] = usual | settings
        server = build(Settings(plugins_dir=self.plugins, **given), registry or PluginRegistry())
        await server.start()
        self._stack.push_async_callback(server.stop)
        return server

    async def stop(self) -> None:
        await self._stack.aclose()


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    made = Home(tmp_path)
    yield made
    await made.stop()


Until = Callable[[Callable[[], Any]], Awaitable[bool]]
