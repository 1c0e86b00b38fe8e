"""From a YOLO model's output to boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Output = Literal["yolov5", "yolov8"]
Indices = npt.NDArray[np.intp]

# The overlap test compares each kept box with all that are left; this bounds a model that is sure of everything.
MAX_CANDIDATES = 5000


@dataclass(frozen=True, slots=True)
class Candidates:
    """`corners`: N × 4 (x1, y1, x2, y2) in input pixels; `scores`: N, 0 to 1; `classes`: N class numbers."""

    corners: Floats
    scores: Floats
    classes: Indices

    def pick(self, chosen: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Candidates:
        return Candidates(self.corners[chosen], self.scores[chosen], self.classes[chosen])


def choose_layout(shape: tuple[int, ...], labels: int) -> tuple[Output, int] | None:
    """Layout and number of classes of an output of `shape`; None if it is neither.

    yolov8: 1 × (4 + classes) × N. yolov5: 1 × N × (5 + classes). `labels` is the number of known class names, or 0;
    then the shorter side is taken for the attributes, since a model has far more candidate boxes than classes.
    """
    if len(shape) != 3 or shape[0] != 1:
        return None
    rows, columns = shape[1:]
    if labels:
        return ("yolov8", labels) if rows == 4 + labels else ("yolov5", labels) if columns == 5 + labels else None
    if rows < columns:
        return ("yolov8", rows - 4) if rows > 4 else None
    return ("yolov5", columns - 5) if columns > 5 else None


def decode(output: Floats, layout: Output, min_score: float) -> Candidates:
    """Candidates of at least `min_score`: the class score, in yolov5 times the objectness."""
    rows = output[0].T if layout == "yolov8" else output[0]
    rows = rows.astype(np.float32, copy=False)
    per_class = rows[:, 4:] if layout == "yolov8" else rows[:, 5:] * rows[:, 4:5]
    classes = per_class.argmax(axis=1)
    scores = per_class[np.arange(len(rows)), classes]
    sure = (scores >= min_score) & np.isfinite(rows[:, :4]).all(axis=1)
    centre, size = rows[sure, :2], rows[sure, 2:4]
    corners = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    return Candidates(corners, np.clip(scores[sure], 0, 1), classes[sure])


def suppress(candidates: Candidates, max_overlap: float) -> Candidates:
    """Greedy non-maximum suppression within each class, the surest first."""
    ranked = candidates.pick(np.argsort(-candidates.scores, kind="stable")[:MAX_CANDIDATES])
    left = np.arange(len(ranked.scores))
    kept: list[int] = []
    while left.size:
        best, rest = int(left[0]), left[1:]
        kept.append(best)
        same_class = ranked.classes[rest] == ranked.classes[best]
        left = rest[~(same_class & (overlap(ranked.corners[best], ranked.corners[rest]) > max_overlap))]
    return ranked.pick(np.array(kept, dtype=np.intp))


def overlap(box: Floats, others: Floats) -> Floats:
    """Intersection over union of one box (4) with N others (N × 4); 0 where both are empty."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - shared
    ratio: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratio
