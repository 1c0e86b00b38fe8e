"""Schemas of annotated types, and parsing by the same types; both are held against a JSON Schema validator."""

import re
import sys
import typing
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import date, datetime
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, Required, TypedDict, Union

import jsonschema_rs
import numpy as np
import numpy.typing
import pydantic
import pytest
import typing_extensions
from hypothesis import given, settings
from hypothesis import strategies as st

from sightgate.errors import InvalidOptions
from sightgate.fields import Field
from sightgate.plain import to_plain
from sightgate.results import Box, Point
from sightgate.schema import DIALECT, json_schema, parse


class Mode(Enum):
    FAST = "fast"
    EXACT = "exact"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


@dataclass(frozen=True)
class Area:
    """A part of the image.

    Pixels.
    """

    left: Annotated[int, Field(ge=0)]
    top: int = 0


@dataclass(frozen=True)
class Options:
    max_regions: Annotated[int, Field(ge=1, le=1000, description="How many.", examples=[5, 10])] = 100
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    words: Annotated[list[Annotated[str, Field(min_length=1, pattern="^[a-z]+$")]], Field(max_length=3)] = field(
        default_factory=lambda: ["a"]
    )
    mode: Mode = Mode.FAST
    level: Level | None = None
    kind: Literal["a", "b", 1, None] = "a"
    area: Area | None = None
    areas: tuple[Area, ...] = ()
    pair: tuple[int, str] = (1, "x")
    tags: frozenset[str] = frozenset()
    weights: dict[str, float] = field(default_factory=dict)
    whatever: Any = None


class Total(TypedDict):
    name: str
    note: NotRequired[Annotated[str, Field(max_length=3)]]


class Partial(Total, total=False):
    size: Required[int]
    colour: str


@dataclass
class Tree:
    value: int
    children: list["Tree"] = field(default_factory=list)


@dataclass
class Forest:
    first: Tree
    second: Tree | None = None


Metres = NewType("Metres", float)


def refusal(annotation: Any, data: object) -> InvalidOptions:
    with pytest.raises(InvalidOptions) as refused:
        parse(annotation, data)
    assert refused.value.code == "invalid_options"
    return refused.value


def agree(annotation: Any, data: object) -> bool:
    """Return whether the data is accepted, after asserting that schema and parser say the same."""
    valid = jsonschema_rs.is_valid(json_schema(annotation), data)
    try:
        parse(annotation, data)
    except InvalidOptions:
        assert not valid, f"the schema takes {data!r}, the parser does not"
        return False
    assert valid, f"the parser takes {data!r}, the schema does not"
    return True


def test_the_schema_of_options_is_complete_and_valid() -> None:
    schema = json_schema(Options)
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"] == DIALECT
    assert (schema["type"], schema["title"], schema["additionalProperties"]) == ("object", "Options", False)
    assert "required" not in schema
    assert "description" not in schema
    properties = schema["properties"]
    assert properties["max_regions"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 1000,
        "description": "How many.",
        "examples": [5, 10],
        "default": 100,
    }
    assert properties["threshold"] == {
        "type": "number",
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 1,
        "default": 0.5,
    }
    item = {"type": "string", "minLength": 1, "pattern": "^[a-z]+$"}
    assert properties["words"] == {"type": "array", "items": item, "maxItems": 3, "default": ["a"]}
    assert properties["mode"] == {"type": "string", "enum": ["fast", "exact"], "default": "fast"}
    assert properties["level"]["anyOf"] == [{"type": "integer", "enum": [1, 2]}, {"type": "null"}]
    assert properties["kind"] == {"enum": ["a", "b", 1, None], "default": "a"}
    assert properties["area"] == {"anyOf": [{"$ref": "#/$defs/Area"}, {"type": "null"}], "default": None}
    assert properties["pair"]["prefixItems"] == [{"type": "integer"}, {"type": "string"}]
    assert properties["tags"] == {"type": "array", "uniqueItems": True, "items": {"type": "string"}, "default": []}
    assert properties["weights"]["additionalProperties"] == {"type": "number"}
    assert properties["whatever"] == {"default": None}
    area = schema["$defs"]["Area"]
    assert (area["description"], area["required"]) == ("A part of the image.", ["left"])


def test_the_defaults_of_options_fit_their_own_schema() -> None:
    jsonschema_rs.validate(json_schema(Options), to_plain(Options()))


def test_nothing_given_means_the_defaults() -> None:
    assert parse(Options, {}) == Options()


