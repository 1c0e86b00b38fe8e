"""The operator's settings of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import sightgate

Layout = Literal["auto", "yolov5", "yolov8"]
LAYOUTS = ("auto", "yolov5", "yolov8")
KNOWN = ("model", "labels", "layout", "input_size")


@dataclass(frozen=True, slots=True)
class Settings:
    """`labels` is empty where the model's metadata shall say; `input_size` is for models that leave it open."""

    model: Path
    labels: tuple[str, ...] = ()
    layout: Layout = "auto"
    input_size: int = 640

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Settings:
        """Read a config table; raises Unavailable naming the setting that is wrong."""
        unknown = sorted(set(config) - set(KNOWN))
        if unknown:
            raise sightgate.Unavailable(f"config.{unknown[0]} is no setting; there are {', '.join(KNOWN)}")
        layout, size = config.get("layout", "auto"), config.get("input_size", 640)
        if layout not in LAYOUTS:
            raise sightgate.Unavailable(f"config.layout must be one of {', '.join(LAYOUTS)}")
        if not isinstance(size, int) or isinstance(size, bool) or not 32 <= size <= 4096 or size % 32:
            raise sightgate.Unavailable("config.input_size must be a multiple of 32 from 32 to 4096")
        return cls(Path(str(config["model"])), _labels(config.get("labels")), cast(Layout, layout), size)


def _labels(labels: object) -> tuple[str, ...]:
    """Class names in the order of the model's classes: a list, or the path of a text file with one name a line."""
    if labels is None:
        return ()
    if isinstance(labels, list) and all(isinstance(label, str) for label in labels):
        return tuple(labels)
    if not isinstance(labels, str):
        raise sightgate.Unavailable("config.labels must be a list of names or the path of a file with one name a line")
    try:
        lines = Path(labels).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as unreadable:
        raise sightgate.Unavailable(f"config.labels cannot be read: {type(unreadable).__name__}") from unreadable
    return tuple(line.strip() for line in lines if line.strip())
