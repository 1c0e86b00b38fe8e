"""A plugin that asks for a permission."""

from typing import Any, ClassVar


class Asking:
    name = "asking"
    permissions: ClassVar[dict[str, Any]] = {"network": ["example.org:443"]}

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"asked": True}
