from __future__ import annotations

import base64

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import zxingcpp
from sightgate_barcodes import Barcodes

import sightgate
from sightgate.testing import run_plugin


def draw(content: str | bytes, format: str, scale: int = 5) -> PIL.Image.Image:
    code = zxingcpp.create_barcode(content, zxingcpp.barcode_format_from_str(format))
    return PIL.Image.fromarray(np.array(code.to_image(scale=scale)))


@pytest.fixture
def labelled_photo(sample):
    """A photograph with a QR code at (60, 40) and an EAN-13 at (300, 200), each with its quiet zone."""
    photo = PIL.Image.open(sample("coffee.png")).resize((900, 600))
    photo.paste(draw("Grüße, Sightgate", "QRCode"), (60, 40))
    photo.paste(draw("4006381333931", "EAN13", scale=3), (300, 200))
    return photo


def test_two_codes_in_a_photograph_are_read_with_their_places(labelled_photo, encoded):
    found = {code["format"]: code for code in run_plugin(Barcodes, encoded(labelled_photo))["barcodes"]}
    assert found.keys() == {"QRCode", "EAN13"}
    assert found["QRCode"]["text"] == "Grüße, Sightgate"
    assert found["EAN13"]["text"] == "4006381333931"
    qr = found["QRCode"]["polygon"]
    quiet_zone = 4 * 5
    assert qr["type"] == "polygon"
    assert qr["points"][0] == pytest.approx({"x": 60 + quiet_zone, "y": 40 + quiet_zone}, abs=5)
    assert all(code["valid"] and code["orientation"] == 0 for code in found.values())


@pytest.mark.parametrize("orientation", range(2, 9))
def test_places_are_in_pixels_of_the_upright_image(labelled_photo, encoded, turned, orientation):
    upright = run_plugin(Barcodes, encoded(labelled_photo), options={"formats": ["QRCode"]})
    stored = run_plugin(Barcodes, turned(labelled_photo, orientation), options={"formats": ["QRCode"]})
    for expected, point in zip(
        upright["barcodes"][0]["polygon"]["points"], stored["barcodes"][0]["polygon"]["points"], strict=True
    ):
        assert point == pytest.approx(expected, abs=3)


def test_only_the_named_formats_are_read(labelled_photo, encoded):
    data = encoded(labelled_photo)
    for names, expected in ((["QRCode"], {"QRCode"}), (["EAN-13"], {"EAN13"}), (["DataMatrix"], set())):
        found = run_plugin(Barcodes, data, options={"formats": names})["barcodes"]
        assert {code["format"] for code in found} == expected


def test_an_unknown_format_is_refused_with_the_known_ones(labelled_photo, encoded):
    with pytest.raises(sightgate.InputError) as refused:
        run_plugin(Barcodes, encoded(labelled_photo), options={"formats": ["Barcode9000"]})
    assert refused.value.code == "invalid_options"
    assert refused.value.details["field"] == "formats"
    known = refused.value.details["known"]
    assert isinstance(known, list)
    assert "QRCode" in known


@pytest.mark.parametrize("format", ["Aztec", "Code128", "DataMatrix", "PDF417", "QRCode"])
def test_common_formats_are_read(encoded, format):
    code = run_plugin(Barcodes, encoded(draw("SG-2024", format, scale=4)))["barcodes"][0]
    assert code["text"] == "SG-2024"


def test_binary_content_arrives_byte_for_byte(encoded):
    content = bytes(range(0, 256, 7))
    code = run_plugin(Barcodes, encoded(draw(content, "DataMatrix")))["barcodes"][0]
    assert code["content_type"] == "Binary"
    assert base64.b64decode(code["data"]) == content


def test_a_turned_code_is_read_unless_it_is_not_wanted(encoded):
    data = encoded(draw("4006381333931", "EAN13", scale=3).rotate(-90, expand=True, fillcolor=255))
    (code,) = run_plugin(Barcodes, data)["barcodes"]
    assert code["orientation"] == 90
    assert run_plugin(Barcodes, data, options={"rotate": False})["barcodes"] == []


def test_a_light_code_on_a_dark_ground_is_read_unless_it_is_not_wanted(encoded):
    data = encoded(PIL.ImageOps.invert(draw("night", "QRCode")))
    assert run_plugin(Barcodes, data)["barcodes"][0]["text"] == "night"
    assert run_plugin(Barcodes, data, options={"invert": False})["barcodes"] == []


def test_a_damaged_code_is_returned_only_when_asked_for(encoded):
    damaged = draw("x" * 100, "QRCode")
    quarter = damaged.width // 4
    damaged.paste(0, (quarter, quarter, 2 * quarter, 2 * quarter))
    assert run_plugin(Barcodes, encoded(damaged))["barcodes"] == []
    found = run_plugin(Barcodes, encoded(damaged), options={"formats": ["QRCode"], "unreadable": True})["barcodes"]
    assert [(code["format"], code["valid"], code["error"]) for code in found] == [("QRCode", False, "Checksum")]


def test_no_more_codes_than_asked_for_are_returned(labelled_photo, encoded):
    assert len(run_plugin(Barcodes, encoded(labelled_photo), options={"max_codes": 1})["barcodes"]) == 1


@pytest.mark.parametrize("name", ["chelsea.png", "page.png", "china.jpg"])
def test_a_photograph_without_codes_gives_none(sample, name):
    assert run_plugin(Barcodes, sample(name)) == {"barcodes": []}
