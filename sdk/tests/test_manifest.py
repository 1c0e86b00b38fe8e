"""What a plugin may say of itself."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightgate.manifest import MAX_TEXT, NAME_PATTERN, Limits, Manifest, ManifestError, check_name, check_permissions

limit_values = st.fixed_dictionaries(
    {},
    optional={
        "timeout_s": st.floats(0.01, 86_400),
        "memory_mb": st.integers(16, 1_048_576),
        "scratch_mb": st.integers(1, 1_048_576),
        "workers": st.integers(1, 256),
        "max_batch": st.integers(1, 256),
        "batch_wait_ms": st.floats(0, 10_000),
    },
)


@given(st.from_regex(NAME_PATTERN, fullmatch=True))
def test_a_name_of_the_pattern_is_kept(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", [None, 7, b"ocr", "", "Ocr", "-ocr", "_ocr", "o cr", "ocr\n", "öcr", "a/b", "..", "x" * 65, "x" * 100_000]
)
def test_other_names_are_refused_with_a_short_message(name: object) -> None:
    with pytest.raises(ManifestError, match="name must be") as refused:
        check_name(name)
    assert len(str(refused.value)) < 300


def test_limits_given_in_part_are_merged_with_the_defaults() -> None:
    assert Limits.from_data({"timeout_s": 5}) == Limits(timeout_s=5.0)
    assert Limits.from_data({}) == Limits(30.0, 1024, 1024, 1, 1, 0.0)


@given(limit_values)
def test_limits_come_back_from_their_data(given_limits: dict[str, Any]) -> None:
    limits = Limits.from_data(given_limits)
    assert Limits.from_data(limits.to_data()) == limits
    assert {name: getattr(limits, name) for name in given_limits} == given_limits


@pytest.mark.parametrize(
    "limits",
    [
        {"timeout": 5},
        {"timeout_s": 0},
        {"timeout_s": -1},
        {"timeout_s": float("nan")},
        {"timeout_s": float("inf")},
        {"timeout_s": "30"},
        {"timeout_s": True},
        {"memory_mb": 15},
        {"memory_mb": 100.5},
        {"workers": 0},
        {"workers": 257},
        {"workers": None},
        {7: 1},
        [("workers", 1)],
        "fast",
    ],
)
def test_impossible_limits_are_refused_by_name(limits: object) -> None:
    with pytest.raises(ManifestError, match="limits"):
        Limits.from_data(limits)


def test_a_whole_number_with_a_fraction_of_zero_counts_as_whole() -> None:
    assert Limits.from_data({"workers": 2.0}) == Limits(workers=2)


@given(limit_values, limit_values)
def test_cut_limits_are_never_above_either(declared: dict[str, Any], most: dict[str, Any]) -> None:
    before = Limits.from_data(declared)
    cut = before.cut_to(most)
    for name in before.to_data():
        assert getattr(cut, name) == min(getattr(before, name), most.get(name, getattr(before, name)))


def test_limits_are_not_cut_to_what_is_malformed() -> None:
    with pytest.raises(ManifestError, match="workers"):
        Limits().cut_to({"workers": 0})


def test_permissions_of_known_kinds_are_kept() -> None:
    asked = {"network": ["example.org:443"], "read": [], "write": ["/data"], "gpu": True, "processes": False}
    assert check_permissions(asked) == asked


@pytest.mark.parametrize(
    "asked", [{"root": True}, {"network": True}, {"read": "/data"}, {"gpu": 1}, {"read": ["/a", 7]}, ["network"]]
)
def test_other_permissions_are_refused(asked: object) -> None:
    with pytest.raises(ManifestError, match="permission"):
        check_permissions(asked)


def test_a_manifest_comes_back_from_its_data() -> None:
    manifest = Manifest(
        "ocr",
        "1.2.3",
        "Reads text.",
        Limits(timeout_s=5.0, workers=2),
        {"network": ["example.org"]},
        {"type": "object"},
        {"type": "object", "required": ["regions"]},
    )
    assert Manifest.from_data(manifest.to_data()) == manifest


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "object"),
        ([], "object"),
        ({}, "name"),
        ({"name": "ocr", "colour": "red"}, "colour"),
        ({"name": "ocr", 7: "red"}, "7"),
        ({"name": "ocr", "version": 1.2}, "version"),
        ({"name": "ocr", "description": "x" * (MAX_TEXT + 1)}, "description"),
        ({"name": "ocr", "limits": {"workers": 0}}, "workers"),
        ({"name": "ocr", "permissions": {"root": True}}, "root"),
        ({"name": "ocr", "options_schema": "object"}, "options_schema"),
        ({"name": "ocr", "result_schema": [1]}, "result_schema"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_by_the_field(data: object, said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        Manifest.from_data(data)
