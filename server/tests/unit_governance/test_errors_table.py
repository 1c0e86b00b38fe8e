"""The closed table of codes, and the exceptions that carry them."""

import re

import pytest

from app.governance.errors import (
    ERROR_CODES,
    CallEnded,
    ErrorType,
    GovernedError,
    InternalFault,
    PluginError,
    PluginNotFound,
    PluginRaised,
    PluginRefused,
    shorten,
)

# Each code and the type it must have, as the contract of the project has it.
TYPES = {
    ErrorType.VALIDATION: """malformed_request unknown_field missing_plugin invalid_base64 body_too_large
        unsupported_content_type empty_image missing_mime_type unsupported_mime_type mime_mismatch undecodable_image
        image_too_large invalid_options invalid_output output_too_large rate_limited not_found method_not_allowed
        job_not_found job_not_cancellable idempotency_conflict unauthorized forbidden""",
    ErrorType.EXECUTION: "plugin_failed",
    ErrorType.PLUGIN: """plugin_timeout plugin_crashed plugin_out_of_memory plugin_not_found plugin_unavailable
        plugin_disabled permission_not_granted input_quarantined overloaded cancelled interrupted deadline_exceeded""",
    ErrorType.INTERNAL: "internal_error",
}


@pytest.mark.parametrize("kind", TYPES)
def test_the_codes_of_the_contract_have_their_type(kind: ErrorType) -> None:
    for code in TYPES[kind].split():
        assert ERROR_CODES[code].type is kind, code


def test_every_code_is_a_stable_word_with_a_sentence() -> None:
    for code, row in ERROR_CODES.items():
        assert re.fullmatch("[a-z0-9]+(_[a-z0-9]+)*", code)
        assert row.meaning[0].isupper()
        assert row.meaning.endswith(".")
        assert "/" not in row.meaning


def test_the_default_message_is_the_codes_meaning() -> None:
    assert str(CallEnded("cancelled")) == ERROR_CODES["cancelled"].meaning
    assert str(CallEnded("cancelled", "by its owner")) == "by its owner"


def test_an_error_with_an_unknown_code_cannot_be_made() -> None:
    with pytest.raises(KeyError):
        GovernedError("made_up")


def test_an_unknown_plugin_is_a_key_error_with_a_readable_text() -> None:
    unknown = PluginNotFound("ocr")
    assert isinstance(unknown, KeyError)
    assert isinstance(unknown, PluginError)
    assert str(unknown).startswith("there is no plugin 'ocr'")
    assert len(str(PluginNotFound("x" * 100_000))) < 300


def test_what_a_plugin_raised_may_be_without_a_text() -> None:
    raised = PluginRaised("", "ValueError")
    assert raised.code == "plugin_failed"
    assert raised.details == {"exception": "ValueError"}


def test_a_refusal_keeps_its_details() -> None:
    assert PluginRefused("overloaded", waiting=3).details == {"waiting": 3}


def test_a_fault_of_ours_has_one_code_and_no_details() -> None:
    assert (InternalFault().code, InternalFault().details) == ("internal_error", {})


def test_a_callers_text_is_shortened() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "ab…"
    assert shorten(None) == "None"
