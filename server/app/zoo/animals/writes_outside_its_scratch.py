"""writes beside its folder, into the plugin folder and into places that all share"""

import os
from pathlib import Path

from _attempts import reached

_NAME = f"sightgate-zoo-{os.getpid()}"


class WritesOutsideItsScratch:
    name = "writes_outside_its_scratch"

    def run(self, payload):
        return reached(
            beside=lambda: Path("..", _NAME).write_text("here"),
            plugins=lambda: Path(__file__).with_name(_NAME).write_text("here"),
            itself=lambda: open(__file__, "a").close(),
            temporary=lambda: Path("/tmp", _NAME).write_text("here"),
            shared_memory=lambda: Path("/dev/shm", _NAME).write_text("here"),
            folder=lambda: Path("..", f"{_NAME}-folder").mkdir(),
            link=lambda: os.link(__file__, f"../{_NAME}-link"),
        )
