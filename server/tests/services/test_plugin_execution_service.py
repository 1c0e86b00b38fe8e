"""Admission: who may run now, and who is told what."""

import asyncio
import hashlib
import threading
from collections.abc import Callable
from typing import Any

import pytest

from app.governance.errors import CallEnded, PluginNotFound, PluginRefused
from app.governance.execution_context import ExecutionContext, set_current_execution
from app.governance.image_digest import HASHED_AT_ONCE
from app.governance.lifecycle import Availability
from app.plugins.loader.plugin_registry import PluginRecord, PluginRegistry
from app.plugins.runtime.tool_runner import ToolRunner
from app.plugins.sandbox.embedded import AT_ONCE
from app.plugins.sandbox.workers import Workers
from app.services.execution.admission_desk import AdmissionRules
from app.services.execution.breaker import BreakerRules
from app.services.execution.plugin_execution_service import PluginExecutionService
from sightgate.check import sample_png
from sightgate.manifest import Manifest

PNG = sample_png(4, 4)
Does = Callable[[dict[str, Any]], Any]
Answer = tuple[dict[str, Any], dict[str, Any]]


def payload(**changes: Any) -> dict[str, Any]:
    return {"image": PNG, "mime_type": "image/png", "options": {}} | changes


def code_of(answer: Answer) -> str | None:
    result, envelope = answer
    assert bool(result) != bool(envelope)
    return envelope["error"]["details"]["code"] if envelope else None


class Tasks(Workers):
    """Workers of this process, on the loop: what a call does is an awaitable that the test holds."""

    def __init__(self, capacity: int = 1) -> None:
        self._capacity = capacity
        self.begun: list[Any] = []
        self.on_refusal: Callable[[], None] = lambda: None
        self.ends: dict[Any, asyncio.Future[Any]] = {}

    @property
    def capacity(self) -> int:
        return self._capacity

    def run(self, payload: dict[str, Any]) -> Any:
        raise NotImplementedError

    async def run_async(self, payload: dict[str, Any]) -> Any:
        number = payload["options"].get("number")
        self.begun.append(number)
        if "code" in payload["options"]:
            raise CallEnded(payload["options"]["code"])
        if "refuse" in payload["options"]:
            self.on_refusal()
            raise PluginRefused("plugin_unavailable", "no model")
        if number is None:
            return {"ok": True}
        self.ends[number] = asyncio.get_running_loop().create_future()
        return await self.ends[number]

    async def kill(self, call_id: str) -> bool:
        return False

    async def close(self) -> None:
        return None


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Counted:
    """Counts refusals."""

    def __init__(self) -> None:
        self.refusals: list[tuple[str, str]] = []

    def refused(self, plugin: str, code: str) -> None:
        self.refusals.append((plugin, code))


class Desk:
    def __init__(self, **rules: Any) -> None:
        self.registry, self.clock, self.counted, self.tasks = PluginRegistry(), Clock(), Counted(), Tasks()
        self.registry.register("ant", self.tasks, record=PluginRecord(Manifest("ant")))
        breaker = BreakerRules(**{name: rules.pop(name) for name in list(rules) if hasattr(BreakerRules(), name)})
        self.service = PluginExecutionService(
            self.registry,
            ToolRunner(self.registry),
            rules=AdmissionRules(**rules, breaker=breaker),
            observer=self.counted,
            clock=self.clock,
        )

    async def call(self, name: str = "ant", patient: bool = False, image: bytes = PNG, **options: Any) -> Answer:
        given = payload(image=image, options=options)
        return await self.service.execute_async(name, given, patient=patient)

    def start(self, number: int, **more: Any) -> "asyncio.Task[Answer]":
        return asyncio.create_task(self.call(number=number, **more))

    def status(self) -> dict[str, Any]:
        status = self.registry.get_status("ant")
        assert status is not None
        return status


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def waiting(desk: Desk, number: int) -> None:
    """Return as soon as so many wait: before the loop looks at how long they may, however late it is by then."""
    while desk.service.waiting < number:
        await asyncio.sleep(0)


async def test_a_call_is_admitted_and_answered() -> None:
    assert await Desk().call() == ({"ok": True}, {})


