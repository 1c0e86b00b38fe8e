"""A typed plugin, as a plugin author writes one."""

from dataclasses import dataclass
from typing import Annotated

import sightgate


@dataclass(frozen=True)
class Options:
    most: Annotated[int, sightgate.Field(ge=1, le=10)] = 3
    tag: str = ""


@dataclass(frozen=True)
class Result:
    width: int
    height: int
    mean: float
    most: int
    tag: str
    calls: int
    boxes: list[sightgate.Box]


class Typed(sightgate.Plugin):
    name = "typed"
    version = "0.1.0"
    description = "Decodes the image and tells its size."

    def load(self, config: dict[str, object]) -> None:
        self.calls = 0

    def analyze(self, image: sightgate.Image, options: Options) -> Result:
        self.calls += 1
        mean = image.array.mean()
        box = sightgate.Box(0, 0, image.width, image.height, label="all")
        return Result(image.width, image.height, mean, options.most, options.tag, self.calls, [box])


class Mistyped(sightgate.Plugin):
    name = "mistyped"

    def analyze(self, image: sightgate.Image, options: Options) -> Result:
        return {"width": "wide"}  # type: ignore[return-value]
