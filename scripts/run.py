"""``make run``: analyze a sample through the whole governed path, print the result, then serve until Ctrl-C.

Settings come from the environment (SIGHTGATE_…), as they do for ``sightgate serve``; the data folder is ./data if none
is set. If a server runs on that folder already, the sample goes to it and nothing more is started.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from app.settings import Settings
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
    for sample in usable_samples():
        print(f"$ sightgate analyze {os.path.relpath(EXAMPLES / sample.image)} --plugin {sample.plugin}", flush=True)
        command = [str(SIGHTGATE), "analyze", str(EXAMPLES / sample.image), "--plugin", sample.plugin]
        ended = subprocess.run(command, check=False)
        if ended.returncode:
            return ended.returncode
    owner = read_owner(Settings().data_dir)
    if owner is not None and owner.address is not None:
        print(f"Sightgate is at {owner.address} already (process {owner.pid})")
        return 0
    print("$ sightgate serve", flush=True)
    os.execv(SIGHTGATE, [str(SIGHTGATE), "serve"])


def usable_samples() -> list[Sample]:
    """Return the samples whose plugin is installed and whose image is there."""
    installed = {point.name for point in metadata.entry_points(group="sightgate.plugins")}
    return [sample for sample in SAMPLES if sample.plugin in installed and (EXAMPLES / sample.image).is_file()]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
