import io

import PIL.Image
import PIL.ImageDraw
import pytest
from spot_counter import Spots

import sightgate
from sightgate.testing import run_plugin


def picture_with(*centres: tuple[int, int], radius: int = 8) -> bytes:
    picture = PIL.Image.new("RGB", (200, 120), "black")
    pen = PIL.ImageDraw.Draw(picture)
    for x, y in centres:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill="white")
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def test_every_spot_is_found_where_it_is():
    result = run_plugin(Spots, picture_with((40, 30), (120, 80)))
    assert result["count"] == 2
    centres = sorted((spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2) for spot in result["spots"])
    assert [pytest.approx(centre, abs=2) for centre in [(40, 30), (120, 80)]] == centres


def test_an_image_without_spots_has_none():
    assert run_plugin(Spots, picture_with()) == {"count": 0, "spots": []}


def test_radii_that_exclude_each_other_are_the_callers_fault():
    with pytest.raises(sightgate.InputError) as refused:
        run_plugin(Spots, picture_with(), options={"min_radius": 20, "max_radius": 10})
    assert refused.value.details["field"] == "min_radius"


def test_the_operator_can_lower_the_most_pixels():
    with pytest.raises(sightgate.InputError, match="scale it down"):
        run_plugin(Spots, picture_with(), config={"most_pixels": 100})
