"""Images for tests: real photographs of the examples, and small ones made here."""

import io
import struct
import zlib
from pathlib import Path

from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "images"
PHOTO = (EXAMPLES / "astronaut.jpg").read_bytes()
FORMATS = ("jpeg", "png", "webp", "bmp", "gif", "tiff")


def encoded(kind: str, width: int = 12, height: int = 8, color: tuple[int, int, int] = (200, 30, 60)) -> bytes:
    """Return an image of one color in one of ``FORMATS``."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), color).save(out, kind.upper())
    return out.getvalue()


def colored(shade: int) -> bytes:
    """Return a small PNG that differs for every shade from 0 to 255."""
    return encoded("png", 4, 4, (shade, shade, shade))


def png_of_size(width: int, height: int) -> bytes:
    """Return a PNG whose header claims a size that its few bytes of data do not hold."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


PNG = encoded("png")
JPEG = encoded("jpeg")
BOMB = png_of_size(60_000, 60_000)
TRUNCATED_JPEG = PHOTO[: len(PHOTO) // 3]
