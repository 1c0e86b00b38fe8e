"""The CLI as a real program, on a data folder and a plugin folder of the test's own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest
from support.running_server import BYTECODE

from sightgate.check import sample_png

SIGHTGATE = Path(sys.executable).with_name("sightgate")
PATIENCE_S = 60
_NOT_KEPT = ("SIGHTGATE_", "PYTHONDONTWRITEBYTECODE")

PLUGINS = """
import pathlib, time

class Sizes:
    name = "sizes"
    version = "1.2"
    description = "Counts bytes."

    def run(self, payload):
        if payload["image"].endswith(b"refuse me"):
            raise ValueError("as it asks")
        return {"bytes": len(payload["image"]), "options": payload["options"]}

class Failing:
    name = "failing"
    description = "Always raises."

    def run(self, payload):
        raise ValueError("no \\x1b[31mgood")

class Slow:
    name = "slow"
    limits = {"timeout_s": 120}

    def run(self, payload):
        pathlib.Path("begun").touch()
        time.sleep(100)
        return {"slept": True}
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on standard error."""
        assert "Traceback" not in self.err, self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.strip()


@dataclass(frozen=True)
class Cli:
    """Runs `sightgate` in a folder of its own, with the environment of this test alone."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def start(
        self,
        *arguments: str | Path,
        program: Sequence[str | Path] = (SIGHTGATE,),
        stderr: int | IO[bytes] = subprocess.PIPE,
    ) -> "subprocess.Popen[str]":
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_KEPT)}
        ours = {
            "SIGHTGATE_INSTALLED_PLUGINS": "false",
            "SIGHTGATE_DATA_DIR": str(self.folder / "data"),
            "SIGHTGATE_PLUGINS_DIR": str(self.folder / "plugins"),
            "COLUMNS": "120",
            # Images are sent side by side, and on a busy machine a worker starts for longer than callers usually wait.
            "SIGHTGATE_MAX_WAIT_S": str(PATIENCE_S),
            "PYTHONPYCACHEPREFIX": str(BYTECODE),
        }
        return subprocess.Popen(
            [*program, *arguments],
            cwd=self.folder,
            env=kept | ours | self.variables,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def run(self, *arguments: str | Path) -> Ended:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=PATIENCE_S)
        return Ended(process.returncode, out, err)

    @contextmanager
    def serving(self, *arguments: str) -> Iterator["Served"]:
        # Not a pipe, which is full after a few hundred lines of a log that nobody reads: the server would stand still.
        with (self.folder / "log").open("ab") as log:
            process = self.start("serve", "--port", "0", *arguments, stderr=log)
        said = read_until(process, "Ctrl-C")
        try:
            yield Served(process, said)
        finally:
            end(process)


@dataclass(frozen=True)
class Served:
    """A running server, and what it said when it began to serve."""

    process: "subprocess.Popen[str]"
    said: str

    @property
    def port(self) -> str:
        return self.said.split(" (")[0].rpartition(":")[2]


def read_until(process: "subprocess.Popen[str]", word: str) -> str:
    """Return what a program prints, up to the line that holds `word`."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if word in line:
            return "".join(lines)
    why = process.stderr.read() if process.stderr is not None else "its log says why"
    raise AssertionError(f"it ended: {''.join(lines)}{why}")


def end(process: "subprocess.Popen[str]", how: signal.Signals = signal.SIGTERM) -> Ended:
    """End a program in order, and return how it ended."""
    process.send_signal(how)
    out, err = process.communicate(timeout=PATIENCE_S)
    return Ended(process.returncode, out, err or "")


@pytest.fixture(name="end")
def end_fixture() -> Callable[..., Ended]:
    return end


@pytest.fixture(name="read_until")
def read_until_fixture() -> Callable[..., str]:
    return read_until


def make_cli(folder: Path) -> Cli:
    (folder / "plugins").mkdir()
    (folder / "plugins" / "tiny.py").write_text(PLUGINS)
    (folder / "a.png").write_bytes(sample_png(8, 8))
    (folder / "b.png").write_bytes(sample_png(16, 8))
    (folder / "bad.png").write_bytes(sample_png(8, 8) + b"refuse me")
    return Cli(folder)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The CLI where no server runs."""
    return make_cli(tmp_path)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The CLI where a server runs on the data folder; all tests share it."""
    cli = make_cli(tmp_path_factory.mktemp("served"))
    with cli.serving():
        yield cli


@pytest.fixture(params=["in process", "over HTTP"])
def either(request: pytest.FixtureRequest) -> Cli:
    """The CLI without, and with, a running server."""
    which: Cli = request.getfixturevalue("cli" if request.param == "in process" else "served")
    return which
