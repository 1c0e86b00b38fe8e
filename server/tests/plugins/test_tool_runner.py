"""The gate: one body behind two entries, which never raises for anything that a plugin or an input can do."""

import asyncio
import gc
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.governance.errors import ERROR_CODES, CallEnded, PluginRefused
from app.governance.execution_context import ExecutionContext, set_current_execution
from app.governance.lifecycle import Availability, Outcome
from app.governance.schema_check import options_check, result_check
from app.governance.validation import InputRules, OutputRules
from app.observability.metrics import Metrics
from app.plugins.loader.plugin_registry import PluginRecord, PluginRegistry, get_registry
from app.plugins.runtime.tool_runner import ToolRunner
from app.plugins.sandbox.workers import Workers
from sightgate.check import sample_png
from sightgate.errors import InputError, InvalidResult, UndecodableImage
from sightgate.manifest import Manifest, Source

PNG = sample_png(20, 10)
Does = Callable[[dict[str, Any]], Any]
Answer = tuple[dict[str, Any], dict[str, Any]]


class Scripted:
    """A plugin that does what it was made with, and counts its calls."""

    name = "scripted"

    def __init__(self, does: Does) -> None:
        self._does = does
        self.calls = 0

    def run(self, payload: dict[str, Any]) -> Any:
        self.calls += 1
        return self._does(payload)


def payload(**changes: Any) -> dict[str, Any]:
    return {"image": PNG, "mime_type": "image/png", "options": {}} | changes


def raising(exc: BaseException | type[BaseException]) -> Does:
    def throw(given: dict[str, Any]) -> Any:
        raise exc

    return throw


class Gate:
    """A gate with one plugin, entered by ``run`` or by ``run_async``."""

    def __init__(self, entry: str) -> None:
        self.entry = entry
        self.registry = PluginRegistry()
        self.metrics = Metrics(self.registry.knows)

    def call(self, does: Does | object, given: Any = None, name: Any = "scripted", **rules: Any) -> Answer:
        plugin = Scripted(does) if callable(does) else does
        record = rules.pop("record", None)
        self.registry.register("scripted", plugin, replace=True, record=record)
        runner = ToolRunner(self.registry, observer=self.metrics, **rules)
        given = payload() if given is None else given
        if self.entry == "run":
            return runner.run(name, given)
        return asyncio.run(runner.run_async(name, given))

    def row(self) -> dict[str, Any]:
        status = self.registry.get_status("scripted")
        assert status is not None
        return status

    def counts(self) -> tuple[int, int, int]:
        status = self.row()
        return status["success_count"], status["error_count"], status["cancelled_count"]


@pytest.fixture(params=["run", "run_async"])
def gate(request: pytest.FixtureRequest) -> Gate:
    return Gate(request.param)


def code_of(answer: Answer) -> str:
    result, envelope = answer
    assert result == {}
    assert set(envelope) == {"error", "_internal"}
    code: str = envelope["error"]["details"]["code"]
    assert envelope["error"]["type"] == ERROR_CODES[code].type
    return code


def test_a_result_comes_with_no_envelope(gate: Gate) -> None:
    assert gate.call(lambda given: {"n": np.int64(3), "t": (1, 2)}) == ({"n": 3, "t": [1, 2]}, {})
    assert gate.counts() == (1, 0, 0)
    assert gate.row()["state"] == "SUCCESS"
    assert gate.row()["last_execution_time_ms"] > 0


def test_the_plugin_gets_a_payload_of_its_own_with_the_normal_type_and_options(gate: Gate) -> None:
    seen: list[dict[str, Any]] = []

    def spoil(given: dict[str, Any]) -> dict[str, Any]:
        seen.append(dict(given))
        given.clear()
        return {"ok": True}

    sent = {"image": PNG, "mime_type": "IMAGE/PNG; q=1"}
    gate.call(spoil, sent)
    assert seen == [{"image": PNG, "mime_type": "image/png", "options": {}}]
    assert sent == {"image": PNG, "mime_type": "IMAGE/PNG; q=1"}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([], "malformed_request"),
        (payload(colour="red"), "unknown_field"),
        (payload(image=b""), "empty_image"),
        (payload(image=b"text"), "undecodable_image"),
        (payload(mime_type=None), "missing_mime_type"),
        (payload(mime_type="image/svg+xml"), "unsupported_mime_type"),
        (payload(mime_type="image/jpeg"), "mime_mismatch"),
        (payload(options=[]), "invalid_options"),
    ],
)
def test_a_refused_input_does_not_reach_the_plugin_and_is_counted(gate: Gate, given: Any, code: str) -> None:
    plugin = Scripted(lambda given: {"ok": True})
    assert code_of(gate.call(plugin, given)) == code
    assert plugin.calls == 0
    assert gate.counts() == (0, 1, 0)
    assert gate.row()["state"] == "IDLE"
    assert gate.row()["last_used"] is not None


