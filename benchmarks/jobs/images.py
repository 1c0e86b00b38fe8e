"""The inputs of the jobs: one image, each time with another number behind its end, which decoders do not read."""

import struct

_NUMBER = struct.Struct("<Q")


def numbered(image: bytes, number: int) -> bytes:
    """An input like no other."""
    return image + _NUMBER.pack(number)


def number_of(data: bytes) -> int:
    return int(_NUMBER.unpack(data[-_NUMBER.size :])[0])
