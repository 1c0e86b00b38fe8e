from typing import Any

from _helper import NotOffered, greeting  # noqa: F401 - an imported class is no plugin of this file


class Neighbour:
    name = "neighbour"

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"greeting": greeting()}
