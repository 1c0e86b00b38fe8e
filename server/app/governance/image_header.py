"""What an image's header says of it: type, size and orientation, read without decoding and without a library.

The readers are at least as strict as the decoders behind them. Where a decoder might take another size than the one
read here (a second frame header, a block that two readers skip differently), the larger size is told or the image is
refused, so that nothing is decoded that is larger than what was checked. Every loop is bounded.
Layouts: ITU-T T.81 annex B (JPEG), W3C PNG section 11, RFC 9649 (WebP), GIF89a, BITMAPINFOHEADER (BMP), TIFF 6.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is a class

from app.governance.tiff_header import exif_orientation, read_tiff

MAX_SEGMENTS = 1_000
MAX_BLOCKS = 4_096
MAX_JUNK_BYTES = 65_536
MAX_WEBP_CHUNKS = 64


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the header says: pixels as stored, before `orientation` (EXIF, 1 to 8) turns them upright."""

    mime_type: str
    width: int
    height: int
    orientation: int = 1


class HeaderError(Exception):
    """The bytes begin as an image of a known type, but the header is broken, cut off, or tells a size of zero."""

    def __init__(self, mime_type: str, reason: str) -> None:
        super().__init__(f"{mime_type}: {reason}")
        self.mime_type = mime_type
        self.reason = reason


# Width, height, orientation.
_Facts = tuple[int, int, int]


def read_header(data: bytes) -> ImageHeader | None:
    """Return what the header of a JPEG, PNG, WebP, BMP, GIF or TIFF says, or None if the bytes begin as none of them.

    The size told is the largest that a decoder could take: of a GIF that of the screen and the first frame, of a TIFF
    that of the largest of the first 64 pages. The orientation is that of the EXIF block, 1 if there is none to be read.
    Raises HeaderError.
    """
    known = _READERS.get(data[:2])
    if known is None:
        return None
    magics, mime_type, reader = known
    if not data.startswith(magics) or (reader is _webp and not data.startswith(b"WEBP", 8)):
        return None
    try:
        width, height, orientation = reader(data)
    except (StructError, IndexError):
        raise HeaderError(mime_type, "it ends within its header") from None
    except ValueError as broken:
        raise HeaderError(mime_type, str(broken)) from None
    if width == 0 or height == 0:
        raise HeaderError(mime_type, "its width or height is zero")
    return ImageHeader(mime_type, width, height, orientation)


_segment = Struct(">BBH").unpack_from
_frame = Struct(">HH").unpack_from
_marker_after_junk = re.compile(rb"\xff[^\x00\xff]").search
_START_OF_SCAN = 0xDA
_APP1 = 0xE1
# DHT, DAC, DQT, DNL, DRI, APP0 to APP15 and COM.
_SKIPPED = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# TEM and RST0 to RST7 have no length.
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})


def _jpeg(data: bytes) -> _Facts:
    width = height = -1
    orientation, position, junk = 1, 2, 0
    for _ in range(MAX_SEGMENTS):
        prefix, marker, length = _segment(data, position)
        if prefix != 0xFF or marker == 0x00 or marker == 0xFF:
            found = _marker_after_junk(data, position, position + MAX_JUNK_BYTES - junk)
            if found is None:
                raise ValueError("a marker is missing")
            junk += found.start() - position
            position = found.start()
        elif marker in _STANDALONE:
            position += 2
        elif length < 2:
            raise ValueError("a segment has an impossible length")
        elif marker in _SKIPPED:
            if marker == _APP1 and data.startswith(b"Exif\0\0", position + 4):
                orientation = exif_orientation(data, position + 10, position + 2 + length)
            position += 2 + length
        elif marker in _FRAMES and width < 0:
            height, width = _frame(data, position + 5)
            position += 2 + length
        elif marker == _START_OF_SCAN and width >= 0:
            return width, height, orientation
        else:
            # Decoders differ over what comes after such a marker: some skip it, some look into it.
            raise ValueError(f"the marker {marker:#x} stands where it must not")
    raise ValueError(f"it has more than {MAX_SEGMENTS} segments before its first scan")


_png_size = Struct(">II").unpack_from
_png_chunk = Struct(">I4s").unpack_from


def _png(data: bytes) -> _Facts:
    if not data.startswith(b"\0\0\0\rIHDR", 8):
        raise ValueError("it does not begin with an IHDR chunk" if len(data) >= 16 else "it ends within its header")
    width, height = _png_size(data, 16)
    orientation, position = 1, 33
    for _ in range(MAX_SEGMENTS):
        length, kind = _png_chunk(data, position)
        if kind == b"IDAT":
            return width, height, orientation
        if kind in (b"IHDR", b"IEND"):
            # A second IHDR would overrule the first in some decoders.
            raise ValueError(f"an {kind.decode()} chunk stands where it must not")
        if kind == b"eXIf":
            orientation = exif_orientation(data, position + 8, position + 8 + length)
        position += 12 + length
    raise ValueError(f"it has more than {MAX_SEGMENTS} chunks before its pixels")


