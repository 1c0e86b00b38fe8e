"""What the gate lets in and lets out."""

import io
import json
import math
from collections import OrderedDict
from enum import Enum, IntEnum, StrEnum
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.governance.validation import (
    SUPPORTED_MIME_TYPES,
    InputRules,
    InputValidationError,
    OutputRules,
    OutputValidationError,
    normalize_mime_type,
    validate_input_payload,
    validate_plugin_output,
)
from sightgate.check import sample_png

PNG = sample_png(20, 10)

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=20
)
json_objects = st.dictionaries(texts, json_values, min_size=1, max_size=5)


class Mixed(str, Enum):  # noqa: UP042  the old way, which plugins still use
    RED = "red"


class Word(StrEnum):
    YES = "yes"


class Level(IntEnum):
    LOW = 1


class Place(NamedTuple):
    x: int
    y: int


class Text(str):
    def __str__(self) -> str:
        return "something else"


NOT_FINITE = [math.nan, math.inf, -math.inf, np.float64("nan"), np.array([math.inf])]
NOT_UNICODE = ["\ud800", "a\udfffb", {"\ud800": 1}]
NOT_KEYS = [{1: 2}, {None: 1}, {("a",): 1}, {b"a": 1}]
NOT_PLAIN = [b"bytes", {1}, object(), 1j, np.array([b"x"]), int, len, range(3)]
no_json = st.sampled_from([*NOT_FINITE, *NOT_UNICODE, *NOT_KEYS, *NOT_PLAIN])


def payload(**changes: Any) -> dict[str, Any]:
    return {"image": PNG, "mime_type": "image/png", "options": {}} | changes


def refusal(given_payload: Any, rules: InputRules | None = None) -> InputValidationError:
    with pytest.raises(InputValidationError) as refused:
        validate_input_payload(given_payload, rules or InputRules())
    return refused.value


def refused_output(raw: object, rules: OutputRules | None = None) -> OutputValidationError:
    with pytest.raises(OutputValidationError) as refused:
        validate_plugin_output(raw, rules or OutputRules())
    return refused.value


@pytest.mark.parametrize(
    ("file_format", "mime_type"),
    list(zip(["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"], SUPPORTED_MIME_TYPES, strict=True)),
)
def test_every_supported_type_is_taken(file_format: str, mime_type: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 6)).save(file, file_format)
    validate_input_payload(payload(image=file.getvalue(), mime_type=mime_type))


@given(json_objects)
def test_any_json_object_may_stand_as_options(value: dict[str, Any]) -> None:
    validate_input_payload(payload(options=value))


def test_options_may_be_left_out() -> None:
    validate_input_payload({"image": PNG, "mime_type": "image/png"})


@pytest.mark.parametrize("mime_type", ["IMAGE/PNG", "image/png; charset=binary", " image/png ", "image/x-png"])
def test_a_type_may_be_written_in_other_ways(mime_type: str) -> None:
    validate_input_payload(payload(mime_type=mime_type))
    assert normalize_mime_type(mime_type) == "image/png"


@pytest.mark.parametrize(
    ("given_payload", "code"),
    [
        (None, "malformed_request"),
        ([], "malformed_request"),
        ("image", "malformed_request"),
        (payload(colour="red"), "unknown_field"),
        (payload(**{"x" * 100_000: 1}), "unknown_field"),
        (payload() | {7: 1}, "unknown_field"),
        (payload(mime_type=None), "missing_mime_type"),
        (payload(mime_type=""), "missing_mime_type"),
        (payload(mime_type=7), "missing_mime_type"),
        (payload(mime_type="png"), "missing_mime_type"),
        (payload(mime_type="image/png\x00"), "missing_mime_type"),
        (payload(mime_type="image/" + "x" * 100_000), "missing_mime_type"),
        (payload(mime_type="image/svg+xml"), "unsupported_mime_type"),
        (payload(mime_type="text/plain"), "unsupported_mime_type"),
        (payload(image=b""), "empty_image"),
        (payload(image=None), "empty_image"),
        ({"mime_type": "image/png"}, "empty_image"),
        (payload(image="text"), "undecodable_image"),
        (payload(image=bytearray(PNG)), "undecodable_image"),
        (payload(image=b"this is text, no image"), "undecodable_image"),
        (payload(image=PNG[:20]), "undecodable_image"),
        (payload(mime_type="image/jpeg"), "mime_mismatch"),
        (payload(image=PNG[:20], mime_type="image/jpeg"), "mime_mismatch"),
        (payload(options=None), "invalid_options"),
        (payload(options=[]), "invalid_options"),
        (payload(options="{}"), "invalid_options"),
        (payload(options={"a": math.nan}), "invalid_options"),
        (payload(options={"a": object()}), "invalid_options"),
        (payload(options={"a": np.float32(1)}), "invalid_options"),
        (payload(options={"a": [{"\ud800": 1}]}), "invalid_options"),
        (payload(options={1: 2}), "invalid_options"),
    ],
)
def test_a_payload_that_no_plugin_may_receive_is_refused_with_its_code(given_payload: Any, code: str) -> None:
    refused = refusal(given_payload)
    assert refused.code == code
    assert 0 < len(refused.message) < 500


def test_pixels_are_counted_from_the_header() -> None:
    validate_input_payload(payload(), InputRules(max_pixels=200))
    refused = refusal(payload(), InputRules(max_pixels=199))
    assert (refused.code, refused.details) == ("image_too_large", {"pixels": 200, "limit_pixels": 199})


