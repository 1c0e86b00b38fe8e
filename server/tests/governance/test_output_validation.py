"""What a plugin returns: only what is a result leaves the server."""

import math
from typing import Any

import numpy as np
import pytest
from support.errors import assert_error, assert_error_object
from support.images import PNG
from support.running_server import RunningServer

from app.plugins.loader.plugin_registry import PluginRegistry
from app.plugins.runtime.tool_runner import ToolRunner

NO_RESULTS = (
    "None",
    "a list",
    "a text",
    "a number",
    "an empty dict",
    "NaN",
    "infinity",
    "NumPy NaN",
    "bytes",
    "an object",
    "an odd object",
    "a class",
    "a function",
    "complex",
    "keys that are numbers",
    "keys that are None, deeper",
    "a cycle",
    "100,000 levels",
    "65 levels",
    "lone surrogates",
    "lone surrogates as a key",
)

RESULTS: dict[str, Any] = {
    "NumPy": {"float": 0.5, "int": 7, "bool": True, "array": [[0, 1, 2], [3, 4, 5]], "text": "t"},
    "rich": {"tuple": [1, 2], "enum": "red", "day": "2030-01-02", "text": "t", "none": None},
    "huge integers": {"a": 2**200},
    "integers of 64 bits": {"a": 2**63, "b": -(2**63)},
}


@pytest.mark.parametrize("what", NO_RESULTS)
def test_an_output_that_is_no_result_is_refused(server: RunningServer, what: str):
    before = server.row("outputs")
    error = assert_error(server.analyze("outputs", {"what": what}), 400, "invalid_output")
    assert (error["type"], error["plugin"]) == ("ValidationError", "outputs")
    after = server.row("outputs")
    assert (after["error_count"], after["state"]) == (before["error_count"] + 1, "ERROR")
    assert server.result("outputs", {"what": "rich"}) == RESULTS["rich"]


@pytest.mark.parametrize("what", ["200 MB", "17 MiB"])
def test_an_output_above_the_limit_is_refused_with_the_limit(server: RunningServer, what: str):
    error = assert_error(server.analyze("outputs", {"what": what}), 400, "output_too_large")
    assert error["details"]["limit_bytes"] == 16 * 1024 * 1024
    assert error["details"]["bytes"] > error["details"]["limit_bytes"]
    assert server.result("outputs", {"what": "rich"}) == RESULTS["rich"]


def test_an_output_within_the_limits_is_accepted(server: RunningServer):
    assert len(server.result("outputs", {"what": "15 MiB"})["a"]) == 15 * 1024 * 1024
    assert server.analyze("outputs", {"what": "64 levels"}).status_code == 200


@pytest.mark.parametrize("what", RESULTS)
def test_numbers_of_numpy_and_other_plain_values_become_json(server: RunningServer, what: str):
    assert server.result("outputs", {"what": what}) == RESULTS[what]


def test_a_result_that_does_not_fit_the_plugins_own_schema_is_refused(server: RunningServer):
    error = assert_error(server.analyze("mistyped"), 400, "invalid_output")
    assert "result" in error["message"]


class Giving:
    """An embedded plugin, whose output meets the gate without a worker's JSON between."""

    name = "giving"

    def __init__(self, output: Any) -> None:
        self.output = output

    def run(self, payload: dict[str, Any]) -> Any:
        return self.output


def cycle() -> dict[str, Any]:
    itself: dict[str, Any] = {}
    itself["itself"] = [itself]
    return itself


def levels(count: int) -> dict[str, Any]:
    nested: Any = 1
    for _ in range(count):
        nested = [nested]
    return {"nested": nested}


def give(output: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    registry = PluginRegistry()
    registry.register("giving", Giving(output))
    return ToolRunner(registry).run("giving", {"image": PNG, "mime_type": "image/png", "options": {}})


@pytest.mark.parametrize(
    "output",
    [
        None,
        [],
        {},
        "text",
        {"a": math.nan},
        {"a": [-math.inf]},
        {"a": np.array([np.nan])},
        {"a": b"raw"},
        {"a": {1, 2}},
        {"a": object()},
        {1: "a"},
        {"a": {None: 1}},
        {"a": "\ud800"},
        {"\ud800": 1},
        cycle(),
        levels(64),
        levels(100_000),
    ],
    ids=lambda output: type(output).__name__,
)
def test_an_embedded_plugins_output_meets_the_same_rules(output: Any):
    result, envelope = give(output)
    assert result == {}
    assert_error_object(envelope["error"], "invalid_output")


def test_an_embedded_plugins_output_is_copied_into_plain_data():
    output = {"a": np.float32(0.5), "b": np.arange(3), "c": (1, 2), "d": {"e": None}}
    result, envelope = give(output)
    assert envelope == {}
    assert result == {"a": 0.5, "b": [0, 1, 2], "c": [1, 2], "d": {"e": None}}
    assert result["d"] is not output["d"]


def test_an_embedded_plugins_output_has_the_same_limit_of_size():
    result, envelope = give({"a": "x" * (17 * 1024 * 1024)})
    assert result == {}
    assert_error_object(envelope["error"], "output_too_large")
