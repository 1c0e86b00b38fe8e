"""A plugin that says something else of itself each time it is imported."""

import time
from typing import Any


class Lying:
    name = "lying"
    version = str(time.time_ns())

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"version": self.version}