async def test_an_unknown_plugin_is_refused_and_is_no_execution() -> None:
    desk = Desk()
    assert code_of(await desk.call("wasp")) == "plugin_not_found"
    assert desk.counted.refusals == [("wasp", "plugin_not_found")]
    assert desk.registry.unknown_count == 0
    with pytest.raises(PluginNotFound):
        desk.service.check("wasp")


@pytest.mark.parametrize("code", ["plugin_unavailable", "plugin_disabled", "permission_not_granted"])
async def test_a_plugin_that_may_not_run_is_refused_with_its_code_and_reason(code: str) -> None:
    desk = Desk()
    desk.registry.set_availability("ant", Availability.UNAVAILABLE, "for a reason", code)
    answer = await desk.call()
    assert code_of(answer) == code
    assert answer[1]["error"]["message"] == "for a reason"
    assert desk.tasks.begun == []
    assert desk.status()["error_count"] == 0
    with pytest.raises(PluginRefused, match="for a reason"):
        desk.service.check("ant")


async def test_as_many_run_as_there_are_seats_and_the_rest_in_their_order() -> None:
    desk = Desk()
    desk.tasks._capacity = 2
    calls = [desk.start(number) for number in range(5)]
    await settle()
    assert desk.tasks.begun == [0, 1]
    assert desk.service.free_seats("ant") == 0
    desk.tasks.ends[1].set_result({"n": 1})
    await settle()
    assert desk.tasks.begun == [0, 1, 2]
    for number in (0, 2, 3, 4):
        await settle()
        desk.tasks.ends[number].set_result({"n": number})
    assert [answer[0]["n"] for answer in await asyncio.gather(*calls)] == [0, 1, 2, 3, 4]
    assert desk.service.free_seats("ant") == 2


async def test_more_than_may_wait_are_refused_as_overloaded_and_patient_ones_are_not() -> None:
    desk = Desk(max_waiting=2)
    calls = [desk.start(number) for number in range(3)]
    await settle()
    assert code_of(await desk.call()) == "overloaded"
    assert desk.counted.refusals == [("ant", "overloaded")]
    calls.append(desk.start(3, patient=True))
    for number in range(4):
        await settle()
        desk.tasks.ends[number].set_result({"n": number})
    assert [code_of(answer) for answer in await asyncio.gather(*calls)] == [None] * 4
    assert desk.status()["success_count"] == 4
    assert desk.status()["error_count"] == 0


async def test_nobody_waits_longer_than_allowed_but_the_patient() -> None:
    desk = Desk(max_wait_s=0.02)
    first = desk.start(0)
    await settle()
    patient = desk.start(1, patient=True)
    context = ExecutionContext("c1")
    set_current_execution(context)
    refused = asyncio.create_task(desk.call())
    await waiting(desk, 2)
    desk.clock.now += 3.0
    assert code_of(await refused) == "overloaded"
    assert context.waiting_ms == 3_000
    assert not patient.done()
    desk.tasks.ends[0].set_result({"n": 0})
    await settle()
    desk.tasks.ends[1].set_result({"n": 1})
    await asyncio.gather(first, patient)


async def test_a_caller_that_leaves_the_queue_holds_nothing() -> None:
    desk = Desk()
    first, leaver, stayer = (desk.start(number) for number in range(3))
    await settle()
    leaver.cancel()
    desk.tasks.ends[0].set_result({"n": 0})
    await settle()
    assert desk.tasks.begun == [0, 2]
    desk.tasks.ends[2].set_result({"n": 2})
    await asyncio.gather(first, stayer)
    assert desk.service.free_seats("ant") == 1


async def test_a_caller_that_leaves_while_its_call_runs_gives_the_seat_on() -> None:
    desk = Desk()
    leaver, stayer = desk.start(0), desk.start(1)
    await settle()
    leaver.cancel()
    await settle()
    assert desk.tasks.begun == [0, 1]
    desk.tasks.ends[1].set_result({"n": 1})
    await stayer
    assert desk.status()["cancelled_count"] == 1


async def test_the_context_learns_how_long_the_call_waited() -> None:
    desk, context = Desk(), ExecutionContext("c1")
    first = desk.start(0)
    await settle()
    set_current_execution(context)
    second = desk.start(1)
    await settle()
    desk.clock.now += 2.5
    desk.tasks.ends[0].set_result({"n": 0})
    await settle()
    desk.tasks.ends[1].set_result({"n": 1})
    await asyncio.gather(first, second)
    assert context.waiting_ms == 2_500.0


