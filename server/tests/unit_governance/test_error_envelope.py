"""The one shape of every error."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.governance.error_envelope import MAX_MESSAGE, MAX_TRACEBACK, as_governed, build_error_envelope, internal_fault
from app.governance.errors import (
    ERROR_CODES,
    CallEnded,
    GovernedError,
    InputValidationError,
    OutputValidationError,
    PluginNotFound,
    PluginRaised,
    PluginRefused,
)
from sightgate.errors import InputError, InvalidResult, UndecodableImage


def caught(exc: BaseException) -> BaseException:
    try:
        raise exc
    except BaseException as raised:
        return raised


def envelope_of(exc: BaseException, plugin: str | None = "ocr") -> dict[str, Any]:
    envelope = build_error_envelope(caught(exc), plugin)
    json.dumps(envelope, ensure_ascii=False).encode()
    return envelope


@pytest.mark.parametrize("code", ERROR_CODES)
def test_every_code_has_its_type_and_whether_to_try_again(code: str) -> None:
    envelope = envelope_of(GovernedError(code))
    assert set(envelope) == {"error", "_internal"}
    error = envelope["error"]
    assert set(error) == {"type", "message", "details", "plugin", "timestamp"}
    assert error["type"] == ERROR_CODES[code].type
    assert error["message"] == ERROR_CODES[code].meaning
    assert error["details"] == {"code": code, "retryable": ERROR_CODES[code].retryable}
    assert error["plugin"] == "ocr"


def test_the_time_is_utc_with_its_offset() -> None:
    moment = datetime.fromisoformat(envelope_of(ValueError("bad"))["error"]["timestamp"])
    assert moment.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("exc", "kind", "code", "message"),
    [
        (ValueError("bad"), "ExecutionError", "plugin_failed", "bad"),
        (KeyError("bad"), "ExecutionError", "plugin_failed", "'bad'"),
        (asyncio.CancelledError("bad"), "ExecutionError", "plugin_failed", "bad"),
        (InputError("bad"), "ValidationError", "invalid_options", "bad"),
        (UndecodableImage("bad"), "ValidationError", "undecodable_image", "bad"),
        (InputError("bad", code="made_up"), "ValidationError", "invalid_options", "bad"),
        (InvalidResult("bad"), "ValidationError", "invalid_output", "bad"),
        (OutputValidationError("output_too_large", "bad"), "ValidationError", "output_too_large", "bad"),
        (CallEnded("plugin_timeout", "bad"), "PluginError", "plugin_timeout", "bad"),
        (PluginRefused("overloaded", "bad"), "PluginError", "overloaded", "bad"),
        (PluginRaised("bad", "ValueError"), "ExecutionError", "plugin_failed", "bad"),
    ],
)
def test_an_exception_is_sorted_by_its_class(exc: BaseException, kind: str, code: str, message: str) -> None:
    error = envelope_of(exc)["error"]
    assert (error["type"], error["details"]["code"], error["message"]) == (kind, code, message)


def test_an_error_class_with_a_telling_name_is_still_the_plugins() -> None:
    class ValidationError(Exception):
        """Named like one of ours."""

    assert envelope_of(ValidationError("bad"))["error"]["type"] == "ExecutionError"


def test_the_class_of_what_a_plugin_raised_is_in_the_details() -> None:
    assert envelope_of(ZeroDivisionError("bad"))["error"]["details"]["exception"] == "ZeroDivisionError"


def test_the_traceback_is_internal_only() -> None:
    envelope = envelope_of(ValueError("bad"))
    assert "Traceback" in envelope["_internal"]["traceback"]
    assert "Traceback" not in json.dumps(envelope["error"])


def test_a_workers_own_traceback_is_the_one_that_is_kept() -> None:
    envelope = envelope_of(PluginRaised("bad", "ValueError", "from the worker"))
    assert envelope["_internal"]["traceback"] == "from the worker"


def test_a_fault_of_ours_says_nothing_but_keeps_its_cause_for_the_log() -> None:
    envelope = envelope_of(internal_fault(caught(RuntimeError("/secret/path"))))
    assert envelope["error"]["details"]["code"] == "internal_error"
    assert "secret" not in json.dumps(envelope["error"])
    assert "/secret/path" in envelope["_internal"]["traceback"]


def test_messages_tracebacks_and_names_are_bounded() -> None:
    envelope = envelope_of(ValueError("x" * 1_000_000), "p" * 100_000)
    assert len(envelope["error"]["message"]) == MAX_MESSAGE
    assert len(envelope["error"]["plugin"]) == 200
    assert len(envelope["_internal"]["traceback"]) <= MAX_TRACEBACK
    assert len(envelope_of(PluginNotFound("p" * 100_000))["error"]["message"]) < 300


def test_lone_surrogates_are_replaced_so_that_the_answer_can_be_encoded() -> None:
    envelope_of(ValueError("a\ud800b"), "oc\udfffr")
    envelope_of(InputError("bad", field="\ud800"))


def test_without_a_plugin_the_field_is_null() -> None:
    assert envelope_of(GovernedError("not_found"), None)["error"]["plugin"] is None


def test_details_of_the_error_are_kept() -> None:
    details = envelope_of(CallEnded("plugin_timeout", "late", limit_s=30.0))["error"]["details"]
    assert details == {"code": "plugin_timeout", "retryable": True, "limit_s": 30.0}


def test_a_plugins_details_cannot_replace_our_own() -> None:
    refused = InputError("bad", retryable=True, field="options.a")
    refused.details["code"] = "internal_error"
    details = envelope_of(refused)["error"]["details"]
    assert details == {"code": "invalid_options", "retryable": False, "field": "options.a"}


@pytest.mark.parametrize("odd", [object(), {1, 2}, b"bytes", float("nan"), "\ud800", {1: 2}])
def test_details_of_a_plugin_that_are_no_json_are_left_out(odd: object) -> None:
    envelope = envelope_of(InputError("bad", odd=odd))
    assert envelope["error"]["details"] == {"code": "invalid_options", "retryable": False}


@pytest.mark.parametrize("evil", [RuntimeError, KeyboardInterrupt, SystemExit, MemoryError])
def test_an_exception_that_raises_when_it_is_shown_gets_an_envelope(evil: type[BaseException]) -> None:
    class Evil(Exception):
        def __str__(self) -> str:
            raise evil("from __str__")

    error = envelope_of(Evil())["error"]
    assert (error["message"], error["details"]["exception"]) == ("Evil", "Evil")


def test_an_exception_whose_text_has_methods_of_its_own_gets_an_envelope() -> None:
    class Text(str):
        def __len__(self) -> int:
            raise RuntimeError("evil")

        def isascii(self) -> bool:
            raise RuntimeError("evil")

        def __getitem__(self, index: object) -> str:
            raise RuntimeError("evil")

    class Evil(Exception):
        def __str__(self) -> str:
            return Text("its text")

    assert envelope_of(Evil())["error"]["message"] == "its text"


def test_a_governed_error_stays_the_one_it_is() -> None:
    refused = InputValidationError("empty_image")
    assert as_governed(refused) is refused
