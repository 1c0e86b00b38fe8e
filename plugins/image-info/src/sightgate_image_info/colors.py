"""Colour figures of an RGB image."""

from __future__ import annotations

import PIL.Image

from sightgate_image_info import Color, Histogram

# Dominant colours do not need every pixel: 128 × 128 keeps areas down to 0.01 % and costs the same for any image.
SAMPLE_SIDE = 128
KMEANS_ROUNDS = 4


def dominant_colors(image: PIL.Image.Image, count: int) -> list[Color]:
    """At most `count` colours, the most frequent first; their shares sum to 1.

    Median cut (P. Heckbert, Color Image Quantization for Frame Buffer Display, SIGGRAPH 1982), then k-means, both
    Pillow's.
    """
    sample = image.copy() if max(image.size) <= SAMPLE_SIDE else _sampled(image)
    quantized = sample.quantize(count, PIL.Image.Quantize.MEDIANCUT, kmeans=KMEANS_ROUNDS)
    palette = quantized.getpalette() or []
    pixels = quantized.width * quantized.height
    by_color: dict[tuple[int, ...], int] = {}
    for index, used in enumerate(quantized.histogram()[: len(palette) // 3]):
        rgb = tuple(palette[3 * index : 3 * index + 3])
        by_color[rgb] = by_color.get(rgb, 0) + used
    ranked = sorted(((rgb, used) for rgb, used in by_color.items() if used), key=lambda item: (-item[1], item[0]))
    return [Color("#{:02x}{:02x}{:02x}".format(*rgb), list(rgb), used / pixels) for rgb, used in ranked]


def histogram(image: PIL.Image.Image, bins: int) -> Histogram:
    """Pixels per bin of each channel and of the luma (ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B)."""
    counts = image.histogram()
    red, green, blue = (_binned(counts[start : start + 256], bins) for start in (0, 256, 512))
    return Histogram(bins, red, green, blue, _binned(image.convert("L").histogram(), bins))


def _sampled(image: PIL.Image.Image) -> PIL.Image.Image:
    width, height = (min(side, SAMPLE_SIDE) for side in image.size)
    return image.resize((width, height), PIL.Image.Resampling.BOX, reducing_gap=2.0)


def _binned(counts: list[int], bins: int) -> list[int]:
    width = 256 // bins
    return [sum(counts[start : start + width]) for start in range(0, 256, width)]