def test_a_decompression_bomb_is_refused_by_its_header_alone() -> None:
    assert refusal(payload(image=sample_png(1, 1)[:16] + b"\x00\x00\xff\xff" * 2 + PNG[24:])).code in (
        "image_too_large",
        "undecodable_image",
    )


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0"])
)
def test_arbitrary_bytes_are_judged_and_never_raise_anything_else(data: bytes, magic: bytes) -> None:
    for mime_type in SUPPORTED_MIME_TYPES:
        try:
            validate_input_payload(payload(image=magic + data, mime_type=mime_type))
        except InputValidationError as refused:
            assert refused.code in ("empty_image", "undecodable_image", "mime_mismatch", "image_too_large")


@given(json_objects)
def test_any_json_object_passes_unchanged(value: dict[str, Any]) -> None:
    passed = validate_plugin_output(value)
    assert passed == value
    assert json.dumps(passed) == json.dumps(value)


@given(json_objects)
def test_what_passes_is_a_copy(value: dict[str, Any]) -> None:
    passed = validate_plugin_output(value)
    passed["another key"] = 1
    assert validate_plugin_output(value) != passed or "another key" in value


@given(json_objects, no_json, st.integers(0, 3), st.booleans())
def test_any_value_that_is_no_json_is_refused_wherever_it_stands(
    value: dict[str, Any], odd: object, depth: int, in_list: bool
) -> None:
    for _ in range(depth):
        odd = [1, odd] if in_list else {"in": odd}
    assert refused_output({**value, "odd": odd}).code == "invalid_output"


@pytest.mark.parametrize("raw", [None, [], [1], "text", 7, b"", (), set(), {}, OrderedDict(), object(), [{"a": 1}]])
def test_what_is_no_filled_dict_is_refused(raw: object) -> None:
    refused = refused_output(raw)
    assert refused.code == "invalid_output"
    assert "must return a dict" in refused.message


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.int64(2**62), 2**62),
        (np.bool_(True), True),
        (np.str_("text"), "text"),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.array(7), 7),
        (np.array([]), []),
        (np.array([True]), [True]),
        ((1, (2, 3)), [1, [2, 3]]),
        (Place(1, 2), [1, 2]),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (Mixed.RED, "red"),
        (Word.YES, "yes"),
        (Level.LOW, 1),
        (Text("its own"), "its own"),
        ({Mixed.RED: 1}, {"red": 1}),
        (2**70, 2**70),
    ],
)
def test_values_that_stand_for_plain_ones_become_plain(raw: object, plain: object) -> None:
    passed = validate_plugin_output({"value": raw})["value"]
    assert passed == plain
    assert type(passed) is type(plain)
    json.dumps(passed, allow_nan=False)


def nested(levels: int, kind: type) -> dict[str, Any]:
    inner: Any = 1
    for _ in range(levels - 1):
        inner = [inner] if kind is list else {"a": inner}
    return {"a": inner}


@pytest.mark.parametrize("kind", [list, dict])
def test_nesting_is_limited(kind: type) -> None:
    assert validate_plugin_output(nested(64, kind)) == nested(64, kind)
    assert refused_output(nested(65, kind)).code == "invalid_output"
    assert refused_output(nested(100_000, kind)).code == "invalid_output"
    assert validate_plugin_output(nested(3, kind), OutputRules(max_depth=3))
    refused_output(nested(4, kind), OutputRules(max_depth=3))


def test_a_value_that_holds_itself_is_refused() -> None:
    looped: dict[str, Any] = {}
    looped["self"] = [looped]
    assert refused_output(looped).code == "invalid_output"


def test_size_is_that_of_the_json() -> None:
    fits = {"a": "x" * 92}
    assert validate_plugin_output(fits, OutputRules(max_bytes=100)) == fits
    refused = refused_output({"a": "x" * 93}, OutputRules(max_bytes=100))
    assert (refused.code, refused.details) == ("output_too_large", {"bytes": 101, "limit_bytes": 100})


def test_the_place_of_a_fault_is_named() -> None:
    assert "score" in refused_output({"boxes": [{"score": math.nan}]}).message


def test_messages_stay_short_whatever_the_keys() -> None:
    assert len(refused_output({"x" * 1_000_000: {1, 2}}).message) < 500
    assert len(refused_output({"x" * 1_000_000: math.nan}).message) < 500


@pytest.mark.parametrize("method", ["__getattr__", "__class__"])
def test_an_object_that_raises_when_it_is_looked_at_is_refused(method: str) -> None:
    def evil(self: object, *name: str) -> Any:
        raise ZeroDivisionError("evil")

    kind = type("Evil", (), {method: property(evil) if method == "__class__" else evil})
    assert refused_output({"a": kind()}).code == "invalid_output"
    assert refused_output(kind()).code == "invalid_output"


@pytest.mark.parametrize("method", ["__iter__", "__bool__", "items", "__len__", "__getitem__"])
def test_a_dict_that_raises_when_it_is_looked_at_is_refused_or_taken_for_what_it_holds(method: str) -> None:
    def evil(self: object, *arguments: object) -> Any:
        raise ZeroDivisionError("evil")

    kind = type("Evil", (dict,), {method: evil})
    for raw in (kind(a=1), {"inner": kind(a=1)}):
        try:
            assert validate_plugin_output(raw) in ({"a": 1}, {"inner": {"a": 1}})
        except OutputValidationError as refused:
            assert refused.code == "invalid_output"