def test_options_are_parsed_into_their_types() -> None:
    data = {
        "max_regions": 7.0,
        "threshold": 0.25,
        "words": ["b", "c"],
        "mode": "exact",
        "level": 2,
        "kind": None,
        "area": {"left": 1},
        "areas": [{"left": 1, "top": 2}],
        "pair": [2, "y"],
        "tags": ["x", "y"],
        "weights": {"a": 1},
        "whatever": {"b": [1]},
    }
    options = parse(Options, data)
    assert options == Options(
        max_regions=7,
        threshold=0.25,
        words=["b", "c"],
        mode=Mode.EXACT,
        level=Level.HIGH,
        kind=None,
        area=Area(1),
        areas=(Area(1, 2),),
        pair=(2, "y"),
        tags=frozenset({"x", "y"}),
        weights={"a": 1.0},
        whatever={"b": [1]},
    )
    assert type(options.max_regions) is int
    assert type(options.weights["a"]) is float
    jsonschema_rs.validate(json_schema(Options), data)


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        ({"max_regions": 0}, "max_regions", "at least 1, not 0"),
        ({"max_regions": 1001}, "max_regions", "at most 1000"),
        ({"max_regions": True}, "max_regions", "whole number, not true"),
        ({"max_regions": "5"}, "max_regions", "whole number, not '5'"),
        ({"max_regions": 5.5}, "max_regions", "whole number, not 5.5"),
        ({"max_regions": None}, "max_regions", "whole number, not null"),
        ({"max_regions": 10**9999}, "max_regions", "at most 1000, not a very large number"),
        ({"threshold": 0}, "threshold", "more than 0"),
        ({"threshold": 1}, "threshold", "less than 1"),
        ({"threshold": float("nan")}, "threshold", "finite"),
        ({"threshold": 10**999}, "threshold", "finite"),
        ({"words": "a"}, "words", "an array, not 'a'"),
        ({"words": ["a", "B"]}, "words[1]", "match the pattern"),
        ({"words": [""]}, "words[0]", "at least 1 character,"),
        ({"words": ["a"] * 4}, "words", "at most 3 items, not 4"),
        ({"mode": "slow"}, "mode", "'fast' or 'exact', not 'slow'"),
        ({"level": 3}, "level", "must be 1 or 2, not 3"),
        ({"kind": True}, "kind", "not true"),
        ({"area": {}}, "area.left", "is required"),
        ({"area": {"left": -1}}, "area.left", "at least 0"),
        ({"area": {"left": 1, "right": 2}}, "area.right", "not known; there is left, top"),
        ({"areas": [{"left": 1}, {"left": "x"}]}, "areas[1].left", "whole number"),
        ({"pair": [1]}, "pair", "exactly 2 items, not 1"),
        ({"pair": [1, 2]}, "pair[1]", "a string, not 2"),
        ({"tags": ["x", "x"]}, "tags", "twice"),
        ({"weights": {"a": "1"}}, "weights.a", "a number"),
        ({"weights": []}, "weights", "an object, not an array"),
        ({"max_region": 1}, "max_region", "not known"),
        ([], "", "the options: must be an object, not an array"),
        (None, "", "must be an object, not null"),
    ],
)
def test_a_refusal_names_the_field_and_what_it_must_be(data: object, place: str, words: str) -> None:
    refused = refusal(Options, data)
    assert refused.details == {"field": place}
    assert words in str(refused)
    if place:
        assert str(refused).startswith(place)


def test_a_refusal_is_short_however_long_what_was_sent() -> None:
    assert len(str(refusal(Options, {"x" * 100_000: 1}))) < 500
    assert len(str(refusal(Options, {"mode": "x" * 100_000}))) < 500


json_data = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 1100) | st.floats(-2, 2) | st.sampled_from(["a", "fast", "", "B"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["left", "top", "a"]), inner, max_size=2)
    ),
    max_leaves=5,
)
OPTION_NAMES = ["max_regions", "threshold", "words", "mode", "level", "kind", "area", "areas", "pair", "weights"]


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(st.sampled_from(OPTION_NAMES), json_data, max_size=2))
def test_parser_and_schema_agree_on_what_fits(data: dict[str, object]) -> None:
    agree(Options, data)


