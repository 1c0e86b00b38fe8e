"""The form of a pack: several blobs in one file.

::

    b"SGPACK1\\n"   count (4 bytes)   count x (SHA-256 (32 bytes), length (8 bytes))   the blobs, one after the other

Numbers are big-endian.
"""

import ctypes
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass

# As many as a head has room for in what is read at once.
MOST_BLOBS = 100

_HEAD_READ_AT_ONCE = 4096
_MAGIC = b"SGPACK1\n"
_COUNT = struct.Struct(">8sI")
_ENTRY = struct.Struct(">32sQ")
_BUFFERS_AT_ONCE = 512

# Linux has it.
_fallocate = getattr(ctypes.CDLL(None), "fallocate", None)
_KEEP_SIZE, _PUNCH_HOLE = 1, 2


@dataclass(frozen=True, slots=True)
class Place:
    """Where a blob lies in its pack, bytes."""

    offset: int
    length: int


def write(descriptor: int, blobs: Mapping[str, bytes]) -> None:
    """Write a pack of at most ``MOST_BLOBS`` blobs by their hexadecimal digests. Raises OSError."""
    head = [_COUNT.pack(_MAGIC, len(blobs))]
    head += [_ENTRY.pack(bytes.fromhex(digest), len(data)) for digest, data in blobs.items()]
    left = [memoryview(part) for part in (b"".join(head), *blobs.values())]
    while left:
        written = os.writev(descriptor, left[:_BUFFERS_AT_ONCE])
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if left:
            left[0] = left[0][written:]


def forget_pages(descriptor: int) -> None:
    """Let the next pack be written into the memory that this one took, once it is synced.

    Jobs that run at once do not read their inputs back, and memory that nobody has used for long is dear: with it, a
    blob of 150 KB cost 240 us of processor time to write and sync, without it 75.
    """
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def find(descriptor: int, digest: str) -> Place | None:
    """Return where a blob lies, or None if the file is no pack with the blob, or not a whole one. Raises OSError."""
    head = os.pread(descriptor, _HEAD_READ_AT_ONCE, 0)
    if len(head) < _COUNT.size:
        return None
    magic, count = _COUNT.unpack_from(head)
    offset = end = _COUNT.size + count * _ENTRY.size
    if magic != _MAGIC or count > MOST_BLOBS or len(head) < end:
        return None
    place = None
    for start in range(_COUNT.size, end, _ENTRY.size):
        name, length = _ENTRY.unpack_from(head, start)
        if name.hex() == digest:
            place = Place(offset, length)
        offset += length
    return place if os.fstat(descriptor).st_size == offset else None


def give_space_back(descriptor: int, place: Place) -> None:
    """Free a removed blob's blocks in a pack that others still need.

    A file system that cannot frees them with the pack's last blob.
    """
    if _fallocate is not None:
        how = ctypes.c_int(_KEEP_SIZE | _PUNCH_HOLE)
        _fallocate(ctypes.c_int(descriptor), how, ctypes.c_int64(place.offset), ctypes.c_int64(place.length))