async def test_the_context_learns_how_long_a_call_waited_that_got_no_seat() -> None:
    desk, context = Desk(max_wait_s=0.02), ExecutionContext("c1")
    first = desk.start(0)
    await settle()
    set_current_execution(context)
    refused = desk.start(1)
    await waiting(desk, 1)
    desk.clock.now += 2.5
    assert code_of(await refused) == "overloaded"
    assert context.waiting_ms == 2_500.0
    desk.tasks.ends[0].set_result({"n": 0})
    await first


async def test_a_call_whose_deadline_passed_is_not_begun() -> None:
    desk = Desk()
    set_current_execution(ExecutionContext("c1", deadline=asyncio.get_running_loop().time() - 1))
    assert code_of(await desk.call()) == "deadline_exceeded"
    assert desk.tasks.begun == []


async def test_a_call_whose_deadline_passes_in_the_queue_is_not_begun() -> None:
    desk = Desk()
    first = desk.start(0)
    await settle()
    set_current_execution(ExecutionContext("c1", deadline=asyncio.get_running_loop().time() + 0.02))
    assert code_of(await desk.call()) == "deadline_exceeded"
    desk.tasks.ends[0].set_result({"n": 0})
    await first
    assert desk.service.free_seats("ant") == 1


async def test_a_plugin_whose_worker_ends_too_often_rests_and_is_tried_again() -> None:
    desk = Desk(ends=3)
    for number in range(3):
        assert code_of(await desk.call(image=sample_png(number + 1, 1), code="plugin_crashed")) == "plugin_crashed"
    refused = await desk.call()
    assert code_of(refused) == "plugin_unavailable"
    assert refused[1]["error"]["details"]["retry_after_s"] == 30.0
    assert "rests because" in refused[1]["error"]["message"]
    assert desk.status()["state"] == "FAILED"
    assert "rests because" in desk.status()["reason"]
    assert desk.service.free_seats("ant") == 0
    assert desk.service.retry_after_s("ant") == 30.0
    assert len(desk.tasks.begun) == 3
    desk.clock.now += 30
    assert desk.service.free_seats("ant") == 1
    assert code_of(await desk.call()) is None
    assert (desk.status()["state"], desk.status()["reason"]) == ("SUCCESS", None)


async def test_while_one_tries_the_others_are_refused() -> None:
    desk = Desk(ends=1)
    desk.tasks._capacity = 4
    await desk.call(code="plugin_timeout")
    desk.clock.now += 30
    trial = desk.start(0)
    await settle()
    assert code_of(await desk.call()) == "plugin_unavailable"
    desk.tasks.ends[0].set_result({"n": 0})
    await trial
    assert code_of(await desk.call()) is None


@pytest.mark.parametrize("patient", [False, True])
async def test_those_who_wait_for_a_seat_when_it_begins_to_rest_are_refused_at_once(patient: bool) -> None:
    desk = Desk(ends=1)
    desk.tasks._capacity = 2
    running = [desk.start(number) for number in range(2)]
    await settle()
    waiting = [desk.start(number, patient=patient) for number in range(2, 5)]
    await settle()
    assert desk.service.waiting == 3
    desk.tasks.ends[0].set_exception(CallEnded("plugin_timeout"))
    for answer in await asyncio.gather(*waiting):
        assert code_of(answer) == "plugin_unavailable"
        assert answer[1]["error"]["details"]["retry_after_s"] == 30.0
    assert (desk.tasks.begun, desk.service.waiting) == ([0, 1], 0)
    assert desk.counted.refusals == 3 * [("ant", "plugin_unavailable")]
    desk.tasks.ends[1].set_result({"n": 1})
    assert [code_of(answer) for answer in await asyncio.gather(*running)] == ["plugin_timeout", None]
    desk.clock.now += 30
    assert code_of(await desk.call()) is None
    assert desk.service.free_seats("ant") == 2


