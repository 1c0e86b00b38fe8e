"""The `fingerprint` plugin: perceptual hashes, and how far they are from a reference hash."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import sightgate

if TYPE_CHECKING:
    import PIL.Image

Algorithm = Literal["phash", "dhash", "ahash", "whash"]

# The wavelet hash works on a square of float64; 1024 is 8 MiB, where ImageHash's own choice for 100 megapixels is 512.
MAX_WAVELET_SIDE = 1024


@dataclass(frozen=True)
class Options:
    """The hashes' size, and the hash to compare with."""

    hash_size: Annotated[
        Literal[4, 8, 16, 32], sightgate.Field(description="Side of the hash: a hash has hash_size² bits.")
    ] = 8
    reference: Annotated[
        str | None, sightgate.Field(description="A hash from an earlier call, in hex, to measure the distance to.")
    ] = None
    algorithm: Annotated[Algorithm, sightgate.Field(description="Which hash the reference is.")] = "phash"
    max_distance: Annotated[
        float, sightgate.Field(ge=0, le=1, description="Share of differing bits up to which two images are similar.")
    ] = 0.15


@dataclass(frozen=True)
class Comparison:
    """`distance` is the Hamming distance in bits, `share` the part of all bits that differ, 0 to 1.

    `similar` is true up to `max_distance`; unrelated images differ in about half of the bits.
    """

    algorithm: Algorithm
    reference: str
    distance: int
    bits: int
    share: float
    similar: bool


@dataclass(frozen=True)
class Result:
    """The hashes in hex, hash_size² / 4 digits each."""

    hash_size: int
    phash: str
    dhash: str
    ahash: str
    whash: str
    comparison: Comparison | None = None


class Fingerprint(sightgate.Plugin):
    """Hashes that stay close when an image is scaled, recompressed or a little brightened; turning changes them."""

    name = "fingerprint"
    version = "0.1.0"
    description = "Perceptual hashes of an image, and its distance to a reference hash."
    limits: Mapping[str, float] = {"timeout_s": 20, "memory_mb": 1536, "workers": 1}
    requires = ("PIL", "numpy", "scipy", "pywt", "imagehash")

    def load(self) -> None:
        # ImageHash imports these at its first use; a first call should not pay for them.
        import imagehash  # noqa: F401
        import pywt  # noqa: F401
        import scipy.fftpack  # noqa: F401

    def analyze(self, image: sightgate.Image, options: Options) -> Result:
        reference = None if options.reference is None else check_reference(options.reference, options.hash_size)
        hashes = _hashes(image.pil, options.hash_size)
        comparison = None if reference is None else _compare(hashes[options.algorithm], reference, options)
        return Result(options.hash_size, **hashes, comparison=comparison)


def check_reference(reference: str, hash_size: int) -> str:
    """Return the reference in lower case; raises InvalidOptions unless it is hex of the right length."""
    digits = hash_size * hash_size // 4
    if not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", reference):
        raise sightgate.InvalidOptions(
            f"reference must be {digits} hex digits for hash_size {hash_size}", field="reference", digits=digits
        )
    return reference.lower()


def _hashes(image: PIL.Image.Image, size: int) -> dict[Algorithm, str]:
    import imagehash

    natural_side = 2 ** int(math.log2(min(image.size)))
    wavelet_side = max(size, min(natural_side, MAX_WAVELET_SIDE))
    gray = image.convert("L")
    return {
        "phash": str(imagehash.phash(gray, hash_size=size)),
        "dhash": str(imagehash.dhash(gray, hash_size=size)),
        "ahash": str(imagehash.average_hash(gray, hash_size=size)),
        "whash": str(imagehash.whash(gray, hash_size=size, image_scale=wavelet_side)),
    }


def _compare(found: str, reference: str, options: Options) -> Comparison:
    bits = options.hash_size**2
    distance = (int(found, 16) ^ int(reference, 16)).bit_count()
    share = distance / bits
    return Comparison(options.algorithm, reference, distance, bits, share, share <= options.max_distance)