def test_the_limits_of_the_gate_hold(gate: Gate) -> None:
    plugin = Scripted(lambda given: {"a": "x" * 200})
    assert code_of(gate.call(plugin, input_rules=InputRules(max_pixels=199))) == "image_too_large"
    assert plugin.calls == 0
    assert code_of(gate.call(plugin, output_rules=OutputRules(max_bytes=100))) == "output_too_large"


def test_options_and_results_are_held_against_the_schemas(gate: Gate) -> None:
    schema = {"type": "object", "properties": {"most": {"type": "integer"}}, "additionalProperties": False}
    record = PluginRecord(Manifest("scripted"), options_check=options_check(schema), result_check=result_check(schema))
    plugin = Scripted(lambda given: given["options"] or {"other": 1})
    assert gate.call(plugin, payload(options={"most": 3}), record=record) == ({"most": 3}, {})
    assert code_of(gate.call(plugin, payload(options={"most": "3"}), record=record)) == "invalid_options"
    assert plugin.calls == 1
    assert code_of(gate.call(plugin, payload(), record=record)) == "invalid_output"


@pytest.mark.parametrize("raw", [None, [], {}, "text", 7, {"a": float("nan")}, {1: 2}, {"a": b""}, {"a": "\ud800"}])
def test_what_is_no_result_is_the_plugins_error(gate: Gate, raw: object) -> None:
    assert code_of(gate.call(lambda given: raw)) == "invalid_output"
    assert gate.row()["state"] == "ERROR"


@pytest.mark.parametrize(
    ("exc", "code"),
    [
        (ValueError("bad"), "plugin_failed"),
        (KeyError("bad"), "plugin_failed"),
        (KeyboardInterrupt(), "plugin_failed"),
        (GeneratorExit(), "plugin_failed"),
        (StopIteration(7), "plugin_failed"),
        (StopAsyncIteration(), "plugin_failed"),
        (asyncio.CancelledError(), "plugin_failed"),
        (TimeoutError(), "plugin_failed"),
        (RecursionError(), "plugin_failed"),
        (BaseExceptionGroup("many", [SystemExit(3)]), "plugin_failed"),
        (ValueError("\ud800"), "plugin_failed"),
        (SystemExit(3), "plugin_crashed"),
        (MemoryError(), "plugin_out_of_memory"),
        (InvalidResult("bad"), "invalid_output"),
    ],
)
def test_whatever_a_plugin_raises_comes_back_as_an_envelope(gate: Gate, exc: BaseException, code: str) -> None:
    assert code_of(gate.call(raising(exc))) == code
    assert gate.counts() == (0, 1, 0)
    assert (gate.row()["state"], gate.row()["in_flight"]) == ("ERROR", 0)


@pytest.mark.parametrize(("argument", "exit_code"), [(3, 3), (None, 0), ("bye", 1), (0, 0)])
def test_system_exit_of_an_embedded_plugin_is_told_with_its_code(gate: Gate, argument: object, exit_code: int) -> None:
    _, envelope = gate.call(raising(SystemExit(argument)))
    assert envelope["error"]["details"]["exit_code"] == exit_code


@pytest.mark.parametrize("exc", [InputError("bad option"), UndecodableImage("bad image")])
def test_blame_on_the_input_is_counted_but_says_nothing_of_the_plugins_health(gate: Gate, exc: InputError) -> None:
    gate.call(lambda given: {"ok": True})
    assert code_of(gate.call(raising(exc))) == exc.code
    assert gate.counts() == (1, 1, 0)
    assert gate.row()["state"] == "SUCCESS"


def test_the_message_is_the_plugins_own_and_the_traceback_stays_inside(gate: Gate) -> None:
    _, envelope = gate.call(raising(ValueError("not today")))
    assert envelope["error"]["message"] == "not today"
    assert envelope["error"]["details"]["exception"] == "ValueError"
    assert "in throw" in envelope["_internal"]["traceback"]