def test_a_typed_dict_tells_required_keys_from_others() -> None:
    schema = json_schema(Partial)
    assert sorted(schema["required"]) == ["name", "size"]
    assert schema["properties"]["note"] == {"type": "string", "maxLength": 3}
    assert agree(Partial, {"name": "a", "size": 1})
    assert agree(Partial, {"name": "a", "size": 1, "colour": "b", "note": "c"})
    assert not agree(Partial, {"name": "a"})
    assert not agree(Partial, {"name": "a", "size": 1, "note": "long"})
    assert not agree(Partial, {"name": "a", "size": 1, "other": 1})
    assert parse(Total, {"name": "a"}) == {"name": "a"}


class Backported(typing_extensions.TypedDict):
    name: str


def test_a_typed_dict_of_typing_extensions_is_understood() -> None:
    assert agree(Backported, {"name": "a"})
    assert not agree(Backported, {})


def test_annotations_that_are_text_are_resolved() -> None:
    namespace: dict[str, Any] = {"__name__": __name__}
    source = (
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from typing import Annotated, NotRequired, TypedDict\n"
        "from sightgate.fields import Field\n"
        "@dataclass\n"
        "class Later:\n    size: Annotated[int, Field(ge=2)]\n    next: Later | None = None\n"
        "class Keys(TypedDict):\n    a: int\n    b: NotRequired[str]\n"
    )
    exec(compile(source, "later", "exec"), namespace)  # the future import holds for a whole module only
    module = type(typing)("later_module")
    vars(module).update(namespace)
    later, keys = namespace["Later"], namespace["Keys"]
    later.__module__ = keys.__module__ = "later_module"
    sys.modules["later_module"] = module
    try:
        assert agree(later, {"size": 2, "next": {"size": 3}})
        assert not agree(later, {"size": 1})
        assert agree(keys, {"a": 1})
    finally:
        del sys.modules["later_module"]


