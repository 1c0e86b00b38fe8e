"""Plugins in environments of their own: the home of a server, wheels for it, and the command line on both."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.images import PNG
from support.running_server import SIGHTGATE, Home, make_home
from support.wheels import colourlib, tint, write_all

WARM, COLD = "sightgate-plugin-warm", "sightgate-plugin-cold"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on standard error of a command that failed."""
        assert self.code == 1, self.err + self.out
        assert "Traceback" not in self.err, self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.strip()


@dataclass(frozen=True)
class Place:
    """The home of a server, wheels for it, and the command that is called ``sightgate``."""

    home: Home
    wheels: Path
    program: Sequence[str | Path] = (SIGHTGATE,)

    @property
    def environments(self) -> Path:
        return self.home.data / "plugins"

    def plugins(self, *arguments: str | Path) -> Ended:
        """Run ``sightgate plugins`` with these arguments."""
        command = [*self.program, "plugins", *arguments]
        ended = subprocess.run(command, env=self.variables(), cwd=self.home.folder, capture_output=True, text=True)
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def variables(self) -> dict[str, str]:
        """Return the environment of a command, with a cache of uv's of the test's own."""
        ours = {
            "UV_CACHE_DIR": str(self.wheels.parent / "uv-cache"),
            "UV_OFFLINE": "1",
        }
        return self.home.environment() | ours

    def install(self, what: str | Path, *more: str) -> dict[str, Any]:
        """Install from the wheels; must succeed."""
        ended = self.plugins("install", what, "--wheels", self.wheels, "--json", *more)
        assert ended.code == 0, ended.err
        change: dict[str, Any] = json.loads(ended.out)
        return change

    def refused(self, what: str | Path, *more: str) -> str:
        """Install from the wheels; must be refused, with one line, and must leave everything as it was."""
        before = self.state()
        line = self.plugins("install", what, "--wheels", self.wheels, *more).line
        assert self.state() == before
        assert line.startswith("sightgate: nothing has changed: ")
        return line

    def state(self) -> dict[str, str]:
        """Return what lies in the folder of environments: each entry, and where each link points."""
        return {
            str(path.relative_to(self.environments)): str(path.readlink()) if path.is_symlink() else ""
            for path in sorted(self.environments.rglob("*"))
            if path.name != ".lock"
        }

    def analyze(self, plugin: str) -> Any:
        """Return a plugin's result, by the command line alone."""
        image = self.home.folder / "a.png"
        command = [*self.program, "analyze", image, "--plugin", plugin, "--json"]
        ended = subprocess.run(command, env=self.variables(), cwd=self.home.folder, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return json.loads(ended.stdout)["result"]


def make_place(folder: Path, *plugins: str, **settings: object) -> Place:
    """Make a place with no plugin installed, and wheels of two plugins that need different versions of a library."""
    home = make_home(folder, *plugins, **settings)
    (folder / "a.png").write_bytes(PNG)
    wheels = folder / "wheels"
    write_all(wheels, colourlib("1.0"), colourlib("2.0"), tint("warm", "1.0", "1.0"), tint("cold", "1.0", "2.0"))
    return Place(home, wheels)
