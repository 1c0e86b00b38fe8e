"""The `image-info` plugin: what a file says of itself, and which colours it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import sightgate

ExifValue = str | float | list[float]


@dataclass(frozen=True)
class Options:
    """What to leave out, and how fine the colour figures are."""

    exif: Annotated[bool, sightgate.Field(description="Read EXIF tags and the GPS position.")] = True
    colors: Annotated[int, sightgate.Field(ge=0, le=16, description="How many dominant colours; 0 for none.")] = 5
    histogram_bins: Annotated[
        Literal[0, 8, 16, 32, 64, 128, 256], sightgate.Field(description="Bins over 0..255; 0 for no histogram.")
    ] = 32


@dataclass(frozen=True)
class Color:
    """A dominant colour. `share` is its part of all pixels, 0 to 1."""

    hex: str
    rgb: list[int]
    share: float


@dataclass(frozen=True)
class Histogram:
    """Pixels per bin. All bins are equally wide, the first begins at 0, the last ends at 255."""

    bins: int
    red: list[int]
    green: list[int]
    blue: list[int]
    luma: list[int]


@dataclass(frozen=True)
class Position:
    """Where the camera says it was: degrees (north and east positive), metres above sea level."""

    latitude: float
    longitude: float
    altitude: float | None = None


@dataclass(frozen=True)
class Result:
    """`width` and `height` are those of the upright image, `stored_*` those in the file. Sizes in pixels and bytes."""

    format: str
    mime_type: str
    bytes: int
    width: int
    height: int
    stored_width: int
    stored_height: int
    orientation: int
    mode: str
    transparency: bool
    frames: int | None = None
    dpi: list[float] | None = None
    color_profile: str | None = None
    exif: dict[str, ExifValue] = field(default_factory=dict)
    position: Position | None = None
    colors: list[Color] = field(default_factory=list)
    histogram: Histogram | None = None


class ImageInfo(sightgate.Plugin):
    """Reads the file's own facts with Pillow. Nothing is guessed: what a file does not say is left out."""

    name = "image-info"
    version = "0.1.0"
    description = "Format, size, EXIF, dominant colours and histogram of an image."
    limits: Mapping[str, float] = {"timeout_s": 20, "memory_mb": 1536, "workers": 1}
    requires = ("PIL",)

    def load(self) -> None:
        import PIL.Image

        PIL.Image.init()

    def analyze(self, image: sightgate.Image, options: Options) -> Result:
        from sightgate_image_info.colors import dominant_colors, histogram
        from sightgate_image_info.metadata import position, read_exif, read_facts

        upright = image.pil
        facts = read_facts(image.data)
        exif = read_exif(image.data) if options.exif else {}
        return Result(
            format=facts.format,
            mime_type=image.mime_type,
            bytes=len(image.data),
            width=image.width,
            height=image.height,
            stored_width=facts.width,
            stored_height=facts.height,
            orientation=facts.orientation,
            mode=facts.mode,
            transparency=facts.transparency,
            frames=facts.frames,
            dpi=facts.dpi,
            color_profile=facts.color_profile,
            exif=exif,
            position=position(exif),
            colors=dominant_colors(upright, options.colors) if options.colors else [],
            histogram=histogram(upright, options.histogram_bins) if options.histogram_bins else None,
        )
