"""A neighbour that a plugin imports; no plugin itself, whatever it holds."""

from typing import Any


class NotOffered:
    name = "not-offered"

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"never": "called"}


def greeting() -> str:
    return "from the neighbour"