async def test_one_whose_seat_comes_as_it_begins_to_rest_does_not_begin() -> None:
    desk = Desk(ends=2)
    desk.tasks._capacity = 2
    calls = [desk.start(number) for number in range(3)]
    await settle()
    for number in range(2):  # the first end gives the seat on, the second one makes it rest
        desk.tasks.ends[number].set_exception(CallEnded("plugin_crashed"))
    answers = await asyncio.gather(*calls)
    assert [code_of(answer) for answer in answers] == ["plugin_crashed", "plugin_crashed", "plugin_unavailable"]
    assert desk.tasks.begun == [0, 1]
    desk.clock.now += 30
    assert code_of(await desk.call(image=sample_png(9, 9))) is None
    assert desk.service.free_seats("ant") == 2


async def test_those_who_wait_for_a_worker_that_cannot_be_started_are_refused() -> None:
    desk = Desk()
    desk.tasks.on_refusal = lambda: desk.registry.set_availability("ant", Availability.UNAVAILABLE, "no model")
    running = desk.start(0)
    await settle()
    asker, waiting = asyncio.create_task(desk.call(refuse=True)), desk.start(1)
    await settle()
    desk.tasks.ends[0].set_result({"n": 0})
    answers = await asyncio.gather(running, asker, waiting)
    assert [code_of(answer) for answer in answers] == [None, "plugin_unavailable", "plugin_unavailable"]
    assert desk.tasks.begun == [0, None]


async def test_one_that_waits_while_its_plugin_is_disabled_does_not_begin() -> None:
    desk = Desk()
    running, waiting = desk.start(0), desk.start(1)
    await settle()
    desk.registry.set_availability("ant", Availability.UNAVAILABLE, "by the operator", "plugin_disabled")
    desk.tasks.ends[0].set_result({"n": 0})
    assert [code_of(answer) for answer in await asyncio.gather(running, waiting)] == [None, "plugin_disabled"]
    assert desk.tasks.begun == [0]


@pytest.mark.parametrize("image", [PNG, PNG + bytes(HASHED_AT_ONCE)])
async def test_one_that_waits_while_its_input_comes_into_quarantine_does_not_begin(image: bytes) -> None:
    desk = Desk(ends=100, quarantine_after=1)
    calls = [desk.start(number, image=image) for number in range(3)]
    other = desk.start(3, image=sample_png(9, 9))
    await settle()
    desk.tasks.ends[0].set_exception(CallEnded("plugin_crashed"))
    answers = await asyncio.gather(*calls)
    assert [code_of(answer) for answer in answers] == ["plugin_crashed", "input_quarantined", "input_quarantined"]
    await settle()
    desk.tasks.ends[3].set_result({"n": 3})
    assert code_of(await other) is None
    assert desk.tasks.begun == [0, 3]


async def test_a_call_that_tries_may_have_to_wait_for_its_seat() -> None:
    desk = Desk(ends=1)
    desk.tasks._capacity = 2
    before = desk.start(0)
    await settle()
    await desk.call(code="plugin_timeout")
    desk.tasks._capacity = 1
    desk.clock.now += 30
    trial = desk.start(1)
    await settle()
    assert code_of(await desk.call()) == "plugin_unavailable"
    desk.tasks.ends[0].set_result({"n": 0})
    await settle()
    assert (desk.tasks.begun, desk.service.health("ant").breaker) == ([0, None, 1], "half-open")
    desk.tasks.ends[1].set_result({"n": 1})
    assert [code_of(answer) for answer in await asyncio.gather(before, trial)] == [None, None]
    assert desk.service.health("ant").breaker == "closed"


async def test_after_a_rest_there_is_one_seat_for_the_call_that_tries() -> None:
    desk = Desk(ends=1)
    desk.tasks._capacity = 4
    await desk.call(code="plugin_timeout")
    assert desk.service.free_seats("ant", ahead=8) == 0
    desk.clock.now += 30
    assert desk.service.free_seats("ant", ahead=8) == 1
    trial = desk.start(0)
    await settle()
    assert desk.service.free_seats("ant", ahead=8) == 0
    desk.tasks.ends[0].set_result({"n": 0})
    await trial
    assert desk.service.free_seats("ant", ahead=8) == 12


