"""The measures, each with its source. Images are height × width, uint8."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image

from sightgate_quality import Contrast, Exposure, Noise, Sharpness

Gray = npt.NDArray[np.uint8]

# Sharpness depends on size: one size makes images comparable, and this one keeps what a reader sees on a screen.
SHARPNESS_SIDE = 1024
# Noise does not survive scaling down, so it is measured on a cut-out at full size, no larger than this.
NOISE_SIDE = 2048
SHADOW, HIGHLIGHT = 5, 250
IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)


def luma(image: PIL.Image.Image) -> PIL.Image.Image:
    """ITU-R BT.601 luma: 0.299 R + 0.587 G + 0.114 B, as an image of mode L."""
    return image.convert("L")


def pixels(luma: PIL.Image.Image) -> Gray:
    """The luma's pixels."""
    return np.asarray(luma)


def sharpness(gray: Gray) -> Sharpness:
    """Variance of the Laplacian, and Tenengrad: the mean squared Sobel gradient.

    J. L. Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, ICPR 2000 (Laplacian variance);
    E. Krotkov, Focusing, International Journal of Computer Vision 1, 1987 (Tenengrad).
    """
    scaled = _scaled_down(gray, SHARPNESS_SIDE)
    laplacian = cv2.Laplacian(scaled, cv2.CV_32F, ksize=1)
    across, down = (cv2.Sobel(scaled, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    return Sharpness(float(laplacian.var(dtype=np.float64)), float(np.mean(across**2 + down**2, dtype=np.float64)))


def exposure_and_contrast(counts: list[int]) -> tuple[Exposure, Contrast]:
    """Both follow from `counts`, the pixels of each of the 256 levels.

    RMS contrast: E. Peli, Contrast in complex images, JOSA A 7(10), 1990. Michelson contrast: A. A. Michelson, Studies
    in Optics, 1927, here between the 1st and the 99th percentile. Entropy: C. E. Shannon, 1948.
    """
    share = np.array(counts) / sum(counts)
    levels = np.arange(256) / 255
    mean = float(share @ levels)
    low, middle, high = (_percentile(share, part) for part in (0.01, 0.5, 0.99))
    used = share[share > 0]
    exposure = Exposure(mean, middle, float(share[: SHADOW + 1].sum()), float(share[HIGHLIGHT:].sum()))
    contrast = Contrast(
        rms=math.sqrt(float(share @ (levels - mean) ** 2)),
        michelson=(high - low) / (high + low) if high + low > 0 else 0.0,
        entropy=abs(float(used @ np.log2(used))),
    )
    return exposure, contrast


def noise(gray: Gray) -> Noise:
    """σ = √(π/2) / (6 (W−2) (H−2)) · Σ |I ∗ N|, on the central 2048 × 2048 pixels of a larger image.

    J. Immerkær, Fast Noise Variance Estimation, Computer Vision and Image Understanding 64(2), 1996. N is the
    difference of two Laplacians, which is blind to even surfaces and straight edges.
    """
    centre = _centre(gray, NOISE_SIDE)
    height, width = centre.shape
    if width < 3 or height < 3:
        return Noise(None)
    response = np.abs(cv2.filter2D(centre, cv2.CV_32F, IMMERKAER)[1:-1, 1:-1])
    total = float(response.sum(dtype=np.float64))
    return Noise(math.sqrt(math.pi / 2) * total / (6 * (width - 2) * (height - 2)))


def _percentile(share: npt.NDArray[np.float64], part: float) -> float:
    return float(np.searchsorted(np.cumsum(share), part - 1e-9)) / 255


def _scaled_down(gray: Gray, side: int) -> Gray:
    factor = side / max(gray.shape)
    if factor >= 1:
        return gray
    height, width = (max(1, round(length * factor)) for length in gray.shape)
    return np.asarray(cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _centre(gray: Gray, side: int) -> Gray:
    top, left = (max(0, (length - side) // 2) for length in gray.shape)
    return gray[top : top + side, left : left + side]
