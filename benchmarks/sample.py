"""The image that all benchmarks send: a JPEG of 1280 x 720 pixels and about 150 KB, the same in every run."""

import io
import random

from PIL import Image, ImageFilter


def jpeg_of_150_kb() -> bytes:
    noise = Image.frombytes("RGB", (1280, 720), random.Random(7).randbytes(1280 * 720 * 3))
    smooth = noise.filter(ImageFilter.GaussianBlur(1.5))
    buffer = io.BytesIO()
    quality = 50
    while True:
        buffer.seek(0)
        buffer.truncate()
        smooth.save(buffer, "JPEG", quality=quality)
        if buffer.tell() >= 150_000 or quality >= 95:
            return buffer.getvalue()
        quality += 3
