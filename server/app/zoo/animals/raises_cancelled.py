"""raises CancelledError, which event loops take as a cancelled call"""

import asyncio


class RaisesCancelled:
    name = "raises_cancelled"

    def run(self, payload):
        raise asyncio.CancelledError
