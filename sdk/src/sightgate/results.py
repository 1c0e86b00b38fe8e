"""Parts that results are made of, so that any client can draw any plugin's result.

One coordinate frame holds for all: pixels of the upright image (turned as its EXIF orientation says), origin at the top
left corner, x to the right, y down; fractions of a pixel are allowed. Scores are confidences, usually from 0 to 1.
In JSON a drawable part carries its constant `type`, and fields that are None are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Part:
    """Base of every result part; in JSON a part leaves out the fields that are None."""


@dataclass(frozen=True)
class Point(Part):
    """A position in pixels. It has no `type` of its own: the part that holds it says what it is a corner of."""

    x: float
    y: float


@dataclass(frozen=True)
class Box(Part):
    """An upright rectangle: its top left corner and its size, in pixels."""

    type: Literal["box"] = field(default="box", init=False)
    x: float
    y: float
    width: float
    height: float
    label: str | None = None
    score: float | None = None
    id: str | None = None


@dataclass(frozen=True)
class Polygon(Part):
    """A closed outline through its points in order; the last point joins the first."""

    type: Literal["polygon"] = field(default="polygon", init=False)
    points: list[Point]
    label: str | None = None
    score: float | None = None
    id: str | None = None


@dataclass(frozen=True)
class TextRegion(Part):
    """Text and the outline of the place where it stands. `language` is a BCP 47 tag such as `en`."""

    type: Literal["text"] = field(default="text", init=False)
    text: str
    polygon: list[Point]
    score: float | None = None
    language: str | None = None


@dataclass(frozen=True)
class Label(Part):
    """A word about the whole image, such as a class."""

    type: Literal["label"] = field(default="label", init=False)
    label: str
    score: float | None = None


@dataclass(frozen=True)
class Keypoint(Part):
    """A position in pixels with a meaning, such as `left_eye`."""

    x: float
    y: float
    name: str | None = None
    score: float | None = None


@dataclass(frozen=True)
class Keypoints(Part):
    """Keypoints that belong together, such as those of one face."""

    type: Literal["keypoints"] = field(default="keypoints", init=False)
    points: list[Keypoint]
    label: str | None = None
    score: float | None = None
