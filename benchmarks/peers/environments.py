"""Each peer's virtual environment, made by uv under `.bench/`, which git ignores."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".bench"
UV = Path(sys.executable).with_name("uv")
PATIENCE_S = 600


class Installable(Protocol):
    """What has an environment of its own; with `environment` None it runs from the project's."""

    @property
    def title(self) -> str: ...
    @property
    def package(self) -> str: ...
    @property
    def environment(self) -> str | None: ...
    @property
    def requirements(self) -> Path: ...


class LeftOut(Exception):
    """A peer cannot be measured. The message is the reason, fit for print: no paths, no addresses."""


def prepare_environment(peer: Installable) -> Path:
    """Return the folder of the peer's programs; make the environment first if its pins have changed.

    Raises:
        LeftOut: It could not be installed. What the installer said is in `.bench/NAME.log`.
    """
    if peer.environment is None:
        return Path(sys.executable).parent
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n")
    place = FOLDER / peer.environment
    pins = hashlib.sha256(peer.requirements.read_bytes() + sys.version.encode()).hexdigest()
    stamp = place / "pins"
    if not (stamp.exists() and stamp.read_text() == pins):
        _install(peer, place)
        stamp.write_text(pins)
    return place / "bin"


def _install(peer: Installable, place: Path) -> None:
    print(f"installing {peer.title}", flush=True)
    steps = (
        [str(UV), "venv", "--quiet", "--clear", "--python", sys.executable, str(place)],
        [str(UV), "pip", "sync", "--quiet", "--python", str(place / "bin" / "python"), str(peer.requirements)],
    )
    log = FOLDER / f"{place.name}.log"
    with log.open("w") as said:
        for step in steps:
            try:
                done = subprocess.run(step, stdout=said, stderr=said, timeout=PATIENCE_S, check=False)
            except (OSError, subprocess.TimeoutExpired) as failure:
                raise LeftOut(f"it could not be installed ({type(failure).__name__})") from failure
            if done.returncode:
                raise LeftOut("it could not be installed")


def version_of(peer: Installable, programs: Path) -> str:
    """The installed version, asked of the environment's own Python."""
    asked = f"import importlib.metadata as m; print(m.version({peer.package!r}))"
    said = subprocess.run([programs / "python", "-c", asked], capture_output=True, text=True, check=False)
    return said.stdout.strip()