class EvilText(Exception):
    def __str__(self) -> str:
        raise SystemExit("from __str__")


class EvilRepr(Exception):
    def __repr__(self) -> str:
        raise SystemExit("from __repr__")


class EvilValue:
    def __getattribute__(self, name: str) -> Any:
        raise SystemExit("from a look")


class EvilDict(dict):  # type: ignore[type-arg]
    def __len__(self) -> int:
        raise KeyboardInterrupt

    def __iter__(self) -> Any:
        raise KeyboardInterrupt

    def items(self) -> Any:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("does", "code"),
    [
        (raising(EvilText()), "plugin_failed"),
        (raising(EvilRepr()), "plugin_failed"),
        (raising(InputError("bad", odd=EvilValue())), "invalid_options"),
        (lambda given: EvilValue(), "invalid_output"),
        (lambda given: {"a": EvilValue()}, "invalid_output"),
        (lambda given: EvilDict(a=1), "invalid_output"),
        (lambda given: {"a": EvilDict(a=1)}, "invalid_output"),
    ],
)
def test_objects_that_fight_back_come_back_as_an_envelope(gate: Gate, does: Does, code: str) -> None:
    assert code_of(gate.call(does)) == code
    assert gate.row()["in_flight"] == 0


@pytest.mark.parametrize("name", ["nobody", "", "x" * 100_000, "a\x00b", "\ud800", "../ant", None, 7, [], {}])
def test_an_unknown_plugin_is_an_envelope_and_makes_no_row(gate: Gate, name: Any) -> None:
    assert code_of(gate.call(lambda given: {"ok": True}, name=name)) == "plugin_not_found"
    assert gate.registry.list_plugins() == ["scripted"]
    assert gate.registry.unknown_count == 1
    assert gate.counts() == (0, 0, 0)


def test_a_plugin_that_could_not_be_loaded_is_refused_with_the_reason(gate: Gate) -> None:
    gate.registry.register_unusable(PluginRecord(Manifest("wasp")), Availability.FAILED, "no wings")
    answer = gate.call(lambda given: {"ok": True}, name="wasp")
    assert code_of(answer) == "plugin_unavailable"
    assert answer[1]["error"]["message"] == "no wings"


def test_both_entries_give_the_same_answers() -> None:
    def strip(answer: Answer) -> Any:
        result, envelope = answer
        return result, {**envelope["error"], "timestamp": ""} if envelope else {}

    for does in (
        lambda given: {"n": 1},
        lambda given: None,
        raising(ValueError("bad")),
        raising(SystemExit(3)),
        raising(MemoryError()),
        raising(InputError("bad", field="a")),
    ):
        assert strip(Gate("run").call(does)) == strip(Gate("run_async").call(does))


def test_the_figures_stand_when_the_answer_is_there_even_if_the_observer_is_told_last(gate: Gate) -> None:
    seen: list[tuple[str, Outcome, bool, int]] = []

    class Observer:
        def executed(self, plugin: str, outcome: Outcome, elapsed_ms: float, envelope: Any, context: Any) -> None:
            seen.append((plugin, outcome, bool(envelope), gate.row()["success_count"] + gate.row()["error_count"]))

    gate.registry.register("scripted", Scripted(lambda given: {"ok": True}))
    runner = ToolRunner(gate.registry, observer=Observer())
    runner.run("scripted", payload())
    runner.run("scripted", payload(image=b""))
    runner.run("nobody", payload())
    assert seen == [
        ("scripted", Outcome.SUCCESS, False, 1),
        ("scripted", Outcome.REFUSED, True, 2),
        ("nobody", Outcome.REFUSED, True, 2),
    ]


def test_the_context_learns_how_long_it_ran() -> None:
    async def main() -> float:
        context = ExecutionContext("call-1")
        set_current_execution(context)
        registry = PluginRegistry()
        registry.register("scripted", Scripted(lambda given: {"ok": True}))
        await ToolRunner(registry).run_async("scripted", payload())
        return context.running_ms

    assert asyncio.run(main()) > 0


