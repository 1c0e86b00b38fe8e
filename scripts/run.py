"""``make run``: analyze a sample through the whole governed path, print the result, then serve until Ctrl-C.

Settings come from the environment (SIGHTGATE_…), as they do for ``sightgate serve``; the data folder is ./data if none
is set. If a server runs on that folder already, the sample goes to it and nothing more is started.
"""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from app.cli.failures import CliError
from app.cli.options import settings_from
from app.storage.data_folder import read_owner

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "images"
SIGHTGATE = Path(sys.executable).with_name("sightgate")


@dataclass(frozen=True, slots=True)
class Sample:
    """A plugin, and the image of ``examples/images`` that shows best what it does."""

    plugin: str
    image: str


SAMPLES = (Sample("image-info", "astronaut.jpg"), Sample("ocr", "receipt.jpg"))


def main() -> int:
    """Run the samples, then become the server. Returns the exit code of the first thing that failed."""
    try:
        settings = settings_from()
    except CliError as wrong:
        print(f"sightgate: {wrong}", file=sys.stderr)
        return wrong.exit_code
    for sample in usable_samples() if settings.installed_plugins else []:
        code = analyze(sample)
        if code:
            return code
    owner = read_owner(settings.data_dir)
    if owner is not None and owner.address is not None:
        print(f"Sightgate is at {owner.address} already (process {owner.pid}); the data folder is {settings.data_dir}")
        return 0
    return serve()


def usable_samples() -> list[Sample]:
    """Return the samples whose plugin is installed and whose image is there."""
    installed = {point.name for point in metadata.entry_points(group="sightgate.plugins")}
    return [sample for sample in SAMPLES if sample.plugin in installed and (EXAMPLES / sample.image).is_file()]


def analyze(sample: Sample) -> int:
    """Show the command, run it, and return its exit code."""
    command = ["sightgate", "analyze", os.path.relpath(EXAMPLES / sample.image), "--plugin", sample.plugin]
    print(f"$ {shlex.join(command)}", flush=True)
    return subprocess.run([SIGHTGATE, *command[1:]], check=False).returncode


def serve() -> NoReturn:
    """Become the server, so that signals reach it directly."""
    print("$ sightgate serve", flush=True)
    os.execv(SIGHTGATE, [str(SIGHTGATE), "serve"])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
