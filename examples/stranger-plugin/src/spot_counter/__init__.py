"""Round, bright spots: cells, stars, lamps. A plugin for Sightgate, from outside its repository."""

import math
from dataclasses import dataclass
from typing import Annotated, Any

import sightgate


@dataclass(frozen=True)
class Options:
    """What counts as a spot."""

    min_radius: Annotated[float, sightgate.Field(ge=1, le=500, description="Smallest radius, pixels.")] = 3
    max_radius: Annotated[float, sightgate.Field(ge=1, le=500, description="Largest radius, pixels.")] = 30
    contrast: Annotated[float, sightgate.Field(gt=0, le=1, description="Least contrast to the surroundings.")] = 0.1


@dataclass(frozen=True)
class Result:
    """The spots, the largest first."""

    count: int
    spots: list[sightgate.Box]


class Spots(sightgate.Plugin):
    """Difference of Gaussians (D. Lowe, IJCV 2004), by scikit-image; a spot's radius is √2 σ."""

    name = "spots"
    version = "1.2.0"
    description = "Round, bright spots with their places and sizes."
    limits = {"timeout_s": 60, "memory_mb": 2048}
    requires = ("skimage",)

    def load(self, config: dict[str, Any]) -> None:
        from skimage import feature

        self._find = feature.blob_dog
        self._most_pixels = int(config.get("most_pixels", 4_000_000))

    def analyze(self, image: sightgate.Image, options: Options) -> Result:
        if options.min_radius > options.max_radius:
            raise sightgate.InvalidOptions("min_radius is larger than max_radius", field="min_radius")
        if image.width * image.height > self._most_pixels:
            raise sightgate.InputError(f"the image has more than {self._most_pixels} pixels; scale it down")
        found = self._find(
            image.array.mean(axis=2) / 255,
            min_sigma=options.min_radius / math.sqrt(2),
            max_sigma=options.max_radius / math.sqrt(2),
            threshold=options.contrast,
        )
        spots = [_box(*(float(value) for value in spot)) for spot in sorted(found, key=lambda spot: -spot[2])]
        return Result(len(spots), spots)


def _box(y: float, x: float, sigma: float) -> sightgate.Box:
    radius = sigma * math.sqrt(2)
    return sightgate.Box(x - radius, y - radius, 2 * radius, 2 * radius, label="spot")
