"""The `faces` plugin: finds frontal faces with the Haar cascade that the OpenCV 4 wheel carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import sightgate

if TYPE_CHECKING:
    import cv2
    import numpy as np
    import numpy.typing as npt
    import PIL.Image

CASCADE = "haarcascade_frontalface_alt2.xml"
# The cascade was trained on 20 × 20 pixels and finds nothing smaller.
TRAINED_SIDE = 20


@dataclass(frozen=True)
class Options:
    """What counts as a face, and how closely to look."""

    min_size: Annotated[
        int, sightgate.Field(ge=20, le=10_000, description="Smallest face, in pixels of the upright image.")
    ] = 24
    min_support: Annotated[
        int, sightgate.Field(ge=1, le=100, description="Overlapping hits that make a face; more means fewer mistakes.")
    ] = 5
    search_side: Annotated[
        int,
        sightgate.Field(ge=100, le=4000, description="A larger image is searched scaled down to this longest side."),
    ] = 1280
    max_faces: Annotated[int, sightgate.Field(ge=1, le=1000, description="Return at most this many.")] = 100


@dataclass(frozen=True)
class Face:
    """`support` counts the overlapping windows that the cascade took for this face. It ranks faces within an image.

    It is no probability, and the cascade has none, so the box carries no score.
    """

    box: sightgate.Box
    support: int


@dataclass(frozen=True)
class Result:
    """Faces, the best supported first."""

    faces: list[Face]


class Faces(sightgate.Plugin):
    """P. Viola and M. Jones, Rapid Object Detection using a Boosted Cascade of Simple Features, CVPR 2001."""

    name = "faces"
    version = "0.1.0"
    description = "Finds upright, frontal faces. Fast and offline; misses profiles and tilted or covered faces."
    limits: Mapping[str, float] = {"timeout_s": 30, "memory_mb": 1536, "workers": 1}
    requires = ("PIL", "numpy", "cv2")

    _cascade: cv2.CascadeClassifier

    def load(self) -> None:
        import cv2

        folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
        if not folder or not hasattr(cv2, "CascadeClassifier"):
            raise sightgate.Unavailable("this OpenCV has no Haar cascades: pip install 'opencv-python-headless<5'")
        self._cascade = cv2.CascadeClassifier(folder + CASCADE)
        if self._cascade.empty():
            raise sightgate.Unavailable(f"OpenCV cannot read its own {CASCADE}: reinstall 'opencv-python-headless<5'")

    def analyze(self, image: sightgate.Image, options: Options) -> Result:
        scale = min(1.0, options.search_side / max(image.width, image.height))
        side = max(TRAINED_SIDE, round(options.min_size * scale))
        windows, support = self._cascade.detectMultiScale2(
            _search_image(image.pil, scale), scaleFactor=1.1, minNeighbors=options.min_support, minSize=(side, side)
        )
        found = [_face(window, hits, scale) for window, hits in zip(windows, support, strict=True)]
        found.sort(key=lambda face: -face.support)
        return Result(found[: options.max_faces])


def _search_image(image: PIL.Image.Image, scale: float) -> npt.NDArray[np.uint8]:
    """Luma with equalized histogram, which evens out the light as in the cascade's training."""
    import cv2
    import numpy as np

    gray = image.convert("L")
    if scale < 1:
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        gray = gray.resize(size, reducing_gap=3.0)
    return np.asarray(cv2.equalizeHist(np.asarray(gray)), dtype=np.uint8)


def _face(window: Sequence[int], support: int, scale: float) -> Face:
    x, y, width, height = (float(value) / scale for value in window)
    return Face(sightgate.Box(x, y, width, height, label="face"), int(support))
