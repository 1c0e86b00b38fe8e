"""The `quality` plugin: how sharp, how well exposed, how contrasty and how noisy an image is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import sightgate

Issue = Literal["blurry", "dark", "bright", "clipped_shadows", "clipped_highlights", "low_contrast", "noisy"]


@dataclass(frozen=True)
class Options:
    """Where `issues` begin. The defaults are rules of thumb for photographs; set them on your own images."""

    min_sharpness: Annotated[
        float, sightgate.Field(ge=0, description="Below this Laplacian variance the image is `blurry`.")
    ] = 100.0
    min_brightness: Annotated[
        float, sightgate.Field(ge=0, le=1, description="Below this mean luma the image is `dark`.")
    ] = 0.15
    max_brightness: Annotated[
        float, sightgate.Field(ge=0, le=1, description="Above this mean luma the image is `bright`.")
    ] = 0.85
    max_clipped: Annotated[
        float, sightgate.Field(ge=0, le=1, description="Above this share of clipped pixels they are an issue.")
    ] = 0.25
    min_contrast: Annotated[
        float, sightgate.Field(ge=0, le=1, description="Below this RMS contrast the image is `low_contrast`.")
    ] = 0.08
    max_noise: Annotated[
        float, sightgate.Field(ge=0, le=255, description="Above this noise, in grey levels, the image is `noisy`.")
    ] = 10.0


@dataclass(frozen=True)
class Sharpness:
    """Larger is sharper. Measured with the longest side scaled down to 1024 pixels, in grey levels 0 to 255."""

    laplacian_variance: float
    tenengrad: float


@dataclass(frozen=True)
class Exposure:
    """`mean` and `median` luma from 0 (black) to 1 (white); shares of pixels at either end of the scale."""

    mean: float
    median: float
    clipped_shadows: float
    clipped_highlights: float


@dataclass(frozen=True)
class Contrast:
    """`rms`: 0 to 0.5; `michelson`: 0 to 1; `entropy`: 0 to 8 bits."""

    rms: float
    michelson: float
    entropy: float


@dataclass(frozen=True)
class Noise:
    """Standard deviation of the noise in grey levels; fine texture counts as noise. None below 3 × 3 pixels."""

    sigma: float | None


@dataclass(frozen=True)
class Result:
    """The four measures, and what they say against the thresholds in the options."""

    sharpness: Sharpness
    exposure: Exposure
    contrast: Contrast
    noise: Noise
    issues: list[Issue]


class Quality(sightgate.Plugin):
    """Measures on the luma of the upright image, without a reference and without a learned model."""

    name = "quality"
    version = "0.1.0"
    description = "Sharpness, exposure, contrast and noise of an image."
    limits: Mapping[str, float] = {"timeout_s": 20, "memory_mb": 1536, "workers": 1}
    requires = ("PIL", "numpy", "cv2")

    def load(self) -> None:
        import sightgate_quality.measures  # noqa: F401  (the first call should not pay for the import)

    def analyze(self, image: sightgate.Image, options: Options) -> Result:
        from sightgate_quality import measures

        luma = measures.luma(image.pil)
        exposure, contrast = measures.exposure_and_contrast(luma.histogram())
        gray = measures.pixels(luma)
        sharpness, noise = measures.sharpness(gray), measures.noise(gray)
        return Result(sharpness, exposure, contrast, noise, find_issues(sharpness, exposure, contrast, noise, options))


def find_issues(
    sharpness: Sharpness, exposure: Exposure, contrast: Contrast, noise: Noise, options: Options
) -> list[Issue]:
    """The issues that the measures and thresholds give, in a fixed order."""
    holds: dict[Issue, bool] = {
        "blurry": sharpness.laplacian_variance < options.min_sharpness,
        "dark": exposure.mean < options.min_brightness,
        "bright": exposure.mean > options.max_brightness,
        "clipped_shadows": exposure.clipped_shadows > options.max_clipped,
        "clipped_highlights": exposure.clipped_highlights > options.max_clipped,
        "low_contrast": contrast.rms < options.min_contrast,
        "noisy": noise.sigma is not None and noise.sigma > options.max_noise,
    }
    return [issue for issue, found in holds.items() if found]
