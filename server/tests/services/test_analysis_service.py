"""From what came over the transport to an image's bytes; nothing is judged here."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.governance.errors import RequestError
from app.services.analysis_service import AcquiredImage, AnalysisService
from sightgate.check import sample_png

PNG = sample_png(6, 4)
images = AnalysisService()


@given(st.binary(max_size=500))
def test_base64_gives_back_any_bytes_and_judges_none(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    assert images.from_base64(text, "image/png") == AcquiredImage(data, "image/png")


def test_a_data_url_is_taken_with_its_type_unless_another_is_declared() -> None:
    text = "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert images.from_base64(text, None) == AcquiredImage(PNG, "image/png")
    assert images.from_base64(text, "image/gif") == AcquiredImage(PNG, "image/gif")


@pytest.mark.parametrize(
    "text",
    ["%%%", "abc", "YWJj=", "YWJj\x00", "YWJj YWJj", "ä", "\ud800", "data:image/png,YWJj", "data:;base64,%", "="],
)
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(RequestError) as refused:
        images.from_base64(text, "image/png")
    assert (refused.value.code, refused.value.details) == ("invalid_base64", {"field": "image"})


def test_an_empty_text_is_an_empty_image_for_the_gate_to_refuse() -> None:
    assert images.from_base64("", "image/png") == AcquiredImage(b"", "image/png")


@pytest.mark.parametrize(
    ("declared", "taken"),
    [
        ("image/gif", "image/gif"),
        ("IMAGE/PNG; q=1", "image/png"),
        ("text/plain", "text/plain"),
        (None, "image/png"),
        ("", "image/png"),
        ("application/octet-stream", "image/png"),
    ],
)
def test_the_header_tells_the_type_only_where_the_transport_does_not(declared: str | None, taken: str) -> None:
    assert images.from_bytes(PNG, declared) == AcquiredImage(PNG, taken)


def test_bytes_that_tell_nothing_are_passed_on_for_the_gate_to_refuse() -> None:
    assert images.from_bytes(b"text", None) == AcquiredImage(b"text", "application/octet-stream")


def test_header_facts_are_read_without_decoding() -> None:
    header = images.describe(PNG)
    assert header is not None
    assert (header.mime_type, header.width, header.height) == ("image/png", 6, 4)
    assert images.describe(PNG[:20]) is None
    assert images.describe(b"") is None
