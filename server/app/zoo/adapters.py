"""The servers that the animals can be shown to: how each is started and asked, and how its answers are read."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from app.zoo.catalog import CONTROL, write_animals

SECRET = "SIGHTGATE_ZOO_SECRET"
_HOSTS = Path(__file__).parent / "hosts"
_NEVER = 1_000_000  # the breaker and the quarantine have tests of their own; here each call must reach its animal


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one server. They are readable by all, so that a worker may run as an unprivileged user."""

    root: Path

    @property
    def animals(self) -> Path:
        return self.root / "animals"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def temporary(self) -> Path:
        return self.root / "temporary"

    @property
    def log(self) -> Path:
        return self.root / "log"

    def prepare(self, animals: Collection[str]) -> None:
        """Make the folders and write these animals."""
        self.root.chmod(0o755)
        self.temporary.mkdir()
        write_animals(self.animals, animals)


@dataclass(frozen=True, slots=True)
class Request:
    """One call as HTTP."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Adapter(Protocol):
    """A kind of server. Implementations: ``ADAPTERS``.

    ``one_for_all``: one server survives all animals, and keeps each plugin in processes of its own. Otherwise every
    animal gets a fresh one, behind a parent of its own. ``tells_codes``: its errors carry Sightgate's codes.
    ``patience_s``: the longest an answer may take, if less than the animal's own time. ``ready``: a path that answers
    200 once it serves.
    """

    name: str
    one_for_all: bool
    tells_codes: bool
    patience_s: float
    ready: str

    def missing(self, python: str) -> str | None:
        """Return why it cannot be started with this interpreter, or None."""

    def command(self, place: Place, port: int, animals: Collection[str], python: str) -> list[str]:
        """Return the command that serves the animals and the control."""

    def environment(self, place: Place) -> dict[str, str]:
        """Return what it is started with beside the caller's own environment."""

    def request(self, animal: str, image: bytes) -> Request:
        """Return a call of an animal with a PNG."""

    def read_error(self, body: Any) -> tuple[str, str, Mapping[str, Any]]:
        """Return the code, the message and the details of an error, empty if there are none."""

    def read_result(self, body: Any) -> Any:
        """Return the plugin's result out of a good answer."""


class Sightgate:
    """This server: one process for all animals, each in workers of its own."""

    name = "sightgate"
    one_for_all = True
    tells_codes = True
    patience_s = float("inf")
    ready = "/health/ready"

    def missing(self, python: str) -> str | None:
        return None

    def command(self, place: Place, port: int, animals: Collection[str], python: str) -> list[str]:
        start = "import sys; from app.cli import main; sys.exit(main())"
        return [sys.executable, "-c", start, "serve", "--host", "127.0.0.1", "--port", str(port)]

    def environment(self, place: Place) -> dict[str, str]:
        settings = {
            "data_dir": place.data,
            "plugins_dir": place.animals,
            "installed_plugins": "false",
            "breaker_ends": _NEVER,
            "quarantine_after": _NEVER,
            # For what never ends; all others must come through on a busy machine too.
            "discovery_timeout_s": 12,
            "start_timeout_s": 12,
            "log_format": "json",
        }
        return {f"SIGHTGATE_{name.upper()}": str(value) for name, value in settings.items()}

    def request(self, animal: str, image: bytes) -> Request:
        key = os.environ.get("SIGHTGATE_API_KEY")
        authorization = {"authorization": f"Bearer {key}"} if key else {}
        return Request("/v1/analyze", {"plugin": animal}, {"content-type": "image/png", **authorization}, image)

    def read_error(self, body: Any) -> tuple[str, str, Mapping[str, Any]]:
        error = body["detail"]
        return error["details"]["code"], error["message"], error["details"]

    def read_result(self, body: Any) -> Any:
        return body["result"]


class _Foreign:
    """What the foreign servers have in common: a small program, started for one animal, asked by JSON."""

    name = ""
    module = ""
    one_for_all = False
    tells_codes = False
    patience_s = 6.0
    ready = "/health"
    path = ""

    def missing(self, python: str) -> str | None:
        try:
            found = subprocess.run([python, "-c", f"import {self.module}"], capture_output=True, timeout=60)
        except OSError as refused:
            return f"{python} cannot be run: {refused.strerror}"
        if found.returncode == 0:
            return None
        return (
            f"the interpreter {python} has no {self.module}; install it into an environment of its own "
            f"(uv venv DIR && VIRTUAL_ENV=DIR uv pip install {self.module}) and give --python DIR/bin/python"
        )

    def command(self, place: Place, port: int, animals: Collection[str], python: str) -> list[str]:
        program = place.root / "host.py"
        program.write_text((_HOSTS / f"{self.module}_host.py.txt").read_text())
        return [python, str(program), str(port), str(place.animals), *sorted({CONTROL, *animals})]

    def environment(self, place: Place) -> dict[str, str]:
        home = str(place.temporary)
        return {"HOME": home, "TMPDIR": home, "PYTHONDONTWRITEBYTECODE": "1"}

    def request(self, animal: str, image: bytes) -> Request:
        call = {"plugin": animal, "image": base64.b64encode(image).decode(), "mime_type": "image/png", "options": {}}
        return Request(self.path, {}, {"content-type": "application/json"}, json.dumps(call).encode())

    def read_error(self, body: Any) -> tuple[str, str, Mapping[str, Any]]:
        return "", "", {}

    def read_result(self, body: Any) -> Any:
        return body


class PlainFastApi(_Foreign):
    """A FastAPI application that calls the plugin on its thread pool, as most do."""

    name = "fastapi"
    module = "fastapi"
    path = "/analyze"


class LitServe(_Foreign):
    """LitServe with one worker process."""

    name = "litserve"
    module = "litserve"
    path = "/predict"


ADAPTERS: Mapping[str, Adapter] = {adapter.name: adapter for adapter in (Sightgate(), PlainFastApi(), LitServe())}