_u16_pair = Struct("<HH").unpack_from
_u32 = Struct("<I").unpack_from
_riff_chunk = Struct("<4sI").unpack_from
_EXIF_FLAG = 0x08


def _webp(data: bytes) -> _Facts:
    kind, length = _riff_chunk(data, 12)
    if kind == b"VP8 ":
        return _webp_lossy(data)
    if kind == b"VP8L":
        return _webp_lossless(data)
    if kind != b"VP8X" or length != 10:
        raise ValueError("its first chunk is none that a WebP begins with")
    canvas = data[24:30]
    if len(canvas) < 6:
        raise ValueError("it ends within its header")
    orientation = _webp_orientation(data) if data[20] & _EXIF_FLAG else 1
    return int.from_bytes(canvas[:3], "little") + 1, int.from_bytes(canvas[3:], "little") + 1, orientation


def _webp_lossy(data: bytes) -> _Facts:
    width, height = _u16_pair(data, 26)
    if data[20] & 1 or data[23:26] != b"\x9d\x01\x2a":
        raise ValueError("its first frame is no VP8 key frame")
    # The upper two bits are a scale for display.
    return width & 0x3FFF, height & 0x3FFF, 1


def _webp_lossless(data: bytes) -> _Facts:
    (bits,) = _u32(data, 21)
    if data[20] != 0x2F or bits >> 29:
        raise ValueError("its first chunk is no VP8L image")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 1


def _webp_orientation(data: bytes) -> int:
    position = 30
    for _ in range(MAX_WEBP_CHUNKS):
        if position + 8 > len(data):
            return 1
        kind, length = _riff_chunk(data, position)
        if kind == b"EXIF":
            start = position + 8 + (6 if data.startswith(b"Exif\0\0", position + 8) else 0)
            return exif_orientation(data, start, position + 8 + length)
        position += 8 + length + (length & 1)
    return 1


_CORE_HEADER = 12
_INFO_HEADERS = frozenset({16, 40, 52, 56, 64, 108, 124})
_u32_pair = Struct("<II").unpack_from


def _bmp(data: bytes) -> _Facts:
    (header,) = _u32(data, 14)
    if header == _CORE_HEADER:
        return (*_u16_pair(data, 18), 1)
    if header not in _INFO_HEADERS:
        raise ValueError("its header has an unknown length")
    width, height = _u32_pair(data, 18)
    # A height below zero means rows from the top down. Decoders differ below -2**24; the larger reading is taken.
    return width, 2**32 - height if height >> 24 == 0xFF else height, 1


_GIF_TRAILER, _GIF_EXTENSION, _GIF_IMAGE = 0x3B, 0x21, 0x2C
_GIF_COMMENT = 0xFE
_gif_frame = Struct("<HHHH").unpack_from


def _gif(data: bytes) -> _Facts:
    width, height = _u16_pair(data, 6)
    flags, position, blocks = data[10], 13, 0
    if flags & 0x80:
        position += 3 << (flags & 7) + 1
    while blocks < MAX_BLOCKS:
        introducer = data[position]
        if introducer == _GIF_IMAGE:
            left, top, frame_width, frame_height = _gif_frame(data, position + 1)
            return max(width, left + frame_width), max(height, top + frame_height), 1
        if introducer == _GIF_TRAILER:
            raise ValueError("it holds no frame")
        if introducer == _GIF_EXTENSION:
            position, passed = _after_gif_extension(data, position, MAX_BLOCKS - blocks)
            blocks += passed
        else:
            position += 1
            blocks += 1
    raise ValueError(f"it has more than {MAX_BLOCKS} blocks before its first frame")


def _after_gif_extension(data: bytes, start: int, most: int) -> tuple[int, int]:
    """Return where the blocks of the extension at `start` end, and how many there were, counting the extension."""
    position = start + 2
    # Decoders differ over an extension that is empty where it must not be: some read on into what follows it.
    needed = 0 if data[start + 1] == _GIF_COMMENT else 2 if data.startswith(b"NETSCAPE2.0", position + 1) else 1
    for passed in range(most):
        size = data[position]
        position += 1 + size
        if size == 0:
            if passed < needed:
                raise ValueError("an extension is empty")
            return position, passed + 1
    raise ValueError(f"it has more than {MAX_BLOCKS} blocks before its first frame")


# By the first two bytes: what the data must begin with, and what it is then.
_READERS: dict[bytes, tuple[bytes | tuple[bytes, ...], str, Callable[[bytes], _Facts]]] = {
    b"\xff\xd8": (b"\xff\xd8\xff", "image/jpeg", _jpeg),
    b"\x89P": (b"\x89PNG\r\n\x1a\n", "image/png", _png),
    b"RI": (b"RIFF", "image/webp", _webp),
    b"GI": ((b"GIF87a", b"GIF89a"), "image/gif", _gif),
    b"II": ((b"II*\0", b"II+\0"), "image/tiff", read_tiff),
    b"MM": ((b"MM\0*", b"MM\0+"), "image/tiff", read_tiff),
    b"BM": (b"BM", "image/bmp", _bmp),
}
