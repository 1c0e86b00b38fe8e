"""Reads the image files of a batch, which are held in memory together."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from app.cli.failures import CliError


async def read_images(paths: Sequence[Path], limit: int) -> Sequence[bytes]:
    """Return what the files hold. Raises CliError, before any is read, for more bytes than one request may have."""
    return await asyncio.to_thread(_read, paths, limit)


def _read(paths: Sequence[Path], limit: int) -> Sequence[bytes]:
    size = sum(path.stat().st_size for path in paths)
    if size > limit:
        said = f"the images have {size} bytes together, and a batch at most {limit}"
        raise CliError(f"{said}; make smaller batches, or raise SIGHTGATE_MAX_BODY_BYTES")
    return [path.read_bytes() for path in paths]
