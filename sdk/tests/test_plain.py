"""What a plugin returns, as plain JSON data."""

import array
import json
import math
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightgate.plain import MAX_DEPTH, to_plain

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    YES = "yes"


class Pair(NamedTuple):
    left: int
    right: int


class Model(pydantic.BaseModel):
    taken_at: datetime
    camera: str = pydantic.Field(alias="cameraName")


@dataclass(frozen=True)
class Inner:
    value: object = None


@dataclass
class Outer:
    inner: Inner
    values: list[float] = field(default_factory=list)


@given(json_values)
def test_plain_data_stays_as_it_is(value: object) -> None:
    assert to_plain(value) == value


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Outer(Inner(), [1.5]), {"inner": {"value": None}, "values": [1.5]}),
        ((1, (2, 3)), [1, [2, 3]]),
        (Pair(1, 2), [1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (Colour.RED, "red"),
        ({Word.YES: Level.LOW}, {"yes": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(int, a=1), {"a": 1}),
        (datetime(2024, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=1))), "2024-02-03T04:05:06+01:00"),
        (date(2024, 2, 3), "2024-02-03"),
        (time(4, 5), "04:05:00"),
        (array.array("d", [1.5]), [1.5]),
        (Model(taken_at=datetime(2024, 2, 3), cameraName="x"), {"taken_at": "2024-02-03T00:00:00", "cameraName": "x"}),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.uint8(3), 3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        ({"a": np.arange(4).reshape(2, 2)}, {"a": [[0, 1], [2, 3]]}),
        (np.array(7), 7),
        (np.array([True]), [True]),
        (np.array(["a"]), ["a"]),
        (np.array([np.float32(1), {"a": (1,)}], dtype=object), [1.0, {"a": [1]}]),
        (np.array(["2024-02-03"], dtype="datetime64[D]"), ["2024-02-03"]),
        (np.zeros((0, 3)), []),
    ],
)
def test_known_types_are_taken_apart(value: object, plain: object) -> None:
    made = to_plain(value)
    assert made == plain
    assert json.loads(json.dumps(made)) == plain


@pytest.mark.parametrize("value", [np.float64(0.5), np.float16(0.5), np.str_("a"), np.int8(1), Level.LOW, Word.YES])
def test_scalars_become_the_exact_built_in_types(value: object) -> None:
    assert type(to_plain(value)) in (int, float, str)


def test_nothing_mutable_is_shared_with_what_was_given() -> None:
    given_value = {"a": [1, {"b": 2}]}
    made = to_plain(given_value)
    given_value["a"].append(3)  # type: ignore[arg-type]
    assert made == {"a": [1, {"b": 2}]}


def test_nan_and_infinity_are_left_for_the_caller_to_judge() -> None:
    made = to_plain([math.nan, np.float64("inf"), np.array([math.nan])])
    assert math.isnan(made[0])
    assert made[1] == math.inf
    assert math.isnan(made[2][0])


@pytest.mark.parametrize(
    "value", [b"x", bytearray(b"x"), memoryview(b"x"), 1j, object(), Outer, Decimal(1), Path(), range(3), iter([1])]
)
def test_any_other_type_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(TypeError, match=r"is not JSON data \(at regions\[1\]\.inner\.value\)"):
        to_plain({"regions": [0, {"inner": Inner(value)}]})


@pytest.mark.parametrize("value", [np.longdouble(1), np.complex128(1j), np.array([np.longdouble(1)]), np.array([1j])])
def test_numpy_numbers_without_json_form_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="is not JSON data"):
        to_plain(value)


@pytest.mark.parametrize("key", [1, None, b"a", (1,), 1.5, Colour.RED])
def test_a_key_that_is_no_string_is_refused_with_its_place(key: object) -> None:
    with pytest.raises(TypeError, match=r"a key must be a string, not \w+ \(at a\[0\]\)"):
        to_plain({"a": [{key: 1}]})


def nested(depth: int) -> object:
    value: object = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def test_a_value_may_be_64_levels_deep_and_no_deeper() -> None:
    assert to_plain(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
    with pytest.raises(ValueError, match="more than 64 levels deep"):
        to_plain(nested(MAX_DEPTH + 1))
    with pytest.raises(ValueError, match="more than 64 levels deep"):
        to_plain(nested(100_000))


def test_the_dimensions_of_an_array_count_as_levels() -> None:
    value: object = np.zeros((1,) * 60)
    for _ in range(5):
        value = [value]
    with pytest.raises(ValueError, match="more than 64 levels deep"):
        to_plain(value)


def test_a_value_that_contains_itself_is_refused_as_a_cycle() -> None:
    looped: list[object] = []
    looped.append({"again": Inner((looped,))})
    with pytest.raises(ValueError, match=r"a cycle \(at \[0\]\.again\.value\[0\]\)"):
        to_plain(looped)


def test_a_value_that_stands_in_two_places_is_no_cycle() -> None:
    shared = [1]
    assert to_plain([shared, shared, {"a": shared}]) == [[1], [1], {"a": [1]}]


class Endless:
    def tolist(self) -> object:
        return Endless()


def test_an_object_that_unwraps_to_another_wrapper_is_refused() -> None:
    with pytest.raises(TypeError, match="Endless is not JSON data"):
        to_plain(Endless())