def test_a_recursive_type_is_described_through_its_definitions() -> None:
    schema = json_schema(Tree)
    assert schema["type"] == "object"
    assert schema["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}
    jsonschema_rs.meta.validate(schema)
    assert agree(Tree, {"value": 1, "children": [{"value": 2, "children": [{"value": 3}]}]})
    assert not agree(Tree, {"value": 1, "children": [{"value": 2, "children": [{"value": "x"}]}]})
    assert agree(Forest, {"first": {"value": 1}})
    assert not agree(Forest, {"first": {"value": 1}, "second": {"children": []}})
    tree = parse(Tree, {"value": 1, "children": [{"value": 2}]})
    assert tree == Tree(1, [Tree(2)])


def test_data_that_is_nested_without_end_is_refused() -> None:
    data: dict[str, object] = {"value": 1}
    for _ in range(100_000):
        data = {"value": 1, "children": [data]}
    assert "64 levels" in str(refusal(Tree, data))


def test_a_recursive_class_inside_a_function_is_resolved() -> None:
    @dataclass
    class Local:
        inner: "Local | None" = None

    assert agree(Local, {"inner": {"inner": None}})


def test_an_unknown_name_in_an_annotation_is_named() -> None:
    @dataclass
    class Lost:
        where: "Nowhere"  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(TypeError, match=r"Lost cannot be resolved.*Nowhere"):
        json_schema(Lost)


def test_two_classes_of_one_name_are_kept_apart() -> None:
    def made(kind: type) -> type:
        return dataclass(type("Same", (), {"__annotations__": {"value": kind}}))

    one, other = made(int), made(str)
    both = tuple[one, other]  # type: ignore[valid-type]
    assert agree(both, [{"value": 1}, {"value": "a"}])
    assert not agree(both, [{"value": 1}, {"value": 1}])


@pytest.mark.parametrize(
    ("annotation", "fitting", "unfitting"),
    [
        (bool, [True, False], [0, 1, None, "true"]),
        (int, [0, -1, 1.0, 2**70], [True, 1.5, "1", None]),
        (float, [0, 1.5, 1.0], [True, "1", None]),
        (str, ["", "a"], [1, None, ["a"]]),
        (None, [None], [0, False, ""]),
        (Any, [None, 1, {"a": []}], []),
        (object, [None, 1, {"a": []}], []),
        (Optional[int], [None, 1], ["a", True]),  # noqa: UP045
        (Union[int, str, list[int]], [1, "a", [1]], [None, 1.5, ["a"], {}]),  # noqa: UP007
        (list, [[], [1, "a"]], [{}, "a", None]),
        (list[int], [[], [1]], [["a"], {}]),
        (Sequence[int], [[], [1]], [["a"], {}]),
        (typing.List[int], [[], [1]], [["a"], {}]),  # noqa: UP006
        (tuple, [[], [1, "a"]], [{}]),
        (tuple[int, ...], [[], [1, 2]], [["a"]]),
        (tuple[int, str], [[1, "a"]], [[], [1], [1, "a", 2], ["a", 1]]),
        (tuple[()], [[]], [[1]]),
        (set[int], [[], [1, 2]], [[1, 1], ["a"], {}]),
        (dict, [{}, {"a": 1}], [[], None]),
        (dict[str, int], [{}, {"a": 1}], [{"a": "b"}, []]),
        (Mapping[str, list[int]], [{"a": [1]}], [{"a": 1}]),
        (dict[Annotated[str, Field(pattern="^a")], int], [{"ab": 1}], [{"b": 1}]),
        (dict[Literal["a", "b"], int], [{"a": 1}], [{"c": 1}]),
        (dict[Mode, int], [{"fast": 1}], [{"c": 1}]),
        (Literal["a"], ["a"], ["b", 1, None]),
        (Literal[1, True], [1, True, 1.0], [0, False, "1"]),
        (Literal[0], [0], [False, None]),
        (Mode, ["fast"], ["FAST", None]),
        (Metres, [1, 1.5], ["a"]),
        (Annotated[int | None, Field(ge=1)], [None, 1], [0]),
        (Annotated[str | list[int], Field(min_length=2)], ["ab", [1, 2]], ["a", [1]]),
        (Annotated[dict[str, int], Field(min_length=1)], [{"a": 1}], [{}]),
        (Annotated[Annotated[int, Field(ge=1)], Field(le=3)], [1, 3], [0, 4]),
        (Box, [{"x": 1, "y": 2, "width": 3, "height": 4}], [{"x": 1}, {"type": "point"}]),
        (list[Point | Box], [[{"x": 1, "y": 2}], [{"x": 1, "y": 2, "width": 3, "height": 4}]], [[{"x": 1}]]),
    ],
)
def test_every_kind_of_annotation_is_described_and_parsed_alike(
    annotation: Any, fitting: list[object], unfitting: list[object]
) -> None:
    jsonschema_rs.meta.validate(json_schema(annotation))
    assert [data for data in fitting if not agree(annotation, data)] == []
    assert [data for data in unfitting if agree(annotation, data)] == []


def test_containers_and_choices_arrive_as_their_own_types() -> None:
    assert parse(set[int], [1, 2]) == {1, 2}
    assert parse(tuple[int, ...], [1]) == (1,)
    assert parse(dict[Mode, int], {"fast": 1}) == {Mode.FAST: 1}
    assert parse(Level, 2) is Level.HIGH
    assert parse(list[Point | Box], [{"x": 1, "y": 2}]) == [Point(1, 2)]


def test_moments_are_read_from_iso_8601() -> None:
    assert json_schema(datetime)["format"] == "date-time"
    assert parse(datetime, "2024-02-03T04:05:06Z").year == 2024
    assert parse(date, "2024-02-03") == date(2024, 2, 3)
    assert "ISO 8601" in str(refusal(date, "yesterday"))
    assert "a string" in str(refusal(date, 7))


def test_of_several_types_none_of_which_fits_each_refusal_is_told() -> None:
    said = str(refusal(int | list[int], ["a"]))
    assert "none of the types" in said
    assert "not an array" in said


@dataclass
class Range:
    low: int = 0
    high: int = 1
    span: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        self.span = self.high - self.low


def test_what_a_dataclass_checks_itself_is_a_refusal_of_the_options() -> None:
    assert parse(Range, {"low": 1, "high": 4}).span == 3
    refused = refusal(list[Range], [{"low": 2}])
    assert str(refused) == "[0] low must not be above high"


def test_a_field_that_cannot_be_set_is_no_option_but_stands_in_the_result() -> None:
    assert not agree(Range, {"span": 1})
    assert set(json_schema(Range)["properties"]) == {"low", "high"}
    assert json_schema(Range, "serialization")["required"] == ["low", "high", "span"]


def test_the_schema_of_a_result_asks_for_every_field_and_allows_more() -> None:
    schema = json_schema(Options, "serialization")
    assert set(schema["required"]) == set(schema["properties"])
    assert "additionalProperties" not in schema
    assert "default" not in schema["properties"]["mode"]
    jsonschema_rs.validate(schema, to_plain(Options(area=Area(1))))


@dataclass
class Measured:
    embedding: np.ndarray
    vector: numpy.typing.NDArray[np.float32]
    mean: np.float32
    count: np.int64
    flag: np.bool_


def test_numpy_types_may_stand_in_results_and_not_in_options() -> None:
    schema = json_schema(Measured, "serialization")
    kinds = [schema["properties"][name]["type"] for name in ("embedding", "vector", "mean", "count", "flag")]
    assert kinds == ["array", "array", "number", "integer", "boolean"]
    measured = Measured(np.zeros(2), np.zeros(2, np.float32), np.float32(0.5), np.int64(1), np.bool_(True))
    jsonschema_rs.validate(schema, to_plain(measured))
    with pytest.raises(TypeError, match="ndarray has no JSON Schema"):
        json_schema(Measured)


class Crop(pydantic.BaseModel):
    left: int = pydantic.Field(ge=0)


class Settings(pydantic.BaseModel):
    crop: Crop
    more: list["Settings"] = []
    size: int = pydantic.Field(default=3, le=9, alias="cropSize")


@dataclass
class Holder:
    settings: Settings
    count: int = 1


Numbers = typing_extensions.TypeAliasType("Numbers", int | list[int])


class Loose(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    a: int = 1


def test_a_pydantic_model_describes_and_parses_itself() -> None:
    assert agree(Settings, {"crop": {"left": 1}, "cropSize": 4})
    assert agree(Settings, {"crop": {"left": 1}, "more": [{"crop": {"left": 2}}]})
    assert not agree(Settings, {"crop": {"left": -1}})
    assert not agree(Settings, {"crop": {"left": 1}, "size": 4})
    assert not agree(Settings, {})
    settings_ = parse(Settings, {"crop": {"left": 1}, "cropSize": 4})
    assert isinstance(settings_, Settings)
    assert settings_.size == 4
    jsonschema_rs.validate(json_schema(Settings, "serialization"), to_plain(settings_))
    assert json_schema(Settings)["type"] == "object"
    assert refusal(Settings, {"crop": {"left": -1}}).details == {"field": "crop.left"}
    assert refusal(Settings, {"crop": {"left": 1}, "other": 1}).details == {"field": "other"}


def test_a_pydantic_model_inside_a_dataclass_keeps_its_definitions_apart() -> None:
    schema = json_schema(Holder)
    jsonschema_rs.meta.validate(schema)
    assert agree(Holder, {"settings": {"crop": {"left": 1}}})
    assert not agree(Holder, {"settings": {"crop": {"left": "x"}}})
    assert refusal(Holder, {"settings": {"crop": {}}}).details == {"field": "settings.crop.left"}
    assert {"Settings", "Settings.Crop"} <= set(schema["$defs"])


def test_a_pydantic_model_that_takes_more_keys_goes_on_taking_them() -> None:
    assert agree(Loose, {"a": 1, "b": 2})


def test_a_type_alias_is_described_through_its_definition() -> None:
    assert agree(Numbers, [1])
    assert not agree(Numbers, ["a"])
    assert agree(Annotated[Numbers, Field(description="Numbers.")], 1)


@pytest.mark.parametrize("annotation", [bytes, complex, dict[int, str], type, np.ndarray, list[bytes], Box | bytes])
def test_what_is_no_json_has_no_schema(annotation: Any) -> None:
    with pytest.raises(TypeError):
        json_schema(annotation)


@pytest.mark.parametrize(
    "annotation",
    [Annotated[str, Field(ge=1)], Annotated[int, Field(min_length=1)], Annotated[list[int], Field(pattern="a")]],
)
def test_a_bound_that_does_not_fit_its_type_is_refused(annotation: Any) -> None:
    with pytest.raises(TypeError, match="does not fit"):
        json_schema(annotation)


@dataclass
class BadDefault:
    value: Any = float("nan")


def test_a_default_that_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match=r"default of BadDefault\.value is not JSON"):
        json_schema(BadDefault)


@dataclass
class WithInitVar:
    seed: InitVar[int] = 3
    value: int = 1


def test_an_init_only_variable_is_no_option() -> None:
    assert set(json_schema(WithInitVar)["properties"]) == {"value"}


def test_a_pattern_that_is_no_regular_expression_is_refused_where_it_is_written() -> None:
    with pytest.raises(re.error):
        Field(pattern="(")
