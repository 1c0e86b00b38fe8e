from __future__ import annotations

import imagehash
import PIL.Image
import pytest
from sightgate_fingerprint import Fingerprint

import sightgate
from sightgate.testing import run_plugin

ALGORITHMS = ("phash", "dhash", "ahash", "whash")


def test_hashes_are_those_of_imagehash(sample):
    photo = PIL.Image.open(sample("chelsea.png"))
    result = run_plugin(Fingerprint, sample("chelsea.png"))
    assert result["phash"] == str(imagehash.phash(photo))
    assert result["dhash"] == str(imagehash.dhash(photo))
    assert result["ahash"] == str(imagehash.average_hash(photo))
    assert result["whash"] == str(imagehash.whash(photo))
    assert result["comparison"] is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_smaller_recompressed_copy_is_similar_and_another_photograph_is_not(sample, encoded, algorithm):
    reference = run_plugin(Fingerprint, sample("chelsea.png"))[algorithm]
    copy = encoded(PIL.Image.open(sample("chelsea.png")).resize((200, 133)), "JPEG", quality=40)
    options = {"reference": reference, "algorithm": algorithm}
    near = run_plugin(Fingerprint, copy, options=options)["comparison"]
    far = run_plugin(Fingerprint, sample("coffee.png"), options=options)["comparison"]
    assert near["similar"]
    assert near["distance"] <= 6
    assert not far["similar"]
    assert far["distance"] > 15


def test_the_distance_counts_differing_bits(sample):
    own = run_plugin(Fingerprint, sample("chelsea.png"))["phash"]
    flipped = f"{int(own, 16) ^ 0b1011:016x}"
    comparison = run_plugin(Fingerprint, sample("chelsea.png"), options={"reference": flipped.upper()})["comparison"]
    assert comparison == {
        "algorithm": "phash",
        "reference": flipped,
        "distance": 3,
        "bits": 64,
        "share": 3 / 64,
        "similar": True,
    }


def test_max_distance_decides_what_is_similar(sample):
    own = run_plugin(Fingerprint, sample("chelsea.png"))["phash"]
    options = {"reference": f"{int(own, 16) ^ 0b1011:016x}", "max_distance": 0.01}
    assert not run_plugin(Fingerprint, sample("chelsea.png"), options=options)["comparison"]["similar"]


@pytest.mark.parametrize("size", [4, 8, 16, 32])
def test_hash_size_sets_the_length_of_every_hash(sample, size):
    result = run_plugin(Fingerprint, sample("coffee.png"), options={"hash_size": size})
    assert {len(result[algorithm]) for algorithm in ALGORITHMS} == {size * size // 4}


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_an_image_stored_turned_has_the_hash_of_the_upright_one(sample, turned, orientation):
    photo = PIL.Image.open(sample("chelsea.png"))
    reference = run_plugin(Fingerprint, sample("chelsea.png"))["phash"]
    result = run_plugin(Fingerprint, turned(photo, orientation), options={"reference": reference})
    assert result["comparison"]["distance"] <= 2


@pytest.mark.parametrize("reference", ["", "xyz", "0" * 15, "0" * 64, "0x12345678901234", "z" * 16, "０" * 16])
def test_a_reference_that_is_no_hash_of_this_size_is_refused(sample, reference):
    with pytest.raises(sightgate.InputError) as refused:
        run_plugin(Fingerprint, sample("chelsea.png"), options={"reference": reference})
    assert refused.value.code == "invalid_options"
    assert refused.value.details == {"field": "reference", "digits": 16}


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 300)])
def test_images_smaller_than_the_hash_are_hashed(encoded, size):
    result = run_plugin(Fingerprint, encoded(PIL.Image.new("RGB", size, "teal")))
    assert all(len(result[algorithm]) == 16 for algorithm in ALGORITHMS)
