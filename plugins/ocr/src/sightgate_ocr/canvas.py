"""The array that the OCR engine reads, and the way back to the pixels of the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import PIL.Image

# The engine scales the short side up to 736 pixels. Bounding the shape bounds what that can cost: 736 × 2,208 pixels.
MIN_SIDE = 32
MAX_ASPECT = 3


@dataclass(frozen=True, slots=True)
class Canvas:
    """`pixels`: height × width × 3, uint8, BGR. The image lies at its top left, scaled by `scale`."""

    pixels: npt.NDArray[np.uint8]
    scale: float
    width: int
    height: int

    def to_image(self, x: float, y: float) -> tuple[float, float]:
        """A point of the canvas in pixels of the image, never outside it."""
        return min(max(x / self.scale, 0.0), self.width), min(max(y / self.scale, 0.0), self.height)


def make_canvas(image: PIL.Image.Image, max_side: int) -> Canvas:
    """Scale an RGB image down to `max_side` and pad what is too small or too narrow with its median colour.

    RapidOCR scales for itself too, but to multiples of 32 (it gives up below 16) and forgets one of two scalings.
    """
    scale = min(1.0, max_side / max(image.size))
    if scale < 1:
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        scaled = image.resize(size, PIL.Image.Resampling.BICUBIC, reducing_gap=3.0)
    else:
        scaled = image
    shortest = max(MIN_SIDE, -(-max(scaled.size) // MAX_ASPECT))
    down, right = (max(0, shortest - side) for side in (scaled.height, scaled.width))
    pixels = np.asarray(scaled)[:, :, ::-1]
    if down or right:
        # Not the last row repeated: letters cut at the edge would grow into lines.
        padded = np.empty((scaled.height + down, scaled.width + right, 3), dtype=np.uint8)
        padded[:] = np.median(pixels, axis=(0, 1))
        padded[: scaled.height, : scaled.width] = pixels
        pixels = padded
    return Canvas(np.ascontiguousarray(pixels), scale, image.width, image.height)
