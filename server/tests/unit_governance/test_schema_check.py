"""Options and results against a plugin's schemas."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.governance.errors import InputValidationError, OutputValidationError
from app.governance.schema_check import UnusableSchema, options_check, result_check

SCHEMA = {
    "type": "object",
    "properties": {
        "most": {"type": "integer", "minimum": 1, "maximum": 10},
        "boxes": {"type": "array", "items": {"type": "object", "required": ["x"]}},
    },
    "additionalProperties": False,
}


def options_fault(options: dict[str, Any], schema: dict[str, Any] = SCHEMA) -> InputValidationError:
    check = options_check(schema)
    assert check is not None
    with pytest.raises(InputValidationError) as refused:
        check(options)
    assert refused.value.code == "invalid_options"
    return refused.value


def test_without_a_schema_there_is_no_check() -> None:
    assert options_check(None) is None
    assert result_check(None) is None


@given(st.integers(1, 10))
def test_options_that_fit_pass(most: int) -> None:
    check = options_check(SCHEMA)
    assert check is not None
    check({"most": most, "boxes": [{"x": 1}]})
    check({})


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"most": 0}, "options.most"),
        ({"most": "3"}, "options.most"),
        ({"boxes": [{"x": 1}, {}]}, "options.boxes[1]"),
        ({"colour": "red"}, "options"),
    ],
)
def test_the_field_that_does_not_fit_is_named(options: dict[str, Any], field: str) -> None:
    refused = options_fault(options)
    assert refused.details == {"field": field}
    assert refused.message.startswith(f"{field}: ")


@pytest.mark.parametrize("odd", [float("nan"), object(), "\ud800", b"bytes", {1: 2}])
def test_options_that_are_no_json_do_not_fit(odd: object) -> None:
    options_fault({"most": odd})


def test_messages_stay_short_whatever_was_sent() -> None:
    refused = options_fault({"most": "x" * 1_000_000})
    assert len(refused.message) < 1_000
    assert len(options_fault({"x" * 1_000_000: 1}).message) < 1_000


def test_a_result_that_does_not_fit_is_invalid_output_by_its_field() -> None:
    check = result_check(SCHEMA)
    assert check is not None
    check({"most": 3})
    with pytest.raises(OutputValidationError) as refused:
        check({"most": 30})
    assert (refused.value.code, refused.value.details) == ("invalid_output", {"field": "result.most"})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"properties": 7},
        {"$ref": "#/$defs/nowhere"},
        {"pattern": "("},
        {"minimum": "one"},
    ],
)
def test_a_schema_that_is_none_is_told_at_once(schema: dict[str, Any]) -> None:
    with pytest.raises(UnusableSchema):
        options_check(schema)
    with pytest.raises(UnusableSchema):
        result_check(schema)


def test_a_schema_that_points_elsewhere_is_not_fetched() -> None:
    with pytest.raises(UnusableSchema):
        options_check({"$ref": "http://localhost:1/schema.json"})
    with pytest.raises(UnusableSchema):
        options_check({"$ref": "file:///etc/hostname"})


def test_a_recursive_schema_checks_every_level() -> None:
    schema = {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}}}
    assert options_fault({"n": {"n": {"n": 7}}}, schema).details == {"field": "options.n.n.n"}
