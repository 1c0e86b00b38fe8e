"""The image a plugin is given: its bytes, decoded once and only when asked for."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sightgate.errors import Unavailable, UndecodableImage

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")

# The server has judged the pixel count by its own setting; this only stops what no server would let through.
# Pillow warns above it and refuses above twice as much.
MAX_PIXELS = 2**29

# What Pillow's readers raise on hostile bytes. MemoryError is no fault of the image and passes through.
_BROKEN_IMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    EOFError,
    NotImplementedError,
    struct.error,
    zlib.error,
)

_limit_lock = threading.Lock()
_decoders = 0
_limit_before: int | None = None


class Image:
    """One image. Pixels are upright by EXIF orientation, the first frame or page, 8-bit RGB.

    How other pixels become RGB: transparency (alpha, palette or colour key) is laid over white; palettes and 1-bit
    images are expanded; CMYK, YCbCr and Lab are converted; 16-bit grey keeps its upper 8 bits; floating grey
    within 0..1 is scaled to 0..255; other 32-bit grey is kept if it fits 0..255, else its own range is stretched to it.

    `pil` and `array` raise UndecodableImage if the bytes cannot be decoded to the end, and Unavailable if Pillow or
    NumPy is not installed in the plugin's environment.
    """

    def __init__(self, data: bytes, mime_type: str) -> None:
        self.data = data
        self.mime_type = mime_type

    def __repr__(self) -> str:
        return f"Image({len(self.data)} bytes, {self.mime_type!r})"

    @cached_property
    def pil(self) -> PIL.Image.Image:
        """The image as a Pillow image of mode RGB. Shared by all who ask: copy it before drawing on it."""
        return _decode(self.data)

    @cached_property
    def array(self) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
        """The pixels as a read-only NumPy array, height × width × 3, uint8, RGB."""
        array: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]] = _numpy().asarray(self.pil)
        array.flags.writeable = False
        return array

    @property
    def width(self) -> int:
        """Width of the upright image in pixels."""
        return self.pil.width

    @property
    def height(self) -> int:
        """Height of the upright image in pixels."""
        return self.pil.height


def _decode(data: bytes) -> PIL.Image.Image:
    pillow = _pillow()
    try:
        with _pixel_limit(pillow), pillow.open(io.BytesIO(data), formats=FORMATS) as opened:
            opened.load()
            _turn_upright(opened)
            return _to_rgb(opened)
    except (*_BROKEN_IMAGE, pillow.DecompressionBombError, pillow.DecompressionBombWarning) as broken:
        raise UndecodableImage(f"the image cannot be decoded: {_reason(broken)}") from broken


def _reason(broken: BaseException) -> str:
    # Pillow names the in-memory file by its address, which means nothing to a caller.
    if "cannot identify" in str(broken):
        return "it is none of " + ", ".join(FORMATS)
    return str(broken)[:200] or type(broken).__name__


@contextmanager
def _pixel_limit(pillow: Any) -> Iterator[None]:
    # Pillow's limit is one for the process and lower than the server's. It is put back when the last decoder leaves,
    # since a plugin may open images of its own; decoders do not wait for each other.
    global _decoders, _limit_before
    with _limit_lock:
        if _decoders == 0:
            _limit_before, pillow.MAX_IMAGE_PIXELS = pillow.MAX_IMAGE_PIXELS, MAX_PIXELS
        _decoders += 1
    try:
        yield
    finally:
        with _limit_lock:
            _decoders -= 1
            if _decoders == 0:
                pillow.MAX_IMAGE_PIXELS = _limit_before


def _turn_upright(image: PIL.Image.Image) -> None:
    from PIL import ImageOps

    try:
        ImageOps.exif_transpose(image, in_place=True)
    except _BROKEN_IMAGE:
        # Broken metadata does not spoil the pixels; an orientation that cannot be read is none.
        return


def _to_rgb(image: PIL.Image.Image) -> PIL.Image.Image:
    if image.mode.startswith(("I", "F")):
        return _grey_to_8_bit(image).convert("RGB")
    if image.has_transparency_data:
        return _over_white(image.convert("RGBA"))
    return image.convert("RGB")


def _over_white(image: PIL.Image.Image) -> PIL.Image.Image:
    opaque: PIL.Image.Image = _pillow().new("RGB", image.size, (255, 255, 255))
    opaque.paste(image, mask=image.getchannel("A"))
    return opaque


def _grey_to_8_bit(image: PIL.Image.Image) -> PIL.Image.Image:
    wide = image.convert("F")
    if image.mode.startswith("I;16"):
        return wide.point(lambda value: value * (1 / 256) + 0).convert("L")
    low, high = _range(image, wide)
    scale = 255 / (high - low) if high > low else 0.0
    return wide.point(lambda value: value * scale - low * scale).convert("L")


def _range(image: PIL.Image.Image, wide: PIL.Image.Image) -> tuple[float, float]:
    """Return the values that shall become black and white."""
    low, high = (float(bound) for bound in wide.getextrema() if not isinstance(bound, tuple))
    if low >= 0 and high <= 1 and image.mode == "F":
        return 0.0, 1.0
    return (0.0, 255.0) if low >= 0 and high <= 255 else (low, high)


def _pillow() -> Any:
    try:
        import PIL.Image
    except ModuleNotFoundError as missing:
        raise Unavailable("the image cannot be decoded without Pillow: pip install pillow") from missing
    return PIL.Image


def _numpy() -> Any:
    try:
        import numpy
    except ModuleNotFoundError as missing:
        raise Unavailable("the image cannot be given as an array without NumPy: pip install numpy") from missing
    return numpy