async def test_a_burst_of_calls_whose_workers_end_is_one_rest() -> None:
    desk = Desk(ends=5)
    desk.tasks._capacity = 10
    calls = [desk.start(number, image=sample_png(number + 1, 1)) for number in range(10)]
    await settle()
    for number in range(10):
        desk.tasks.ends[number].set_exception(CallEnded("plugin_crashed"))
    assert [code_of(answer) for answer in await asyncio.gather(*calls)] == 10 * ["plugin_crashed"]
    assert desk.service.health("ant").rests == 1
    assert desk.service.retry_after_s("ant") == 30.0


@pytest.mark.parametrize("end", ["plugin_timeout", "cancelled", None])
async def test_what_was_in_flight_when_it_began_to_rest_does_not_decide_its_trial(end: str | None) -> None:
    desk = Desk(ends=1)
    desk.tasks._capacity = 3
    before = desk.start(0)
    await settle()
    await desk.call(code="plugin_timeout")
    desk.clock.now += 30
    trial = desk.start(1)
    await settle()
    if end is None:
        desk.tasks.ends[0].set_result({"n": 0})
    else:
        desk.tasks.ends[0].set_exception(CallEnded(end))
    assert code_of(await before) == end
    assert desk.service.health("ant").breaker == "half-open"
    assert code_of(await desk.call()) == "plugin_unavailable"
    desk.tasks.ends[1].set_result({"n": 1})
    assert code_of(await trial) is None
    assert desk.service.health("ant").breaker == "closed"


@pytest.mark.parametrize(
    ("nothing", "code"),
    [({"image": b"text"}, "undecodable_image"), ({"code": "deadline_exceeded"}, "deadline_exceeded")],
)
async def test_a_trial_that_shows_nothing_of_the_plugin_leaves_the_next_call_to_try(
    nothing: dict[str, Any], code: str
) -> None:
    desk = Desk(ends=1)
    await desk.call(code="plugin_timeout")
    desk.clock.now += 30
    assert code_of(await desk.call(**nothing)) == code
    health = desk.service.health("ant")
    assert (health.breaker, health.rests, health.retry_after_s) == ("open", 1, 0.0)
    assert desk.status()["state"] == "FAILED"
    assert code_of(await desk.call(code="plugin_timeout")) == "plugin_timeout"
    assert desk.service.retry_after_s("ant") == 60.0
    desk.clock.now += 60
    assert code_of(await desk.call(**nothing)) == code
    assert code_of(await desk.call()) is None
    assert desk.service.health("ant").breaker == "closed"


async def test_a_trial_that_fails_makes_it_rest_again() -> None:
    desk = Desk(ends=1)
    await desk.call(code="plugin_timeout")
    desk.clock.now += 30
    assert code_of(await desk.call(code="plugin_timeout")) == "plugin_timeout"
    assert code_of(await desk.call()) == "plugin_unavailable"
    assert desk.service.retry_after_s("ant") == 60.0
    assert (desk.service.health("ant").rests, desk.service.would_run("ant")) == (2, False)
    desk.clock.now += 60
    assert desk.service.would_run("ant")


@pytest.mark.parametrize("breaker_is_open", [False, True])
async def test_a_job_is_refused_by_the_same_judgement_as_a_call(breaker_is_open: bool) -> None:
    desk = Desk(ends=1)
    if breaker_is_open:
        await desk.call(code="plugin_timeout")
        desk.service.check("ant")  # its jobs wait until it has rested
    desk.registry.set_availability("ant", Availability.UNAVAILABLE, "off", "plugin_disabled")
    with pytest.raises(PluginRefused) as refused:
        desk.service.check("ant")
    assert refused.value.code == code_of(await desk.call()) == "plugin_disabled"
    assert not desk.service.would_run("ant")


async def test_an_unknown_plugin_would_not_run() -> None:
    desk = Desk()
    assert desk.service.would_run("ant")
    assert not desk.service.would_run("bee")


async def test_a_trial_whose_caller_leaves_lets_the_next_try() -> None:
    desk = Desk(ends=1)
    await desk.call(code="plugin_timeout")
    desk.clock.now += 30
    trial = desk.start(0)
    await settle()
    trial.cancel()
    await settle()
    assert code_of(await desk.call()) is None


async def test_failures_that_leave_the_worker_sound_do_not_make_it_rest() -> None:
    desk = Desk(ends=1)
    for _ in range(5):
        assert code_of(await desk.call(image=b"text")) == "undecodable_image"
    assert code_of(await desk.call()) is None


