"""The directories of a TIFF file, and of the EXIF block that other formats carry in the same form (TIFF 6.0)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

MAX_PAGES = 64
MAX_ENTRIES = 4_096
MAX_EXIF_ENTRIES = 256
# A tile is decoded whole, however small the image is. What is larger than this and than its image is no honest tile.
MAX_TILE_PIXELS = 4_096 * 4_096

_WIDTH, _HEIGHT, _ORIENTATION, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 274, 322, 323
_WANTED = frozenset({_WIDTH, _HEIGHT, _ORIENTATION, _TILE_WIDTH, _TILE_HEIGHT})
_BYTE, _SHORT, _LONG = 1, 3, 4


@dataclass(frozen=True)
class _ByteOrder:
    """The structures of one byte order. An entry is tag, type, count and the four bytes of its value as one number."""

    u16: Struct
    u32: Struct
    entry: Struct
    # How far the value of a type that is shorter than four bytes stands from the right.
    shifts: dict[int, int]
    # The tag of the orientation as it stands in the bytes.
    orientation: bytes


_LITTLE = _ByteOrder(Struct("<H"), Struct("<I"), Struct("<HHII"), {_BYTE: 0, _SHORT: 0, _LONG: 0}, b"\x12\x01")
_BIG = _ByteOrder(Struct(">H"), Struct(">I"), Struct(">HHII"), {_BYTE: 24, _SHORT: 16, _LONG: 0}, b"\x01\x12")
_ORDERS = {b"II*\0": _LITTLE, b"MM\0*": _BIG}
_MASKS = {_BYTE: 0xFF, _SHORT: 0xFFFF, _LONG: 0xFFFFFFFF}


def read_tiff(data: bytes) -> tuple[int, int, int]:
    """Return width and height of the largest of the first 64 pages, and the orientation of the first.

    Raises ValueError with the reason, or struct.error if the data ends too early.
    """
    order = _ORDERS.get(data[:4])
    if order is None:
        raise ValueError("it is a BigTIFF, which is not supported")
    pages = _pages(data, order)
    width, height = max(((page[_WIDTH], page[_HEIGHT]) for page in pages), key=lambda size: size[0] * size[1])
    orientation = pages[0].get(_ORIENTATION, 1)
    return width, height, orientation if 1 <= orientation <= 8 else 1


def exif_orientation(data: bytes, start: int, end: int) -> int:
    """Return the orientation (1 to 8) told by the EXIF block `data[start:end]`; 1 if it tells none or is broken."""
    order = _ORDERS.get(data[start : start + 4])
    end = min(end, len(data))
    if order is None or start + 8 > end:
        return 1
    directory = start + order.u32.unpack_from(data, start + 4)[0]
    if directory + 2 > end:
        return 1
    count = min(order.u16.unpack_from(data, directory)[0], MAX_EXIF_ENTRIES)
    first, wanted = directory + 2, order.orientation
    last = min(first + 12 * count, end)
    at = data.find(wanted, first, last)
    while at >= 0 and (at - first) % 12:
        at = data.find(wanted, at + 1, last)
    if at < 0 or at + 12 > last:
        return 1
    _, kind, _, value = order.entry.unpack_from(data, at)
    value = value >> order.shifts.get(kind, 0)
    return value if kind in order.shifts and 1 <= value <= 8 else 1


def _pages(data: bytes, order: _ByteOrder) -> list[dict[int, int]]:
    pages: list[dict[int, int]] = []
    seen: set[int] = set()
    (offset,) = order.u32.unpack_from(data, 4)
    entries_left = MAX_ENTRIES
    while len(pages) < MAX_PAGES and (offset or not pages) and offset not in seen:
        seen.add(offset)
        if pages and offset + 2 > len(data):
            break
        (count,) = order.u16.unpack_from(data, offset)
        entries_left -= count
        if entries_left < 0:
            raise ValueError(f"its directories have more than {MAX_ENTRIES} entries")
        pages.append(_page(data[offset + 2 : offset + 2 + 12 * count], count, order))
        offset = _next_directory(data, offset + 2 + 12 * count, order)
    return pages


def _next_directory(data: bytes, position: int, order: _ByteOrder) -> int:
    # Some writers leave out the offset after the last directory.
    return int(order.u32.unpack_from(data, position)[0]) if position + 4 <= len(data) else 0


def _page(table: bytes, count: int, order: _ByteOrder) -> dict[int, int]:
    if len(table) < 12 * count:
        raise ValueError("it ends within its header")
    page: dict[int, int] = {}
    for tag, kind, values, value in order.entry.iter_unpack(table):
        if tag in _WANTED:
            # Of a tag that is given twice decoders take either; the larger is on the safe side.
            page[tag] = max(page.get(tag, 0), _number(tag, kind, values, value, order))
    if _WIDTH not in page or _HEIGHT not in page:
        raise ValueError("a page has no width or height")
    tile = page.get(_TILE_WIDTH, 0) * page.get(_TILE_HEIGHT, 0)
    if tile > max(MAX_TILE_PIXELS, page[_WIDTH] * page[_HEIGHT]):
        raise ValueError("a page has tiles far larger than itself")
    return page


def _number(tag: int, kind: int, values: int, value: int, order: _ByteOrder) -> int:
    if kind in _MASKS and values == 1:
        return value >> order.shifts[kind] & _MASKS[kind]
    if tag == _ORIENTATION:
        return 1
    raise ValueError(f"the tag {tag} of a page is no whole number")
