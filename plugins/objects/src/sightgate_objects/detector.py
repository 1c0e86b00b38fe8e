"""One opened ONNX model."""

from __future__ import annotations

import ast
import os
from collections.abc import Set

import numpy as np
import onnxruntime
import PIL.Image
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

import sightgate
from sightgate_objects.decode import Floats, Output, choose_layout, decode, suppress
from sightgate_objects.letterbox import Letterbox
from sightgate_objects.settings import Settings

_INPUT_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
# ONNX Runtime's errors have no common class of their own below Exception.
_NOT_USABLE = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


class Detector:
    """Opens the model, finds out its layout by running it once, and detects.

    Raises Unavailable when the file is no ONNX model or the model is no YOLO-style detector.
    """

    def __init__(self, settings: Settings) -> None:
        self._session = _open(settings)
        model_input = self._session.get_inputs()[0]
        self._input_name, self._output_name = model_input.name, self._session.get_outputs()[0].name
        if model_input.type not in _INPUT_TYPES:
            raise sightgate.Unavailable(f"the model wants {model_input.type}, not images as float or float16")
        self._dtype = _INPUT_TYPES[model_input.type]
        self._width, self._height = _input_size(model_input.shape, settings.input_size)
        labels = settings.labels or _own_labels(self._session)
        shape = self._try_once().shape
        chosen = choose_layout(shape, len(labels)) if settings.layout == "auto" else _told(settings, shape)
        if chosen is None or (labels and len(labels) != chosen[1]):
            raise sightgate.Unavailable(
                f"the model's output {list(shape)} with {len(labels)} labels is neither yolov8 [1, 4+classes, N] nor "
                "yolov5 [1, N, 5+classes]; see config.labels and config.layout"
            )
        self._layout, classes = chosen
        self.labels: list[str] = list(labels) or [f"class_{number}" for number in range(classes)]

    def detect(
        self, image: PIL.Image.Image, min_score: float, max_overlap: float, wanted: Set[str]
    ) -> list[sightgate.Box]:
        """Boxes in pixels of `image` (RGB), the surest first; `wanted` names the classes, empty for all."""
        letterbox = Letterbox.fit(image.size, self._width, self._height)
        output = self._infer(letterbox.apply(image, self._width, self._height))
        found = suppress(decode(output, self._layout, min_score), max_overlap)
        corners = letterbox.to_image(found.corners)
        boxes = []
        for (left, top, right, bottom), score, number in zip(
            corners.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True
        ):
            label = self.labels[number]
            if right > left and bottom > top and (not wanted or label in wanted):
                boxes.append(sightgate.Box(left, top, right - left, bottom - top, label=label, score=score))
        return boxes

    def _infer(self, pixels: Floats) -> Floats:
        outputs = self._session.run([self._output_name], {self._input_name: pixels.astype(self._dtype, copy=False)})
        return np.asarray(outputs[0])

    def _try_once(self) -> Floats:
        try:
            return self._infer(np.zeros((1, 3, self._height, self._width), dtype=np.float32))
        except _NOT_USABLE as unusable:
            raise sightgate.Unavailable(
                f"the model does not run on {self._width} × {self._height} pixels ({type(unusable).__name__}); "
                "see config.input_size"
            ) from unusable


def _open(settings: Settings) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # ONNX Runtime does not follow OMP_NUM_THREADS by itself; 0 leaves the number to it.
    threads = os.environ.get("OMP_NUM_THREADS", "")
    options.intra_op_num_threads = int(threads) if threads.isdecimal() else 0
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(settings.model), options, providers=["CPUExecutionProvider"])
    except _NOT_USABLE as unusable:
        raise sightgate.Unavailable(
            f"{settings.model.name!r} is no usable ONNX model ({type(unusable).__name__})"
        ) from unusable


def _input_size(shape: list[int | str | None], default: int) -> tuple[int, int]:
    """Width and height of a batch × 3 × height × width input; open sizes take the default."""
    if len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != 3):
        raise sightgate.Unavailable(f"the model's input {shape} is not [1, 3, height, width]")
    height, width = (side if isinstance(side, int) and side > 0 else default for side in shape[2:])
    return width, height


def _own_labels(session: onnxruntime.InferenceSession) -> tuple[str, ...]:
    """The names in the model's metadata, as Ultralytics writes them: `{0: 'person', 1: 'bicycle'}` or a list."""
    try:
        names = ast.literal_eval(session.get_modelmeta().custom_metadata_map.get("names", "()"))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    if isinstance(names, dict):
        names = [names[number] for number in sorted(names)] if all(isinstance(n, int) for n in names) else ()
    return tuple(str(name) for name in names) if isinstance(names, list | tuple) else ()


def _told(settings: Settings, shape: tuple[int, ...]) -> tuple[Output, int] | None:
    """The layout that the settings name, and the number of classes."""
    if settings.layout == "auto" or len(shape) != 3 or shape[0] != 1:
        return None
    classes = shape[1] - 4 if settings.layout == "yolov8" else shape[2] - 5
    return (settings.layout, classes) if classes > 0 else None