async def test_a_worker_that_cannot_be_started_is_tried_again_after_a_rest() -> None:
    desk = Desk()
    # As a pool does: it says why in the registry, then refuses.
    desk.tasks.on_refusal = lambda: desk.registry.set_availability("ant", Availability.UNAVAILABLE, "no model")
    assert code_of(await desk.call(refuse=True)) == "plugin_unavailable"
    assert (desk.status()["state"], desk.status()["reason"]) == ("UNAVAILABLE", "no model")
    refused = await desk.call()
    assert "no model" in refused[1]["error"]["message"]
    assert len(desk.tasks.begun) == 1
    desk.clock.now += 30
    assert code_of(await desk.call(refuse=True)) == "plugin_unavailable"
    desk.clock.now += 60
    assert code_of(await desk.call()) is None
    assert (desk.status()["state"], desk.status()["reason"]) == ("SUCCESS", None)


async def test_a_plugin_that_is_removed_while_its_worker_ends_disturbs_nobody() -> None:
    desk = Desk(ends=1)
    call = desk.start(0)
    await settle()
    desk.registry.unregister("ant")
    desk.tasks.ends[0].set_exception(CallEnded("plugin_timeout"))
    assert code_of(await call) == "plugin_timeout"


async def test_a_plugin_that_is_disabled_while_it_rests_stays_disabled() -> None:
    desk = Desk(ends=1)
    await desk.call(code="plugin_timeout")
    desk.registry.set_availability("ant", Availability.UNAVAILABLE, "by the operator", "plugin_disabled")
    desk.clock.now += 30
    assert code_of(await desk.call()) == "plugin_disabled"
    assert desk.service.free_seats("ant") == 0


@pytest.mark.parametrize("end", [None, "plugin_timeout"])
async def test_a_plugin_that_is_disabled_while_its_trial_runs_stays_disabled(end: str | None) -> None:
    desk = Desk(ends=1)
    await desk.call(code="plugin_timeout")
    desk.clock.now += 30
    trial = desk.start(0)
    await settle()
    desk.registry.set_availability("ant", Availability.UNAVAILABLE, "by the operator", "plugin_disabled")
    if end is None:
        desk.tasks.ends[0].set_result({"n": 0})
    else:
        desk.tasks.ends[0].set_exception(CallEnded(end))
    await trial
    assert code_of(await desk.call()) == "plugin_disabled"
    assert desk.status()["reason"] == "by the operator"


async def test_a_plugin_that_was_mended_starts_anew() -> None:
    desk = Desk(ends=1, quarantine_after=1)
    await desk.call(code="plugin_crashed")
    desk.registry.set_availability("ant", Availability.OK, None)
    desk.service.forget("ant")
    assert code_of(await desk.call()) is None
    desk.service.forget("wasp")


async def test_an_input_that_crashed_the_plugin_often_is_refused_and_others_are_not() -> None:
    desk = Desk(ends=100, quarantine_after=3)
    for _ in range(3):
        assert code_of(await desk.call(code="plugin_crashed")) == "plugin_crashed"
    assert code_of(await desk.call()) == "input_quarantined"
    assert code_of(await desk.call(image=sample_png(9, 9))) is None
    desk.registry.register("bee", Tasks(), record=PluginRecord(Manifest("bee")))
    assert code_of(await desk.call("bee")) is None


