from typing import Any, ClassVar


class WrongLimits:
    name = "wrong-limits"
    limits: ClassVar[dict[str, Any]] = {"timeout_s": -1}

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"never": "called"}
