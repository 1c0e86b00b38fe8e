"""A plugin that tells all it finds in its own process."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any


class Snooping:
    name = "snooping"

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        scratch = Path(tempfile.gettempdir()) / "kept"
        scratch.write_text("a temporary file")
        return {
            "environment": dict(os.environ),
            "arguments": sys.orig_argv,
            "folder": str(Path.cwd()),
            "home": str(Path.home()),
            "temporary": tempfile.gettempdir(),
            "modules": sorted(sys.modules),
            "path": sys.path,
        }
