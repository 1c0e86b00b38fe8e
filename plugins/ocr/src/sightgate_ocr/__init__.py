"""The `ocr` plugin: reads text with RapidOCR, whose models come in its wheel."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import sightgate

if TYPE_CHECKING:
    import rapidocr_onnxruntime

    from sightgate_ocr.canvas import Canvas


@dataclass(frozen=True)
class Options:
    """How sure the reader must be, and how closely it looks."""

    min_score: Annotated[
        float, sightgate.Field(ge=0, le=1, description="Leave out regions whose text is less sure than this.")
    ] = 0.5
    min_detection_score: Annotated[
        float, sightgate.Field(ge=0.05, le=1, description="How sure a region must be to be read at all.")
    ] = 0.3
    max_side: Annotated[
        int, sightgate.Field(ge=200, le=4000, description="A larger image is read scaled down to this longest side.")
    ] = 2000
    max_regions: Annotated[int, sightgate.Field(ge=1, le=1000, description="Return at most this many regions.")] = 1000


@dataclass(frozen=True)
class Result:
    """`text` is the regions' text, one line each, from top to bottom and left to right.

    A region's score is the recognizer's mean confidence over its characters, 0 to 1, not a calibrated probability.
    """

    text: str
    regions: list[sightgate.TextRegion]


class Ocr(sightgate.Plugin):
    """PP-OCRv4: a detector (DBNet), a classifier for text upside down, and a recognizer (SVTR), on the CPU."""

    name = "ocr"
    version = "0.1.0"
    description = "Reads printed text, Latin and Chinese: regions with text, polygon and score."
    limits: Mapping[str, float] = {"timeout_s": 60, "memory_mb": 3072, "workers": 1}
    requires = ("PIL", "numpy", "cv2", "onnxruntime", "rapidocr_onnxruntime")

    _engine: rapidocr_onnxruntime.RapidOCR

    def load(self) -> None:
        import rapidocr_onnxruntime

        import sightgate_ocr.canvas  # noqa: F401  (the first call should not pay for the import)

        # ONNX Runtime does not follow OMP_NUM_THREADS by itself; -1 leaves the number to it.
        threads = os.environ.get("OMP_NUM_THREADS", "")
        self._engine = rapidocr_onnxruntime.RapidOCR(
            intra_op_num_threads=int(threads) if threads.isdecimal() and threads != "0" else -1, inter_op_num_threads=1
        )

    def analyze(self, image: sightgate.Image, options: Options) -> Result:
        from sightgate_ocr.canvas import make_canvas

        canvas = make_canvas(image.pil, options.max_side)
        found, _ = self._engine(
            canvas.pixels, box_thresh=options.min_detection_score, text_score=options.min_score, unclip_ratio=1.6
        )
        regions = [_region(corners, text, score, canvas) for corners, text, score in found or []]
        regions = [region for region in regions if region.text.strip()][: options.max_regions]
        return Result("\n".join(region.text for region in regions), regions)


def _region(corners: list[list[float]], text: str, score: float, canvas: Canvas) -> sightgate.TextRegion:
    points = [sightgate.Point(*canvas.to_image(x, y)) for x, y in corners]
    return sightgate.TextRegion(text, points, score=float(score))
