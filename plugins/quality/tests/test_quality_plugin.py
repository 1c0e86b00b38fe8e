from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
from PIL import ImageFilter
from sightgate_quality import Quality

import sightgate
from sightgate.testing import run_plugin


def test_a_good_photograph_has_no_issues(sample):
    result = run_plugin(Quality, sample("astronaut.png"))
    assert result["issues"] == []
    assert result["sharpness"]["laplacian_variance"] > 100


def test_blur_lowers_both_sharpness_measures_and_is_an_issue(sample, encoded):
    photo = PIL.Image.open(sample("astronaut.png"))
    sharp, blurred = (
        run_plugin(Quality, encoded(image)) for image in (photo, photo.filter(ImageFilter.GaussianBlur(4)))
    )
    assert blurred["sharpness"]["laplacian_variance"] < sharp["sharpness"]["laplacian_variance"] / 10
    assert blurred["sharpness"]["tenengrad"] < sharp["sharpness"]["tenengrad"]
    assert "blurry" in blurred["issues"]


def test_sharpness_hardly_depends_on_the_size_of_a_large_image(sample, encoded):
    photo = PIL.Image.open(sample("china.jpg")).resize((2560, 1708), PIL.Image.Resampling.LANCZOS)
    large, half = (run_plugin(Quality, encoded(image, "BMP")) for image in (photo, photo.resize((1280, 854))))
    assert large["sharpness"]["laplacian_variance"] == pytest.approx(half["sharpness"]["laplacian_variance"], rel=0.25)


@pytest.mark.parametrize("sigma", [5.0, 20.0])
def test_the_noise_of_an_even_surface_is_measured(encoded, sigma):
    pixels = np.random.default_rng(1).normal(128, sigma, (256, 256)).round().clip(0, 255).astype(np.uint8)
    result = run_plugin(Quality, encoded(PIL.Image.fromarray(pixels)))
    assert result["noise"]["sigma"] == pytest.approx(sigma, rel=0.05)
    assert ("noisy" in result["issues"]) is (sigma > 10)


def test_noise_added_to_a_photograph_is_found(sample, encoded):
    photo = PIL.Image.open(sample("coffee.png")).convert("L")
    noisy = np.asarray(photo) + np.random.default_rng(1).normal(0, 25, (400, 600))
    clean, added = (
        run_plugin(Quality, encoded(image))["noise"]["sigma"]
        for image in (photo, PIL.Image.fromarray(noisy.clip(0, 255).astype(np.uint8)))
    )
    assert added > clean + 10


def test_exposure_tells_dark_and_bright_photographs(sample, encoded):
    photo = PIL.Image.open(sample("chelsea.png"))
    dark = run_plugin(Quality, encoded(photo.point(lambda value: value // 5)))
    bright = run_plugin(Quality, encoded(photo.point(lambda value: min(255, value + 150))))
    assert dark["exposure"]["mean"] < 0.15 < 0.85 < bright["exposure"]["mean"]
    assert "dark" in dark["issues"]
    assert {"bright", "clipped_highlights"} <= set(bright["issues"])


def test_shares_of_clipped_pixels_are_exact(encoded):
    image = PIL.Image.new("L", (10, 10), 128)
    image.paste(0, (0, 0, 10, 3))
    image.paste(255, (0, 3, 10, 5))
    exposure = run_plugin(Quality, encoded(image))["exposure"]
    assert exposure["clipped_shadows"] == pytest.approx(0.3)
    assert exposure["clipped_highlights"] == pytest.approx(0.2)
    assert exposure["median"] == pytest.approx(128 / 255)


def test_contrast_agrees_with_its_definition(sample):
    pixels = np.asarray(PIL.Image.open(sample("chelsea.png")).convert("L"))
    contrast = run_plugin(Quality, sample("chelsea.png"))["contrast"]
    low, high = np.percentile(pixels, [1, 99])
    assert contrast["rms"] == pytest.approx(pixels.std() / 255)
    assert contrast["michelson"] == pytest.approx((high - low) / (high + low), rel=0.02)
    assert 6 < contrast["entropy"] < 8


def test_an_even_image_has_no_contrast_no_sharpness_and_no_noise(encoded):
    result = run_plugin(Quality, encoded(PIL.Image.new("RGB", (50, 40), "black")))
    assert result["contrast"] == {"rms": 0, "michelson": 0, "entropy": 0}
    assert result["sharpness"] == {"laplacian_variance": 0, "tenengrad": 0}
    assert result["noise"] == {"sigma": 0}
    assert result["issues"] == ["blurry", "dark", "clipped_shadows", "low_contrast"]


def test_an_image_of_one_pixel_has_no_noise_figure(encoded):
    assert run_plugin(Quality, encoded(PIL.Image.new("RGB", (1, 1), "white")))["noise"]["sigma"] is None


def test_the_thresholds_of_the_options_decide(sample):
    options = {"min_sharpness": 1e9, "max_noise": 0, "min_brightness": 1, "max_brightness": 0, "min_contrast": 1}
    issues = run_plugin(Quality, sample("astronaut.png"), options=options)["issues"]
    assert issues == ["blurry", "dark", "bright", "low_contrast", "noisy"]


def test_a_threshold_out_of_range_is_refused(sample):
    with pytest.raises(sightgate.InputError) as refused:
        run_plugin(Quality, sample("astronaut.png"), options={"max_clipped": 1.5})
    assert refused.value.code == "invalid_options"
