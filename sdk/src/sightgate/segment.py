"""The worker's end of the memory through which the server passes images: one copy instead of two through a socket."""

import mmap
import os


class Segment:
    """Shared memory that the server writes and this process reads."""

    def __init__(self, descriptor: int, size: int) -> None:
        os.set_inheritable(descriptor, False)
        self._memory = mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ)

    def read(self, start: int, length: int) -> bytes:
        """Return a copy of its own of ``length`` bytes; raises ValueError if they are not all inside."""
        if not 0 <= start <= start + length <= len(self._memory):
            raise ValueError("the image lies outside the shared memory")
        return self._memory[start : start + length]
