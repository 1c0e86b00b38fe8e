"""Fit an image into a model's input without distorting it, and bring boxes back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import PIL.Image

# The grey that YOLO models see around images in training (Ultralytics, YOLOv5 `letterbox`).
PADDING = (114, 114, 114)

Boxes = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where an image of `width` × `height` lies, scaled, in a model's input. All in pixels."""

    width: int
    height: int
    scaled_width: int
    scaled_height: int
    left: int
    top: int

    @classmethod
    def fit(cls, size: tuple[int, int], width: int, height: int) -> Letterbox:
        """Place an image of `size` (width, height) centred in an input of width × height."""
        scale = min(width / size[0], height / size[1])
        scaled_width, scaled_height = (max(1, round(side * scale)) for side in size)
        return cls(*size, scaled_width, scaled_height, (width - scaled_width) // 2, (height - scaled_height) // 2)

    def apply(self, image: PIL.Image.Image, width: int, height: int) -> npt.NDArray[np.float32]:
        """The RGB image as 1 × 3 × height × width, float32, 0 to 1."""
        size = self.scaled_width, self.scaled_height
        canvas = PIL.Image.new("RGB", (width, height), PADDING)
        canvas.paste(image.resize(size, PIL.Image.Resampling.BILINEAR, reducing_gap=3.0), (self.left, self.top))
        planes = np.asarray(canvas, dtype=np.float32).transpose(2, 0, 1) / 255
        return np.ascontiguousarray(planes[np.newaxis])

    def to_image(self, corners: Boxes) -> Boxes:
        """N × 4 corners (x1, y1, x2, y2) of the input, in pixels of the image and cut at its edges."""
        offset = np.array([self.left, self.top] * 2, dtype=np.float32)
        factor = np.array([self.width / self.scaled_width, self.height / self.scaled_height] * 2, dtype=np.float32)
        edges = np.array([self.width, self.height] * 2, dtype=np.float32)
        inside: Boxes = np.clip((corners - offset) * factor, 0, edges)
        return inside
