"""Turns what came over the transport into an image's bytes, and tells what its header says. Judges no image."""

import binascii
from collections.abc import Mapping
from dataclasses import dataclass

import pybase64

from app.governance.errors import RequestError
from app.governance.image_header import HeaderError, ImageHeader, read_header
from app.governance.validation import UNTYPED
from app.services.remote_images import NoRemoteImages, RemoteImages

_UNTYPED = ("", UNTYPED, "binary/octet-stream")


@dataclass(frozen=True, slots=True)
class AcquiredImage:
    """An image's bytes and its declared MIME type, as they go into a payload."""

    data: bytes
    mime_type: str | None


class AnalysisService:
    """Image acquisition: base64, bytes, URL. Never re-encodes; whether the image is a good one, the gate says."""

    def __init__(self, remote: RemoteImages | None = None) -> None:
        self._remote = remote or NoRemoteImages()

    def from_base64(self, text: str, mime_type: str | None) -> AcquiredImage:
        """Decode base64 (a ``data:`` prefix is taken off). Raises RequestError ``invalid_base64``."""
        if text.startswith("data:"):
            head, comma, rest = text.partition(",")
            if comma and head.endswith(";base64"):
                text, mime_type = rest, mime_type or head[5:-7]
        try:
            data = pybase64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            said = "the image is not valid base64; encode the file's bytes with the standard alphabet and padding"
            raise RequestError("invalid_base64", said, field="image") from None
        return AcquiredImage(data, mime_type)

    def from_bytes(self, data: bytes, declared: str | None) -> AcquiredImage:
        """Take bytes as they are. Where the transport declares no type, the header's own is taken."""
        plain = (declared or "").partition(";")[0].strip().lower()
        if plain not in _UNTYPED:
            return AcquiredImage(data, plain)
        try:
            header = read_header(data)
        except HeaderError as broken:
            return AcquiredImage(data, broken.mime_type)
        return AcquiredImage(data, header.mime_type if header is not None else UNTYPED)

    async def from_url(self, url: str, declared: str | None, timeout_s: float | None = None) -> AcquiredImage:
        """Fetch an image. Its type is the declared one, else the one its server gives, else the header's own.

        Raises RequestError with one of the codes ``image_url_…``.
        """
        fetched = await self._remote.fetch(url, timeout_s)
        return self.from_bytes(fetched.data, declared or fetched.media_type)

    async def from_urls(self, images: Mapping[int, tuple[str, str | None]]) -> list[AcquiredImage]:
        """Fetch images of a batch, each a URL and the declared type, by number. Raises as `from_url` does."""
        urls = {number: url for number, (url, _) in images.items()}
        fetched = await self._remote.fetch_all(urls) if urls else []
        return [
            self.from_bytes(found.data, declared or found.media_type)
            for (_, declared), found in zip(images.values(), fetched, strict=True)
        ]

    def describe(self, data: bytes) -> ImageHeader | None:
        """Return the image's type, size in pixels and orientation, or None if the header does not tell."""
        try:
            return read_header(data)
        except HeaderError:
            return None
