"""Sample images for the tests: real photographs that come in the wheels of test dependencies, and how to turn them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import PIL.Image
import pytest
import skimage
from sklearn import datasets

Transpose = PIL.Image.Transpose

# How an upright image must be stored so that its EXIF orientation brings it back.
STORED_AS = {
    1: None,
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}


@pytest.fixture(scope="session")
def sample() -> Callable[[str], Path]:
    """The path of an image in scikit-image's or scikit-learn's wheel; nothing is downloaded."""
    folders = [Path(skimage.__file__).parent / "data", Path(datasets.__file__).parent / "images"]

    def find(name: str) -> Path:
        return next(folder / name for folder in folders if (folder / name).is_file())

    return find


@pytest.fixture(scope="session")
def encoded() -> Callable[..., bytes]:
    """The bytes of a Pillow image in a format, PNG unless told."""

    def encode(image: PIL.Image.Image, format: str = "PNG", **settings: object) -> bytes:
        file = io.BytesIO()
        image.save(file, format, **settings)
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def turned(encoded: Callable[..., bytes]) -> Callable[[PIL.Image.Image, int], bytes]:
    """A JPEG whose stored pixels are turned or mirrored, and whose EXIF orientation says so."""

    def turn(upright: PIL.Image.Image, orientation: int) -> bytes:
        how = STORED_AS[orientation]
        stored = upright if how is None else upright.transpose(how)
        exif = PIL.Image.Exif()
        exif[0x0112] = orientation
        return encoded(stored, "JPEG", quality=95, exif=exif)

    return turn