async def test_a_cancelled_call_is_counted_as_cancelled_and_the_cancellation_goes_on() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def wait(given: dict[str, Any]) -> dict[str, Any]:
        begun.set()
        may_end.wait(30)
        return {"ok": True}

    gate = Gate("run_async")
    gate.registry.register("scripted", Scripted(wait))
    call = asyncio.create_task(ToolRunner(gate.registry, observer=gate.metrics).run_async("scripted", payload()))
    await asyncio.to_thread(begun.wait, 30)
    assert gate.row()["state"] == "RUNNING"
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert gate.counts() == (0, 0, 1)
    assert (gate.row()["state"], gate.row()["in_flight"]) == ("IDLE", 0)
    may_end.set()


async def test_embedded_plugins_run_beside_each_other_and_leave_the_loop_free() -> None:
    together = threading.Barrier(4, timeout=30)

    def meet(given: dict[str, Any]) -> dict[str, Any]:
        together.wait()
        return {"ok": True}

    registry = PluginRegistry()
    registry.register("scripted", Scripted(meet))
    runner = ToolRunner(registry)
    answers = await asyncio.gather(*(runner.run_async("scripted", payload()) for _ in range(4)))
    assert answers == [({"ok": True}, {})] * 4


class InnerWorkers(Workers):
    """Workers of this process: an honest, small implementation of what a pool promises."""

    def __init__(self, does: Does) -> None:
        self._does = does

    @property
    def capacity(self) -> int:
        return 1

    def run(self, payload: dict[str, Any]) -> Any:
        return self._does(payload)

    async def run_async(self, payload: dict[str, Any]) -> Any:
        return self._does(payload)

    async def kill(self, call_id: str) -> bool:
        return False

    async def close(self) -> None:
        return None


@pytest.mark.parametrize(
    ("exc", "code", "state"),
    [
        (CallEnded("plugin_timeout"), "plugin_timeout", "ERROR"),
        (CallEnded("plugin_crashed"), "plugin_crashed", "ERROR"),
        (CallEnded("cancelled"), "cancelled", "IDLE"),
        (PluginRefused("plugin_unavailable"), "plugin_unavailable", "IDLE"),
        (PluginRefused("overloaded"), "overloaded", "IDLE"),
        (RuntimeError("/secret: a fault of ours"), "internal_error", "IDLE"),
    ],
)
def test_what_workers_raise_is_told_with_its_code(gate: Gate, exc: Exception, code: str, state: str) -> None:
    answer = gate.call(InnerWorkers(raising(exc)))
    assert code_of(answer) == code
    assert "secret" not in str(answer[1]["error"])
    assert gate.row()["state"] == state
    assert sum(gate.counts()) == 1


def test_an_abandoned_execution_leaves_nothing_in_flight(gate: Gate) -> None:
    for _ in range(3):
        gate.call(raising(ValueError("bad")))
    gc.collect()
    assert gate.row()["in_flight"] == 0


@pytest.mark.parametrize("image", [sample_png(), b"no image" * 3], ids=["the plugin fails", "the image is bad"])
def test_a_failed_call_holds_its_image_no_longer_than_it_takes(gate: Gate, image: bytes) -> None:
    gc.disable()
    try:
        before = sys.getrefcount(image)
        assert code_of(gate.call(InnerWorkers(raising(ValueError)), payload(image=image)))
        assert sys.getrefcount(image) == before
    finally:
        gc.enable()


def test_without_a_registry_the_processs_one_is_used() -> None:
    get_registry().register("gate-test", Scripted(lambda given: {"ok": True}))
    try:
        assert ToolRunner().run("gate-test", payload()) == ({"ok": True}, {})
    finally:
        get_registry().unregister("gate-test")


async def test_options_that_are_no_json_never_reach_a_worker(write_plugin: Any, pools: Any) -> None:
    source: Source = write_plugin(
        "echo", "class Echo:\n    name = 'echo'\n    def run(self, payload): return {'options': payload['options']}\n"
    )
    registry = PluginRegistry()
    registry.register("echo", pools.make(source), record=PluginRecord(Manifest("echo")))
    runner = ToolRunner(registry)
    for odd in ({"a": "\ud800"}, {"a": object()}, {"a": float("nan")}, {"a": b"bytes"}):
        assert code_of(await runner.run_async("echo", payload(options=odd))) == "invalid_options", odd
    assert await runner.run_async("echo", payload(options={"a": 1})) == ({"options": {"a": 1}}, {})
