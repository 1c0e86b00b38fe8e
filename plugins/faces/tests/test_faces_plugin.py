from __future__ import annotations

import PIL.Image
import pytest
from sightgate_faces import Faces

import sightgate
from sightgate.testing import run_plugin

# The face in scikit-image's `astronaut`, marked by eye: hairline to chin, in pixels.
FACE = {"x": 178.0, "y": 78.0, "width": 96.0, "height": 88.0}


def overlap(one: dict[str, float], other: dict[str, float]) -> float:
    width = min(one["x"] + one["width"], other["x"] + other["width"]) - max(one["x"], other["x"])
    height = min(one["y"] + one["height"], other["y"] + other["height"]) - max(one["y"], other["y"])
    shared = max(0.0, width) * max(0.0, height)
    return shared / (one["width"] * one["height"] + other["width"] * other["height"] - shared)


def test_the_one_face_in_a_portrait_is_found(sample):
    (face,) = run_plugin(Faces, sample("astronaut.png"))["faces"]
    assert overlap(face["box"], FACE) > 0.7
    assert face["box"]["type"] == "box"
    assert face["box"]["label"] == "face"


def test_support_is_a_count_and_the_box_claims_no_score(sample):
    (face,) = run_plugin(Faces, sample("astronaut.png"))["faces"]
    assert isinstance(face["support"], int)
    assert face["support"] >= 5
    assert "score" not in face["box"]


@pytest.mark.parametrize("name", ["chelsea.png", "coffee.png", "china.jpg", "flower.jpg", "page.png"])
def test_a_photograph_without_people_has_no_faces(sample, name):
    assert run_plugin(Faces, sample(name)) == {"faces": []}


@pytest.mark.parametrize("orientation", range(2, 9))
def test_boxes_are_in_pixels_of_the_upright_image(sample, turned, orientation):
    # Not square, so that swapped sides would show.
    photo = PIL.Image.open(sample("astronaut.png")).crop((0, 0, 512, 400))
    (face,) = run_plugin(Faces, turned(photo, orientation))["faces"]
    assert overlap(face["box"], FACE) > 0.7


def test_a_large_image_is_searched_smaller_and_its_boxes_are_scaled_back(sample, encoded):
    photo = PIL.Image.open(sample("astronaut.png")).resize((2048, 2048))
    (face,) = run_plugin(Faces, encoded(photo, "JPEG"), options={"search_side": 600})["faces"]
    assert overlap({key: face["box"][key] / 4 for key in FACE}, FACE) > 0.7


def test_two_faces_are_ranked_by_support_and_cut_to_max_faces(sample, encoded):
    portrait = PIL.Image.open(sample("astronaut.png")).crop((100, 0, 350, 250))
    pair = PIL.Image.new("RGB", (500, 250))
    pair.paste(portrait, (0, 0))
    pair.paste(portrait.resize((180, 180)), (280, 30))
    faces = run_plugin(Faces, encoded(pair))["faces"]
    assert len(faces) == 2
    assert faces[0]["support"] >= faces[1]["support"]
    assert run_plugin(Faces, encoded(pair), options={"max_faces": 1})["faces"] == faces[:1]


def test_faces_smaller_than_min_size_are_left_out(sample):
    assert run_plugin(Faces, sample("astronaut.png"), options={"min_size": 200})["faces"] == []


def test_more_support_than_there_is_finds_nothing(sample):
    assert run_plugin(Faces, sample("astronaut.png"), options={"min_support": 100})["faces"] == []


def test_options_out_of_range_are_refused(sample):
    with pytest.raises(sightgate.InputError) as refused:
        run_plugin(Faces, sample("astronaut.png"), options={"min_size": 0})
    assert refused.value.code == "invalid_options"
