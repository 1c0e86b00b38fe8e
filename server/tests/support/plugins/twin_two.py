from typing import Any


class Twin:
    name = "twin"

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"twin": True}
