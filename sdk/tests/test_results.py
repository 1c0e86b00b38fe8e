"""Result parts: what they look like in JSON, and what their schema says."""

import dataclasses
from dataclasses import dataclass

import jsonschema_rs
import pytest

from sightgate.errors import InvalidOptions
from sightgate.plain import to_plain
from sightgate.results import Box, Keypoint, Keypoints, Label, Part, Point, Polygon, TextRegion
from sightgate.schema import json_schema, parse

CORNERS = [Point(0, 0), Point(4.5, 0), Point(4.5, 2)]
PARTS = [
    (Box(1, 2, 3.5, 4), {"type": "box", "x": 1, "y": 2, "width": 3.5, "height": 4}),
    (Box(1, 2, 3, 4, label="cat", score=0.5, id="a"), {"label": "cat", "score": 0.5, "id": "a"}),
    (Polygon(CORNERS), {"type": "polygon", "points": [{"x": 0, "y": 0}, {"x": 4.5, "y": 0}, {"x": 4.5, "y": 2}]}),
    (TextRegion("Halt", CORNERS, 0.9, "de"), {"type": "text", "text": "Halt", "score": 0.9, "language": "de"}),
    (Label("cat", None), {"type": "label", "label": "cat"}),
    (
        Keypoints([Keypoint(1, 2, "nose")], score=0.5),
        {"type": "keypoints", "points": [{"x": 1, "y": 2, "name": "nose"}]},
    ),
]
EVERY_PART = Box | Polygon | TextRegion | Label | Keypoints


@pytest.mark.parametrize(("part", "expected"), PARTS)
def test_a_part_becomes_json_with_its_type_and_without_empty_fields(part: Part, expected: dict[str, object]) -> None:
    plain = to_plain(part)
    assert plain | expected == plain
    assert None not in plain.values()


@pytest.mark.parametrize(("part", "_"), PARTS)
def test_a_part_fits_the_schema_of_its_class_and_of_no_other(part: Part, _: object) -> None:
    kinds = (Box, Polygon, TextRegion, Label, Keypoints)
    fitting = [kind for kind in kinds if jsonschema_rs.is_valid(json_schema(kind, "serialization"), to_plain(part))]
    assert fitting == [type(part)]


@pytest.mark.parametrize(("part", "_"), PARTS)
def test_a_part_can_be_read_back_from_its_json(part: Part, _: object) -> None:
    assert parse(type(part), to_plain(part)) == part
    assert parse(EVERY_PART, to_plain(part)) == part


def test_a_part_cannot_be_read_from_the_json_of_another() -> None:
    with pytest.raises(InvalidOptions, match="type must be 'box', not 'polygon'"):
        parse(Box, {"type": "polygon", "x": 1, "y": 2, "width": 3, "height": 4})


def test_the_type_of_a_part_is_a_constant_of_its_schema() -> None:
    schema = json_schema(Box, "serialization")
    assert schema["properties"]["type"] == {"type": "string", "const": "box"}
    assert schema["required"] == ["type", "x", "y", "width", "height"]
    assert schema["properties"]["score"] == {"type": "number"}


def test_a_part_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Point(1, 2).x = 3  # type: ignore[misc]


@dataclass(frozen=True)
class Face(Box):
    smiling: bool = False


@dataclass(frozen=True)
class Faces:
    faces: list[Box]
    best: Box | None


def test_a_result_with_a_plugins_own_kind_of_box_fits_the_schema() -> None:
    plain = to_plain(Faces([Face(1, 2, 3, 4, smiling=True)], None))
    assert plain == {
        "faces": [{"type": "box", "x": 1, "y": 2, "width": 3, "height": 4, "smiling": True}],
        "best": None,
    }
    jsonschema_rs.validate(json_schema(Faces, "serialization"), plain)
