"""What a worker prints: drained always, the last 64 KiB kept."""

import asyncio
import contextlib
import os

KEPT_BYTES = 64 * 1024


class OutputTail:
    """Reads a pipe as the event loop finds data in it, so that a plugin that prints never blocks."""

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
        self._loop = loop
        self._descriptor = descriptor
        self._kept = bytearray()
        loop.add_reader(descriptor, self._drain)

    def text(self, last: int = KEPT_BYTES) -> str:
        """Return the last bytes that were printed, as text."""
        if self._descriptor >= 0:
            self._drain()
        return bytes(self._kept[-last:]).decode(errors="replace")

    def close(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1

    def _drain(self) -> None:
        # A few reads at a time: a worker that floods its output must not hold the loop.
        for _ in range(8):
            try:
                data = os.read(self._descriptor, KEPT_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.close()
                return
            self._kept += data
            del self._kept[:-KEPT_BYTES]