class Hashing:
    """Notes on which thread each image is hashed, and hashes it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.threads: list[threading.Thread] = []
        self._real = hashlib.sha256
        patch.setattr(hashlib, "sha256", self)

    def __call__(self, data: bytes) -> Any:
        self.threads.append(threading.current_thread())
        return self._real(data)


async def test_nothing_is_hashed_for_a_plugin_that_has_nothing_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, hashing = Desk(ends=100, quarantine_after=2), Hashing(monkeypatch)
    await desk.call(code="plugin_crashed")
    assert len(hashing.threads) == 1
    assert code_of(await desk.call()) is None
    assert len(hashing.threads) == 1
    await desk.call(code="plugin_crashed")
    assert code_of(await desk.call()) == "input_quarantined"
    assert len(hashing.threads) == 3


async def test_a_large_image_is_not_hashed_on_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, hashing = Desk(ends=100, quarantine_after=1), Hashing(monkeypatch)
    large = PNG + bytes(HASHED_AT_ONCE)
    assert code_of(await desk.call(image=large, code="plugin_crashed")) == "plugin_crashed"
    assert code_of(await desk.call(image=large)) == "input_quarantined"
    assert len(hashing.threads) == 2
    assert threading.main_thread() not in hashing.threads
    assert code_of(await desk.call()) is None
    assert hashing.threads[2:] == [threading.main_thread()]


async def test_a_call_that_is_cancelled_while_its_image_is_hashed_is_not_begun() -> None:
    desk, context = Desk(ends=100, quarantine_after=1), ExecutionContext("c1")
    await desk.call(code="plugin_crashed")
    set_current_execution(context)
    call = desk.start(0, image=PNG + bytes(HASHED_AT_ONCE))
    await asyncio.sleep(0)
    context.cancelled = True
    assert code_of(await call) == "cancelled"
    assert desk.tasks.begun == [None]
    assert desk.service.free_seats("ant") == 1


async def test_time_outs_do_not_put_an_input_into_quarantine() -> None:
    desk = Desk(ends=100, quarantine_after=1)
    await desk.call(code="plugin_timeout")
    assert code_of(await desk.call()) is None


async def test_a_quarantined_input_does_not_use_up_the_trial() -> None:
    desk = Desk(ends=1, quarantine_after=1)
    await desk.call(code="plugin_crashed")
    desk.clock.now += 30
    assert code_of(await desk.call()) == "input_quarantined"
    assert code_of(await desk.call(image=sample_png(9, 9))) is None


async def test_an_embedded_plugin_has_as_many_seats_as_there_are_threads() -> None:
    class Embedded:
        def run(self, given: dict[str, Any]) -> dict[str, Any]:
            return {"ok": True}

    desk = Desk()
    desk.registry.register("embedded", Embedded())
    assert code_of(await desk.call("embedded")) is None
    assert desk.service.free_seats("embedded") == AT_ONCE
    assert desk.service.free_seats("nobody") == 1


def test_plain_callers_wait_on_their_own_thread() -> None:
    class Embedded:
        def run(self, given: dict[str, Any]) -> dict[str, Any]:
            return {"thread": threading.current_thread().name}

    registry = PluginRegistry()
    registry.register("embedded", Embedded())
    service = PluginExecutionService(registry, ToolRunner(registry))
    assert service.execute("embedded", payload())[0]["thread"].startswith("sightgate-embedded")
    assert code_of(service.execute("nobody", payload())) == "plugin_not_found"


async def test_a_real_plugin_that_crashes_makes_its_breaker_open(home: Any) -> None:
    home.write(
        "crasher",
        """
        import os
        class Crasher:
            name = "crasher"
            def run(self, payload):
                if payload["options"].get("crash"):
                    os._exit(3)
                return {"ok": True}
        """,
    )
    server = await home.start(breaker_ends=2, quarantine_after=100, breaker_rest_s=0.0)
    crash = payload(options={"crash": True})
    for _ in range(2):
        answer = await server.plugin_execution.execute_async("crasher", crash)
        assert code_of(answer) == "plugin_crashed"
    assert server.plugins.show("crasher")["state"] == "FAILED"
    assert code_of(await server.plugin_execution.execute_async("crasher", payload())) is None
    assert server.plugins.show("crasher")["state"] == "SUCCESS"


async def test_real_workers_that_end_together_make_the_plugin_rest_once(home: Any) -> None:
    home.write(
        "crasher",
        """
        import os
        class Crasher:
            name = "crasher"
            limits = {"workers": 6}
            def run(self, payload):
                os._exit(3)
        """,
    )
    server = await home.start(breaker_ends=2, breaker_rest_s=600.0, breaker_longest_rest_s=100_000.0)
    run = server.plugin_execution.execute_async
    answers = await asyncio.gather(*(run("crasher", payload()) for _ in range(6)))
    assert [code_of(answer) for answer in answers] == 6 * ["plugin_crashed"]
    assert 500 < (await run("crasher", payload()))[1]["error"]["details"]["retry_after_s"] <= 600
