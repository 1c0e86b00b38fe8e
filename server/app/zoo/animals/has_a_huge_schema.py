"""declares options with 20,000 fields"""

from dataclasses import field, make_dataclass
from typing import Any

from sightgate import Plugin

_Options = make_dataclass("Options", [(f"field_{number}", int, field(default=0)) for number in range(20_000)])


class HasAHugeSchema(Plugin):
    name = "has_a_huge_schema"

    def analyze(self, image: Any, options: _Options) -> dict:
        return {"fields": len(vars(options))}
