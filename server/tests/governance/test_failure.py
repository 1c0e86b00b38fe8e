"""A plugin that raises: whatever it is, the caller gets the envelope, and the worker serves the next call."""

import asyncio

import pytest
from support.errors import assert_error, assert_error_object
from support.images import PNG
from support.running_server import RunningServer, eventually

from app.plugins.loader.plugin_registry import PluginRegistry
from app.plugins.runtime.tool_runner import ToolRunner

PAYLOAD = {"image": PNG, "mime_type": "image/png", "options": {}}

RAISED = {
    "plain": ("ValueError", "the plugin's own words"),
    "huge": ("ValueError", "x" * 2000),
    "empty": ("ValueError", ""),
    "broken str": ("BrokenText", ""),
    "str that is None": ("TextThatIsNone", ""),
    "lone surrogates": ("ValueError", "bad ? text"),
    "control characters": ("ValueError", "a\x00b\x1b[31mc"),
    "KeyboardInterrupt": ("KeyboardInterrupt", "stop"),
    "own base": ("OwnBase", "from the root"),
    "GeneratorExit": ("GeneratorExit", "closing"),
    "StopIteration": ("StopIteration", "5"),
    "CancelledError": ("CancelledError", "not yours"),
    "futures CancelledError": ("CancelledError", "not yours"),
    "TimeoutError": ("TimeoutError", "mine, not the server's"),
    "chain": ("ValueError", "level 299"),
    "group": ("ExceptionGroup", "several (2 sub-exceptions)"),
    "recursion": ("RecursionError", "maximum recursion depth exceeded"),
}


class Awkward(BaseException):
    def __str__(self) -> str:
        raise KeyError("no text")


class Raising:
    """An embedded plugin, which has no process between itself and the gate."""

    name = "raising"

    def __init__(self, raised: BaseException) -> None:
        self.raised = raised

    def run(self, payload):
        raise self.raised


EMBEDDED = {
    "an exception": (ValueError("no"), "plugin_failed"),
    "SystemExit": (SystemExit(3), "plugin_crashed"),
    "KeyboardInterrupt": (KeyboardInterrupt(), "plugin_failed"),
    "MemoryError": (MemoryError(), "plugin_out_of_memory"),
    "StopIteration": (StopIteration(1), "plugin_failed"),
    "GeneratorExit": (GeneratorExit(), "plugin_failed"),
    "CancelledError": (asyncio.CancelledError(), "plugin_failed"),
    "an exception without a text": (Awkward(), "plugin_failed"),
}


def runner(raised: BaseException) -> ToolRunner:
    registry = PluginRegistry()
    registry.register("raising", Raising(raised))
    return ToolRunner(registry)


def test_a_failure_is_an_empty_dict_and_an_envelope():
    result, envelope = runner(ValueError("no")).run("raising", PAYLOAD)
    assert result == {}
    assert set(envelope) == {"error", "_internal"}
    assert_error_object(envelope["error"], "plugin_failed")
    assert (envelope["error"]["message"], envelope["error"]["plugin"]) == ("no", "raising")
    assert "ValueError: no" in envelope["_internal"]["traceback"]


@pytest.mark.parametrize("what", EMBEDDED)
async def test_the_gate_never_raises_whatever_a_plugin_does(what: str):
    raised, code = EMBEDDED[what]
    for result, envelope in (
        await asyncio.to_thread(runner(raised).run, "raising", PAYLOAD),
        await runner(raised).run_async("raising", PAYLOAD),
    ):
        assert result == {}
        assert_error_object(envelope["error"], code)


@pytest.mark.parametrize("name", ["nobody", "", "x" * 100_000, None, 5, b"raising", ["raising"]])
async def test_the_gate_never_raises_for_a_name_that_is_no_plugins(name: object):
    gate = runner(ValueError("no"))
    for result, envelope in (gate.run(name, PAYLOAD), await gate.run_async(name, PAYLOAD)):  # type: ignore[arg-type]
        assert result == {}
        assert envelope["error"]["details"]["code"] == "plugin_not_found"


@pytest.mark.parametrize("what", RAISED)
def test_what_a_plugin_raises_reaches_the_caller_as_its_class_and_text(server: RunningServer, what: str):
    name, message = RAISED[what]
    error = assert_error(server.analyze("raising", {"what": what}), 400, "plugin_failed")
    assert error["details"]["exception"] == name
    assert error["message"][: len(message)] == message
    assert error["plugin"] == "raising"


def test_a_plugin_that_raises_keeps_its_worker(server: RunningServer):
    with pytest.raises(AssertionError, match="own words"):
        server.result("raising", {"what": "plain"})
    started = worker_starts(server, "raising")
    for what in RAISED:
        server.analyze("raising", {"what": what})
    assert worker_starts(server, "raising") == started


def test_a_plugin_may_say_that_the_input_is_at_fault(server: RunningServer):
    error = assert_error(server.analyze("raising", {"what": "input error"}), 400, "invalid_options")
    assert (error["message"], error["details"]["field"]) == ("this option is of no use", "what")
    assert_error(server.analyze("raising", {"what": "undecodable"}), 400, "undecodable_image")


def test_a_plugin_cannot_forge_a_code_or_a_job(server: RunningServer):
    error = assert_error(server.analyze("raising", {"what": "input error with a foreign code"}), 400, "invalid_options")
    assert error["details"]["job_id"] != "forged"


def test_a_plugin_that_became_unavailable_says_why(server: RunningServer):
    error = assert_error(server.analyze("raising", {"what": "unavailable"}), 503, "plugin_unavailable")
    assert error["message"] == "its model went away"


def test_a_traceback_is_in_the_log_and_not_in_the_answer(server: RunningServer):
    error = assert_error(server.analyze("raising", {"what": "chain"}), 400, "plugin_failed")
    job_id = error["details"]["job_id"]
    line = eventually(lambda: [line for line in server.events("execution") if line["job"] == job_id], "log line")[0]
    assert "ValueError: level 299" in line["_internal"]["traceback"]
    assert len(line["_internal"]["traceback"]) <= 32_000


def test_a_plugin_whose_manifest_changes_with_every_import_is_failed(server: RunningServer):
    assert_error(server.analyze("lying"), 503, "plugin_unavailable")
    row = server.row("lying")
    assert row["state"] == "FAILED"
    assert "manifest" in row["reason"]


def worker_starts(server: RunningServer, plugin: str) -> float:
    wanted = f'sightgate_worker_starts_total{{plugin="{plugin}"}} '
    lines = server.http.get("/metrics").text.splitlines()
    return next(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))
