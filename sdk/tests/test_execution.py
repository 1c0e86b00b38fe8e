"""The worker's call of a plugin: a result as JSON, or the failure as text, whatever the plugin does."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sightgate.errors import InputError, InvalidResult, Unavailable, UndecodableImage
from sightgate.execution import MAX_MESSAGE, MAX_TRACEBACK, Failure, call_plugin, describe_exception, encode_result

LIMIT = 1_000
PAYLOAD = {"image": b"bytes", "mime_type": "image/png", "options": {"a": 1}}


class Scripted:
    """A plugin that does what it was made with."""

    name = "scripted"

    def __init__(self, does: Callable[[dict[str, Any]], Any]) -> None:
        self._does = does

    def run(self, payload: dict[str, Any]) -> Any:
        return self._does(payload)


def call(does: Callable[[dict[str, Any]], Any]) -> bytes | Failure:
    return call_plugin(Scripted(does), PAYLOAD, LIMIT)


def failure_of(raised: BaseException) -> Failure:
    def throw(payload: dict[str, Any]) -> Any:
        raise raised

    answer = call(throw)
    assert isinstance(answer, Failure)
    return answer


def test_a_result_becomes_strict_json_in_utf_8() -> None:
    answer = call(lambda payload: {"text": "größe", "options": payload["options"], "mean": np.float32(0.5)})
    assert isinstance(answer, bytes)
    assert "größe".encode() in answer
    assert json.loads(answer) == {"text": "größe", "options": {"a": 1}, "mean": 0.5}


@pytest.mark.parametrize(
    "result",
    [
        None,
        [],
        "text",
        {},
        {"a": float("nan")},
        {"a": b"bytes"},
        {"a": object()},
        {"a": "\ud800"},
        {"\ud800": 1},
        {"a": 10**5_000},
        {("a",): 1},
    ],
)
def test_what_is_no_result_is_invalid_output(result: object) -> None:
    answer = encode_result(result, LIMIT)
    assert isinstance(answer, Failure)
    assert (answer.kind, answer.code) == ("output", "invalid_output")
    json.loads(answer.encode())


def test_a_result_that_holds_itself_is_invalid_output() -> None:
    looped: dict[str, Any] = {}
    looped["self"] = looped
    answer = encode_result(looped, LIMIT)
    assert isinstance(answer, Failure)
    assert answer.code == "invalid_output"


def test_a_result_nested_very_deep_is_invalid_output() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    answer = encode_result(deep, LIMIT)
    assert isinstance(answer, Failure)
    assert answer.code == "invalid_output"


def test_a_result_is_measured_as_json() -> None:
    assert encode_result({"a": "x" * (LIMIT - 8)}, LIMIT) == b'{"a":"' + b"x" * (LIMIT - 8) + b'"}'
    answer = encode_result({"a": "x" * (LIMIT - 7)}, LIMIT)
    assert isinstance(answer, Failure)
    assert (answer.code, answer.details) == ("output_too_large", {"bytes": LIMIT + 1, "limit_bytes": LIMIT})


def test_an_object_that_raises_while_it_is_made_plain_is_invalid_output() -> None:
    class Evil:
        def model_dump(self, mode: str = "json") -> Any:
            raise ZeroDivisionError("evil")

        def tolist(self) -> Any:
            raise ZeroDivisionError("evil")

        item = tolist

    answer = encode_result({"a": Evil()}, LIMIT)
    assert isinstance(answer, Failure)
    assert answer.kind == "output"


@pytest.mark.parametrize(
    ("raised", "kind", "code"),
    [
        (ValueError("bad"), "raised", "plugin_failed"),
        (KeyError("bad"), "raised", "plugin_failed"),
        (InputError("bad"), "input", "invalid_options"),
        (UndecodableImage("bad"), "input", "undecodable_image"),
        (Unavailable("bad"), "unavailable", "plugin_unavailable"),
        (InvalidResult("bad"), "output", "invalid_output"),
        (MemoryError("bad"), "out_of_memory", "plugin_out_of_memory"),
        (KeyboardInterrupt("bad"), "raised", "plugin_failed"),
        (GeneratorExit("bad"), "raised", "plugin_failed"),
        (StopIteration("bad"), "raised", "plugin_failed"),
        (asyncio.CancelledError("bad"), "raised", "plugin_failed"),
        (BaseExceptionGroup("bad", [KeyboardInterrupt()]), "raised", "plugin_failed"),
    ],
)
def test_what_is_raised_is_sorted_by_its_class(raised: BaseException, kind: str, code: str) -> None:
    failure = failure_of(raised)
    assert (failure.kind, failure.code, failure.exception) == (kind, code, type(raised).__name__)
    assert "bad" in failure.message
    assert "throw" in failure.traceback


def test_runaway_recursion_is_the_plugins_failure() -> None:
    def dive(payload: dict[str, Any]) -> Any:
        return dive(payload)

    answer = call(dive)
    assert isinstance(answer, Failure)
    assert answer.exception == "RecursionError"
    assert len(answer.traceback) <= MAX_TRACEBACK


def test_system_exit_passes_through_to_end_the_worker() -> None:
    def leave(payload: dict[str, Any]) -> Any:
        raise SystemExit(3)

    with pytest.raises(SystemExit) as left:
        call(leave)
    assert left.value.code == 3


@pytest.mark.parametrize("evil", [RuntimeError, KeyboardInterrupt, MemoryError])
def test_an_exception_whose_text_cannot_be_made_is_described_by_its_class(evil: type[BaseException]) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise evil("no text")

    failure = failure_of(Mute())
    assert (failure.exception, failure.message) == ("Mute", "Mute")
    json.loads(failure.encode())


def test_an_exception_whose_text_is_of_another_type_is_described_all_the_same() -> None:
    class Odd(Exception):
        def __str__(self) -> Any:
            return 7

    assert failure_of(Odd()).exception == "Odd"


def test_messages_and_tracebacks_are_bounded_and_valid_unicode() -> None:
    failure = failure_of(ValueError("\ud800" + "x" * 1_000_000))
    assert len(failure.message) == MAX_MESSAGE
    assert len(failure.traceback) <= MAX_TRACEBACK
    failure.message.encode()
    failure.traceback.encode()


def test_details_that_are_json_are_kept_and_others_are_left_out() -> None:
    kept = failure_of(InputError("bad", field="options.most", limit=3))
    assert json.loads(kept.encode())["details"] == {"field": "options.most", "limit": 3}
    looped: list[Any] = []
    looped.append(looped)
    for odd in (object(), float("nan"), looped, "\ud800"):
        encoded = failure_of(InputError("bad", field=odd)).encode()
        assert json.loads(encoded)["details"] == {}
        assert json.loads(encoded)["message"] == "bad"


def test_a_code_that_is_no_valid_unicode_can_still_be_sent() -> None:
    encoded = failure_of(InputError("bad", code="\ud800")).encode()
    assert "\\ud800" not in encoded.decode()


def test_a_chain_of_causes_is_in_the_traceback() -> None:
    second = ValueError("second")
    second.__cause__ = KeyError("first")
    assert "first" in describe_exception(second).traceback
