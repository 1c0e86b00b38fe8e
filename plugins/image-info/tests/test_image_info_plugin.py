from __future__ import annotations

import PIL.ExifTags
import PIL.Image
import pytest
from sightgate_image_info import ImageInfo

import sightgate
from sightgate.testing import run_plugin


def test_a_photograph_is_described_from_its_header(sample):
    result = run_plugin(ImageInfo, sample("rocket.jpg"))
    assert (result["format"], result["mime_type"], result["mode"]) == ("JPEG", "image/jpeg", "RGB")
    assert (result["width"], result["height"]) == (640, 427)
    assert result["bytes"] == sample("rocket.jpg").stat().st_size
    assert (result["orientation"], result["frames"], result["transparency"]) == (1, 1, False)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_width_and_height_are_those_of_the_upright_image(sample, turned, orientation):
    result = run_plugin(ImageInfo, turned(PIL.Image.open(sample("chelsea.png")), orientation))
    stored = (300, 451) if orientation in (6, 8) else (451, 300)
    assert (result["width"], result["height"]) == (451, 300)
    assert (result["stored_width"], result["stored_height"]) == stored
    assert result["orientation"] == orientation


def test_exif_tags_and_the_position_are_read(sample, encoded):
    exif = PIL.Image.Exif()
    exif[PIL.ExifTags.Base.Model] = "Box camera\0"
    exif.get_ifd(PIL.ExifTags.IFD.Exif)[PIL.ExifTags.Base.DateTimeOriginal] = "2024:05:01 10:00:00"
    exif.get_ifd(PIL.ExifTags.IFD.Exif)[PIL.ExifTags.Base.FNumber] = 2.8
    gps = exif.get_ifd(PIL.ExifTags.IFD.GPSInfo)
    gps.update({1: "S", 2: (33.0, 51.0, 30.0), 3: "E", 4: (151.0, 12.0, 36.0), 5: b"\x01", 6: 12.5})
    data = encoded(PIL.Image.open(sample("coffee.png")), "JPEG", exif=exif)

    result = run_plugin(ImageInfo, data)

    assert result["exif"]["Model"] == "Box camera"
    assert result["exif"]["DateTimeOriginal"] == "2024:05:01 10:00:00"
    assert result["exif"]["FNumber"] == pytest.approx(2.8)
    assert result["position"] == pytest.approx({"latitude": -33.858333, "longitude": 151.21, "altitude": -12.5})
    assert run_plugin(ImageInfo, data, options={"exif": False})["exif"] == {}


def test_an_impossible_position_is_left_out(sample, encoded):
    exif = PIL.Image.Exif()
    exif.get_ifd(PIL.ExifTags.IFD.GPSInfo).update({1: "N", 2: (100.0, 0.0, 0.0), 3: "E", 4: (10.0, 0.0, 0.0)})
    assert run_plugin(ImageInfo, encoded(PIL.Image.open(sample("coffee.png")), "JPEG", exif=exif))["position"] is None


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_does_not_stop_the_analysis(sample, encoded):
    data = encoded(PIL.Image.open(sample("coffee.png")), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01garbage")
    result = run_plugin(ImageInfo, data)
    assert (result["format"], result["orientation"]) == ("JPEG", 1)


def test_dominant_colors_are_those_of_the_image_in_their_shares(encoded):
    image = PIL.Image.new("RGB", (100, 80), (200, 30, 40))
    image.paste((10, 20, 240), (0, 0, 25, 80))
    result = run_plugin(ImageInfo, encoded(image), options={"colors": 4})
    assert result["colors"] == [
        {"hex": "#c81e28", "rgb": [200, 30, 40], "share": 0.75},
        {"hex": "#0a14f0", "rgb": [10, 20, 240], "share": 0.25},
    ]


def test_dominant_colors_of_a_photograph_sum_to_one_and_are_ranked(sample):
    shares = [color["share"] for color in run_plugin(ImageInfo, sample("chelsea.png"))["colors"]]
    assert len(shares) == 5
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("bins", [8, 32, 256])
def test_every_channel_of_the_histogram_counts_every_pixel(sample, bins):
    histogram = run_plugin(ImageInfo, sample("coffee.png"), options={"histogram_bins": bins})["histogram"]
    for channel in ("red", "green", "blue", "luma"):
        assert len(histogram[channel]) == bins
        assert sum(histogram[channel]) == 600 * 400


def test_a_histogram_puts_a_value_into_its_bin(encoded):
    histogram = run_plugin(ImageInfo, encoded(PIL.Image.new("RGB", (4, 4), (0, 64, 255))))["histogram"]
    assert [histogram[channel].index(16) for channel in ("red", "green", "blue")] == [0, 8, 31]


def test_figures_that_are_not_wanted_are_left_out(sample):
    result = run_plugin(ImageInfo, sample("coffee.png"), options={"colors": 0, "histogram_bins": 0})
    assert (result["colors"], result["histogram"]) == ([], None)


def test_frames_transparency_and_resolution_are_told(sample, encoded):
    assert run_plugin(ImageInfo, sample("no_time_for_that_tiny.gif"))["frames"] == 24
    assert run_plugin(ImageInfo, sample("multipage.tif"))["frames"] == 2
    assert run_plugin(ImageInfo, sample("logo.png"))["transparency"] is True
    data = encoded(PIL.Image.open(sample("rocket.jpg")), "JPEG", dpi=(300, 150))
    assert run_plugin(ImageInfo, data)["dpi"] == [300, 150]


def test_the_name_of_an_embedded_color_profile_is_told(sample, encoded):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(PIL.Image.open(sample("rocket.jpg")), "JPEG", icc_profile=profile)
    assert "sRGB" in run_plugin(ImageInfo, data)["color_profile"]
    broken = encoded(PIL.Image.open(sample("rocket.jpg")), "JPEG", icc_profile=b"no profile")
    assert run_plugin(ImageInfo, broken)["color_profile"] is None


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_every_accepted_format_is_named(sample, encoded, format):
    assert run_plugin(ImageInfo, encoded(PIL.Image.open(sample("coffee.png")), format))["format"] == format


def test_a_truncated_image_is_refused_as_undecodable(sample):
    data = sample("rocket.jpg").read_bytes()
    with pytest.raises(sightgate.InputError) as refused:
        run_plugin(ImageInfo, data[: len(data) // 2])
    assert refused.value.code == "undecodable_image"


def test_an_image_above_the_limit_of_pillow_is_refused_as_too_large(sample, monkeypatch):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100_000)
    with pytest.raises(sightgate.InputError) as refused:
        run_plugin(ImageInfo, sample("coffee.png"))
    assert refused.value.code == "image_too_large"


def test_options_that_do_not_fit_are_refused(sample):
    for options in ({"colors": 17}, {"histogram_bins": 7}, {"exif": "yes"}, {"unknown": 1}):
        with pytest.raises(sightgate.InputError) as refused:
            run_plugin(ImageInfo, sample("coffee.png"), options=options)
        assert refused.value.code == "invalid_options"
