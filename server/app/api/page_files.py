"""The files of the built page: which addresses are the page's, what is there, and how it is sent."""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

INDEX = "index.html"
# Written by `make page` (web-ui/), carried by the wheel, ignored by git.
BUILT = Path(__file__).resolve().parents[1] / "page"

ASSETS = "/assets/"
ICON = "/favicon.svg"
# The page's own views, which all are its one document. Health is "status": a probe that asks for /health must not
# find a page that is always there.
VIEWS = ("analyze", "jobs", "batches", "plugins", "status")

_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
}
# Best first, with the ending of the file that the build has compressed.
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_REFUSED = re.compile(r"\s*q\s*=\s*0(\.0*)?\s*")


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """One file, its content type, its entity tag, and its compressed forms by content encoding."""

    body: bytes
    media_type: str
    tag: str
    compressed: Mapping[str, bytes] = field(default_factory=dict)

    def best_for(self, accepted: str) -> tuple[str | None, bytes]:
        """Return the content encoding (None for none) and the bytes for a request's ``Accept-Encoding``."""
        wanted = _accepted(accepted)
        for encoding, _ in _ENCODINGS:
            if encoding in wanted and encoding in self.compressed:
                return encoding, self.compressed[encoding]
        return None, self.body


class PageFiles:
    """Everything that was built, held in memory from the first request on: a few hundred kilobytes."""

    def __init__(self, folder: Path = BUILT) -> None:
        self._folder = folder
        self._files: Mapping[str, BuiltFile] | None = None

    async def find(self, name: str) -> BuiltFile | None:
        """Return a file by its path below the folder, or None. While nothing is built, every request looks anew."""
        if self._files is None:
            found = await asyncio.to_thread(read_files, self._folder)
            if INDEX not in found:
                return None
            self._files = found
        return self._files.get(name)


def read_files(folder: Path) -> dict[str, BuiltFile]:
    """Return all files below a folder that have a type which the page may have, by their paths."""
    return {
        path.relative_to(folder).as_posix(): _read(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in _TYPES and path.is_file()
    }


def is_page_path(path: str) -> bool:
    """Tell whether an address belongs to the page, whether or not there is something."""
    if path in ("/", ICON) or path.startswith(ASSETS):
        return True
    return path[1:].partition("/")[0] in VIEWS


def _read(path: Path) -> BuiltFile:
    body = path.read_bytes()
    beside = {encoding: path.with_name(path.name + ending) for encoding, ending in _ENCODINGS}
    compressed = {encoding: file.read_bytes() for encoding, file in beside.items() if file.is_file()}
    return BuiltFile(body, _TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"', compressed)


def _accepted(header: str) -> set[str]:
    found = set()
    for part in header.lower().split(","):
        name, _, quality = part.partition(";")
        if not _REFUSED.fullmatch(quality):
            found.add(name.strip())
    return found
