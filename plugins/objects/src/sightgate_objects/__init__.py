"""The `objects` plugin: detects objects with a YOLO-style ONNX model that the operator provides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import sightgate

if TYPE_CHECKING:
    from sightgate_objects.detector import Detector

HOW = "set `config.model` under [objects] in plugins.toml in the data folder to the path of a YOLO-style ONNX model"


@dataclass(frozen=True)
class Options:
    """Which detections to return."""

    min_score: Annotated[float, sightgate.Field(ge=0, le=1, description="Leave out less sure detections.")] = 0.25
    max_overlap: Annotated[
        float,
        sightgate.Field(ge=0, le=1, description="Of two boxes of one class that overlap more (IoU), the surer stays."),
    ] = 0.45
    labels: Annotated[
        list[str], sightgate.Field(max_length=1000, description="Return only these classes; empty for all.")
    ] = field(default_factory=list)
    max_objects: Annotated[int, sightgate.Field(ge=1, le=1000, description="Return at most this many.")] = 100


@dataclass(frozen=True)
class Result:
    """Boxes, the surest first. Scores are the model's own confidence, 0 to 1, not calibrated."""

    objects: list[sightgate.Box]


class Objects(sightgate.Plugin):
    """Runs one ONNX model on the CPU. Settings (`config`): model, labels, layout, input_size; see the README."""

    name = "objects"
    version = "0.1.0"
    description = "Detects objects with a YOLO-style ONNX model that the operator provides."
    limits: Mapping[str, float] = {"timeout_s": 30, "memory_mb": 2048, "workers": 1}
    requires = ("PIL", "numpy", "onnxruntime")

    _detector: Detector

    def unavailable(self, config: Mapping[str, object]) -> str | None:
        """None, or how to configure the plugin. Cheap: looks at the file's name, not into it."""
        model = config.get("model")
        if not model:
            return f"there is no model: {HOW}"
        if not isinstance(model, str):
            return f"`config.model` is not a text: {HOW}"
        if not Path(model).is_file():
            return f"the model file {Path(model).name!r} is not there: {HOW}"
        return None

    def load(self, config: Mapping[str, object]) -> None:
        """Open the model and run it once. Raises Unavailable with what is wrong with the model or the settings."""
        from sightgate_objects.detector import Detector
        from sightgate_objects.settings import Settings

        reason = self.unavailable(config)
        if reason is not None:
            raise sightgate.Unavailable(reason)
        self._detector = Detector(Settings.from_config(config))

    def analyze(self, image: sightgate.Image, options: Options) -> Result:
        unknown = sorted(set(options.labels) - set(self._detector.labels))
        if unknown:
            raise sightgate.InvalidOptions(
                f"labels: the model has no class {unknown[0][:60]!r}", field="labels", known=self._detector.labels[:200]
            )
        found = self._detector.detect(image.pil, options.min_score, options.max_overlap, set(options.labels))
        return Result(found[: options.max_objects])
