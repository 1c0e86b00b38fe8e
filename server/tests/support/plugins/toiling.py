"""The plugin of the kill tests: takes a while, fails by chance where it is told to, and says what it was given."""

import hashlib
import random
import time
from typing import Any, ClassVar


class Toil:
    name = "toil"
    limits: ClassVar[dict[str, Any]] = {"workers": 2, "timeout_s": 30}

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        options = payload["options"]
        time.sleep(options["seconds"])
        if random.random() < options["fails"]:
            raise ValueError("it was told to")
        return {
            "tag": options["tag"],
            "digest": hashlib.sha256(payload["image"]).hexdigest(),
            "padding": "x" * options["padding"],
        }
