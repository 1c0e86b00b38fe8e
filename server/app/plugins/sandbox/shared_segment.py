"""Memory through which images reach a worker: one copy instead of two through a socket."""

import contextlib
import fcntl
import mmap
import os

# What was used once stays in memory: the seal that keeps the worker from writing keeps us from giving pages back.
# An image that does not fit goes through the socket.
SIZE = 8 * 1024 * 1024
# Below this a copy through the socket is as quick.
WORTH_IT_BYTES = 16 * 1024

_ADD_SEALS, _SEAL_SEAL, _SEAL_SHRINK, _SEAL_GROW, _SEAL_FUTURE_WRITE = 1033, 1, 2, 4, 16


class SharedSegment:
    """A sealed memory file of 8 MiB, of which only what was used takes memory.

    The worker gets the descriptor. Sealed, it can neither change the size, which would end this process at its next
    write, nor write to it.
    """

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("sightgate-image", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.descriptor, SIZE)
            self._memory = mmap.mmap(self.descriptor, SIZE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            seals = _SEAL_SHRINK | _SEAL_GROW | _SEAL_SEAL
            with contextlib.suppress(OSError):  # since Linux 5.1
                fcntl.fcntl(self.descriptor, _ADD_SEALS, _SEAL_FUTURE_WRITE)
            fcntl.fcntl(self.descriptor, _ADD_SEALS, seals)
        except OSError:
            os.close(self.descriptor)
            raise
        self._used = 0

    @classmethod
    def make(cls) -> "SharedSegment | None":
        """Return a segment, or None where the system has no sealed memory files."""
        try:
            return cls()
        except (OSError, AttributeError):
            return None

    def put(self, image: bytes) -> int | None:
        """Copy an image in behind those that are there; return where it starts, or None if it does not fit."""
        start, end = self._used, self._used + len(image)
        if len(image) < WORTH_IT_BYTES or end > SIZE:
            return None
        self._memory[start:end] = image
        self._used = end
        return start

    def clear(self) -> None:
        """Begin anew: the calls whose images are here have ended."""
        self._used = 0

    def close(self) -> None:
        self._memory.close()
        os.close(self.descriptor)
