from __future__ import annotations

import PIL.Image
import pytest
from PIL import ImageDraw, ImageFont
from sightgate_ocr import Ocr

import sightgate
from sightgate.testing import run_plugin


@pytest.fixture(scope="module")
def reader():
    """One plugin for all tests: loading its models takes longer than reading."""
    return Ocr()


@pytest.fixture(scope="module")
def page(reader, sample):
    """What the plugin reads on a photographed page of 384 × 191 pixels."""
    return run_plugin(reader, sample("page.png"))


def write(text: str, size: tuple[int, int] = (640, 240), at: tuple[int, int] = (60, 80)) -> PIL.Image.Image:
    image = PIL.Image.new("RGB", size, "white")
    ImageDraw.Draw(image).text(at, text, font=ImageFont.load_default(size=48), fill="black")
    return image


def bounds(region: dict[str, list[dict[str, float]]]) -> tuple[float, float, float, float]:
    xs, ys = ([point[axis] for point in region["polygon"]] for axis in "xy")
    return min(xs), min(ys), max(xs), max(ys)


def test_a_photographed_page_is_read_line_by_line(page):
    lines = [region["text"].replace(" ", "") for region in page["regions"]]
    assert lines[0] == "Region-basedsegmentation"
    assert any("firstdeterminemarkersofthecoinsandthe" in line for line in lines)
    assert any("thetwoextremepartsofthe" in line for line in lines)
    assert page["text"].splitlines() == [region["text"] for region in page["regions"]]


def test_every_region_has_text_four_corners_in_the_image_and_a_score(page):
    for region in page["regions"]:
        assert region["type"] == "text"
        assert len(region["polygon"]) == 4
        assert all(0 <= point["x"] <= 384 and 0 <= point["y"] <= 191 for point in region["polygon"])
        assert 0.5 <= region["score"] <= 1


def test_a_region_lies_where_its_text_was_written(reader, encoded):
    (region,) = run_plugin(reader, encoded(write("Invoice 2024-117")))["regions"]
    assert region["text"] == "Invoice 2024-117"
    drawn = ImageDraw.Draw(write("")).textbbox((60, 80), "Invoice 2024-117", font=ImageFont.load_default(size=48))
    assert bounds(region) == pytest.approx(drawn, abs=10)


@pytest.mark.parametrize("orientation", [3, 6])
def test_regions_are_in_pixels_of_the_upright_image(reader, turned, orientation):
    (region,) = run_plugin(reader, turned(write("Invoice 2024-117"), orientation))["regions"]
    assert region["text"] == "Invoice 2024-117"
    left, top, right, bottom = bounds(region)
    assert 45 < left < 75
    assert 75 < top < bottom < 140
    assert 400 < right < 470


def test_a_large_image_is_read_smaller_and_its_regions_are_scaled_back(reader, encoded):
    image = write("Invoice 2024-117").resize((3200, 1200))
    (region,) = run_plugin(reader, encoded(image), options={"max_side": 800})["regions"]
    assert region["text"] == "Invoice 2024-117"
    assert bounds(region)[0] == pytest.approx(300, abs=40)
    assert bounds(region)[1] == pytest.approx(460, abs=40)


def test_lines_come_from_top_to_bottom(reader, encoded):
    image = write("first line", (640, 400), (60, 40))
    ImageDraw.Draw(image).text((60, 250), "second line", font=ImageFont.load_default(size=48), fill="black")
    assert run_plugin(reader, encoded(image))["text"] == "first line\nsecond line"


def test_a_photograph_without_text_gives_no_regions(reader, sample):
    assert run_plugin(reader, sample("coffee.png")) == {"text": "", "regions": []}


@pytest.mark.parametrize("size", [(1, 1), (3000, 5), (5, 3000)])
def test_images_of_extreme_shape_are_read_without_fuss(reader, encoded, size):
    assert run_plugin(reader, encoded(PIL.Image.new("RGB", size, "white")))["regions"] == []


def test_a_narrow_strip_with_text_is_read_in_its_own_pixels(reader, encoded):
    strip = write("Invoice 2024-117", (1200, 60), (500, 2))
    (region,) = run_plugin(reader, encoded(strip))["regions"]
    assert region["text"] == "Invoice 2024-117"
    assert bounds(region)[0] == pytest.approx(500, abs=12)
    assert bounds(region)[3] <= 60


def test_the_options_hold_for_their_own_call_only(reader, sample, page):
    strict = run_plugin(reader, sample("page.png"), options={"min_score": 0.96})["regions"]
    assert 0 < len(strict) < len(page["regions"])
    assert all(region["score"] >= 0.96 for region in strict)
    first = run_plugin(reader, sample("page.png"), options={"max_regions": 3})["regions"]
    assert [region["text"] for region in first] == [region["text"] for region in page["regions"][:3]]


def test_options_out_of_range_are_refused(reader, sample):
    with pytest.raises(sightgate.InputError) as refused:
        run_plugin(reader, sample("page.png"), options={"min_score": 2})
    assert refused.value.code == "invalid_options"
