"""What a file's header and its EXIF block say."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from io import BytesIO

import PIL.ExifTags
import PIL.Image
import PIL.ImageCms
from PIL.TiffImagePlugin import IFDRational

import sightgate
from sightgate_image_info import ExifValue, Position

ORIENTATION = PIL.ExifTags.Base.Orientation
MAX_TEXT = 1000
MAX_NUMBERS = 64
# What Pillow raises for a header or EXIF block that is damaged while the pixels can be read.
DAMAGED = (SyntaxError, ValueError, KeyError, TypeError, OSError, EOFError, struct.error)

# The tag number of each sub-directory and the names of what is in it. Pointers and binary blocks tell a reader nothing.
_DIRECTORIES = {
    PIL.ExifTags.IFD.Exif: {tag.value: tag.name for tag in PIL.ExifTags.Base},
    PIL.ExifTags.IFD.GPSInfo: {tag.value: tag.name for tag in PIL.ExifTags.GPS},
}
_LEFT_OUT = {"ExifOffset", "GPSInfo", "MakerNote", "ExifInteroperabilityOffset", "JpegIFOffset", "JpegIFByteCount"}


@dataclass(frozen=True, slots=True)
class Facts:
    """The header of a file. `orientation` is EXIF's 1 to 8, where 1 is upright; `dpi` is horizontal, vertical."""

    format: str
    width: int
    height: int
    mode: str
    orientation: int
    transparency: bool
    frames: int | None
    dpi: list[float] | None
    color_profile: str | None


def read_facts(data: bytes) -> Facts:
    """Read the header of image bytes that are known to decode."""
    with _opened(data) as image:
        return Facts(
            format=image.format or "",
            width=image.width,
            height=image.height,
            mode=image.mode,
            orientation=_orientation(image),
            transparency=image.has_transparency_data,
            dpi=_dpi(image),
            color_profile=_color_profile(image),
            frames=_frames(image),
        )


def read_exif(data: bytes) -> dict[str, ExifValue]:
    """EXIF tags by their standard names (`Model`, `DateTimeOriginal`, `GPSLatitude`); empty if there are none."""
    with _opened(data) as image:
        try:
            exif = image.getexif()
            found = _named(dict(exif), _DIRECTORIES[PIL.ExifTags.IFD.Exif])
            for directory, names in _DIRECTORIES.items():
                found |= _named(exif.get_ifd(directory), names)
        except DAMAGED:
            return {}
    return found


def position(exif: dict[str, ExifValue]) -> Position | None:
    """The GPS position, from degrees, minutes and seconds to decimal degrees; None if it is missing or impossible."""
    latitude = _degrees(exif.get("GPSLatitude"), exif.get("GPSLatitudeRef"), 90.0)
    longitude = _degrees(exif.get("GPSLongitude"), exif.get("GPSLongitudeRef"), 180.0)
    if latitude is None or longitude is None:
        return None
    altitude = exif.get("GPSAltitude")
    below_sea = exif.get("GPSAltitudeRef") in (1, 1.0, "\x01")
    metres = None if not isinstance(altitude, int | float) else -altitude if below_sea else altitude
    return Position(latitude, longitude, metres)


def _opened(data: bytes) -> PIL.Image.Image:
    try:
        return PIL.Image.open(BytesIO(data))
    except PIL.Image.DecompressionBombError as too_large:
        raise sightgate.InputError(str(too_large), "image_too_large") from too_large


def _degrees(value: ExifValue | None, reference: ExifValue | None, most: float) -> float | None:
    if not isinstance(value, list) or len(value) != 3:
        return None
    degrees = value[0] + value[1] / 60 + value[2] / 3600
    if not 0 <= degrees <= most:
        return None
    return -degrees if str(reference).upper() in ("S", "W") else degrees


def _named(directory: dict[int, object], names: dict[int, str]) -> dict[str, ExifValue]:
    values = {names.get(tag, f"0x{tag:04x}"): _plain(value) for tag, value in directory.items()}
    return {name: value for name, value in values.items() if value is not None and name not in _LEFT_OUT}


def _plain(value: object) -> ExifValue | None:
    """A tag's value as text, number or list of numbers; None for what is none of these (binary blocks, 1/0)."""
    if isinstance(value, str):
        return value.strip("\0 ").encode(errors="replace").decode()[:MAX_TEXT]
    if isinstance(value, bytes):
        text = value.strip(b"\0 ")
        return text.decode()[:MAX_TEXT] if len(value) == 1 or (text.isascii() and text.decode().isprintable()) else None
    if isinstance(value, int | float | IFDRational):
        return _number(value)
    if isinstance(value, tuple | list) and len(value) <= MAX_NUMBERS:
        numbers = [_number(item) for item in value if isinstance(item, int | float | IFDRational)]
        return [n for n in numbers if n is not None] if len(numbers) == len(value) and None not in numbers else None
    return None


def _number(value: int | float | IFDRational) -> int | float | None:
    if isinstance(value, int):
        return value
    number = float(value)
    return number if math.isfinite(number) else None


def _orientation(image: PIL.Image.Image) -> int:
    try:
        stored = image.getexif().get(ORIENTATION, 1)
    except DAMAGED:
        return 1
    return stored if isinstance(stored, int) and 1 <= stored <= 8 else 1


def _frames(image: PIL.Image.Image) -> int | None:
    try:
        return int(getattr(image, "n_frames", 1))
    except DAMAGED:
        return None


def _dpi(image: PIL.Image.Image) -> list[float] | None:
    stored = image.info.get("dpi")
    if not isinstance(stored, tuple) or len(stored) != 2:
        return None
    dpi = [_number(side) for side in stored]
    return [float(side) for side in dpi if side is not None and side > 0] if all(dpi) else None


def _color_profile(image: PIL.Image.Image) -> str | None:
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not profile:
        return None
    try:
        opened = PIL.ImageCms.ImageCmsProfile(BytesIO(profile))
        return PIL.ImageCms.getProfileDescription(opened).strip()[:MAX_TEXT] or None
    except (PIL.ImageCms.PyCMSError, *DAMAGED):
        return None
