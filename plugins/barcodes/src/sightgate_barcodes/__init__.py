"""The `barcodes` plugin: finds and reads barcodes and QR codes with zxing-cpp."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import sightgate

if TYPE_CHECKING:
    import zxingcpp


@dataclass(frozen=True)
class Options:
    """What to look for, and how hard."""

    formats: Annotated[
        list[str],
        sightgate.Field(
            max_length=32, description="Format names as zxing-cpp has them (QRCode, EAN13); empty for all."
        ),
    ] = field(default_factory=list)
    rotate: Annotated[bool, sightgate.Field(description="Also look for codes turned by 90° and 270°.")] = True
    invert: Annotated[bool, sightgate.Field(description="Also look for light codes on a dark ground.")] = True
    downscale: Annotated[bool, sightgate.Field(description="Also look at smaller versions of the image.")] = True
    unreadable: Annotated[
        bool, sightgate.Field(description="Also return codes that were found but not decoded (bad checksum).")
    ] = False
    max_codes: Annotated[int, sightgate.Field(ge=1, le=1000, description="Return at most this many.")] = 100


@dataclass(frozen=True)
class Barcode:
    """One code. `polygon` begins at the code's own top left corner and runs clockwise as the code is read.

    `orientation` is the code's rotation in degrees, clockwise. `content_type` is zxing-cpp's (Text, Binary, Mixed,
    GS1, ISO15434, UnknownECI); `data` is the exact bytes in base64. There is no score: a code is read or it is not.
    """

    format: str
    text: str
    data: str
    content_type: str
    valid: bool
    polygon: sightgate.Polygon
    orientation: int
    error: str | None = None


@dataclass(frozen=True)
class Result:
    """The codes in the order in which zxing-cpp found them."""

    barcodes: list[Barcode]


class Barcodes(sightgate.Plugin):
    """Reads all formats that zxing-cpp reads, several codes an image."""

    name = "barcodes"
    version = "0.1.0"
    description = "Finds and reads barcodes and QR codes."
    limits: Mapping[str, float] = {"timeout_s": 20, "memory_mb": 1536, "workers": 1}
    requires = ("PIL", "zxingcpp")

    def load(self) -> None:
        import zxingcpp  # noqa: F401  (the first call should not pay for the import)

    def analyze(self, image: sightgate.Image, options: Options) -> Result:
        import zxingcpp

        found = zxingcpp.read_barcodes(
            # The reader works on luma; RGB would be converted inside, with three times the memory.
            image.pil.convert("L"),
            formats=_formats(options.formats),
            try_rotate=options.rotate,
            try_invert=options.invert,
            try_downscale=options.downscale,
            return_errors=options.unreadable,
        )
        return Result([_barcode(code) for code in found[: options.max_codes]])


def _formats(names: list[str]) -> zxingcpp.BarcodeFormats:
    """The named formats, an empty list meaning all. Raises InvalidOptions for a name that zxing-cpp does not know."""
    import zxingcpp

    formats = []
    for name in names:
        try:
            formats.append(zxingcpp.barcode_format_from_str(name))
        except ValueError:
            known = [known for known in zxingcpp.BarcodeFormat.__members__ if known != "NONE"]
            raise sightgate.InvalidOptions(
                f"formats: there is no barcode format {name[:40]!r}", field="formats", known=known
            ) from None
    return zxingcpp.BarcodeFormats(formats)


def _barcode(code: zxingcpp.Barcode) -> Barcode:
    corners = code.position
    points = [corners.top_left, corners.top_right, corners.bottom_right, corners.bottom_left]
    return Barcode(
        format=code.format.name,
        text=code.text,
        data=base64.b64encode(code.bytes).decode(),
        content_type=code.content_type.name,
        valid=code.valid,
        polygon=sightgate.Polygon([sightgate.Point(point.x, point.y) for point in points], label=code.format.name),
        orientation=code.orientation,
        error=None if code.error is None else code.error.type.name,
    )
