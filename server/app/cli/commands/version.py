"""``sightgate version``."""

import platform
import sys
from importlib import metadata


def version() -> None:
    """Print the version of Sightgate and of Python."""
    sys.stdout.write(f"sightgate {metadata.version('sightgate-server')} (Python {platform.python_version()})\n")
