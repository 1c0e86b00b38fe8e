"""A plugin whose results hold every part that a client can draw, and whose options are of every kind."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import sightgate
from sightgate import Box, Keypoint, Keypoints, Label, Point, Polygon, TextRegion


@dataclass(frozen=True)
class Area:
    name: str = "all"
    margin: Annotated[int, sightgate.Field(ge=0, le=100)] = 0


@dataclass(frozen=True)
class Options:
    boxes: Annotated[int, sightgate.Field(ge=0, le=10_000, description="How many boxes, in rows.")] = 2
    least: Annotated[float, sightgate.Field(ge=0, le=1)] = 0.0
    order: Literal["forth", "back"] = "forth"
    upright: bool = True
    words: list[str] = field(default_factory=list)
    area: Area = field(default_factory=Area)


@dataclass(frozen=True)
class Result:
    width: int
    height: int
    words: list[str]
    area: str
    boxes: list[Box]
    outline: Polygon
    text: TextRegion
    kind: Label
    pose: Keypoints


class Drawing(sightgate.Plugin):
    """Divides the image into boxes, the surest first; the other parts are the same in every image."""

    name = "drawing"
    version = "0.1.0"
    description = "Draws every kind of part."

    def analyze(self, image: sightgate.Image, options: Options) -> Result:
        width, height = image.width, image.height
        columns = max(1, round(options.boxes**0.5))
        rows = max(1, -(-options.boxes // columns))
        across, down = width / columns, height / rows
        boxes = [
            Box(
                (at % columns) * across,
                (at // columns) * down,
                across * 0.8,
                down * 0.8,
                label=f"box {at}",
                score=1 - at / max(1, options.boxes),
            )
            for at in range(options.boxes)
        ]
        if options.order == "back":
            boxes.reverse()
        corners = [Point(width * 0.25, height * 0.25), Point(width * 0.75, height * 0.25), Point(width / 2, height / 2)]
        return Result(
            width,
            height,
            options.words,
            f"{options.area.name} {options.area.margin}",
            boxes,
            Polygon(corners, label="triangle", score=0.6),
            TextRegion("written", corners, score=0.7, language="en"),
            Label("drawing", score=0.9),
            Keypoints([Keypoint(width / 2, height / 2, name="middle")], label="pose", score=0.8),
        )
