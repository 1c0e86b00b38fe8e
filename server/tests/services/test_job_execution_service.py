"""The life of a job, on a real store, through the real gate."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest
from support.postgres_server import PostgresServer
from support.stores import PostgresPlace, execute

from app.governance.errors import RequestError
from app.governance.job_lifecycle import JobStatus
from app.plugins.loader.plugin_registry import PluginRegistry
from app.services.execution import job_dispatcher
from app.services.execution.job_dispatcher import share
from app.services.execution.job_execution_service import JobExecutionService
from app.services.execution.job_terms import JobTerms, Submission
from app.storage.errors import OutcomeUnknown, StorageError
from app.storage.job_ids import new_job_id
from app.storage.records import Job, JobEnd, Outlook, Released
from app.wiring import Sightgate
from sightgate.check import sample_png

PNG = sample_png(4, 4)
PATIENCE_S = 60


class Scripted:
    """An embedded plugin that does as its options say, and can be held."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.may_end = threading.Event()

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.seen.append(dict(payload))
        if payload["options"].get("hold"):
            self.may_end.wait(PATIENCE_S)
        if "raise" in payload["options"]:
            raise ValueError(payload["options"]["raise"])
        return {"number": payload["options"].get("number", 0)}


def payload(**options: Any) -> dict[str, Any]:
    return {"image": PNG, "mime_type": "image/png", "options": options}


@pytest.fixture
def plugin() -> Scripted:
    return Scripted()


@pytest.fixture
def registry(plugin: Scripted) -> PluginRegistry:
    made = PluginRegistry()
    made.register("scripted", plugin)
    return made


@pytest.fixture
async def server(home: Any, registry: PluginRegistry) -> Sightgate:
    started: Sightgate = await home.start(registry)
    return started


async def until(holds: Callable[[], Any], within_s: float = PATIENCE_S) -> None:
    give_up = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.005)


async def ended(jobs: JobExecutionService, job_id: str) -> dict[str, Any]:
    give_up = time.monotonic() + PATIENCE_S
    while (job := await jobs.get_job_async(job_id))["status"] in ("PENDING", "RUNNING"):
        assert time.monotonic() < give_up
        await asyncio.sleep(0.005)
    return job


async def test_a_durable_job_is_run_by_itself_and_its_result_kept(server: Sightgate, plugin: Scripted) -> None:
    job_id = await server.job_execution.create_job_async("scripted", payload(number=7))
    job = await ended(server.job_execution, job_id)
    assert (job["status"], job["result"], job["error"]) == ("SUCCESS", {"number": 7}, None)
    assert job["created_at"] <= job["started_at"] <= job["ended_at"]
    assert job["attempt"] == 1
    assert plugin.seen == [payload(number=7)]


async def test_a_job_that_fails_keeps_its_error_without_anything_internal(server: Sightgate) -> None:
    job_id = await server.job_execution.create_job_async("scripted", payload(**{"raise": "not today"}))
    job = await ended(server.job_execution, job_id)
    assert (job["status"], job["result"]) == ("FAILED", None)
    assert (job["error"]["message"], job["error"]["details"]["job_id"]) == ("not today", job_id)
    assert "_internal" not in str(job)


async def test_running_a_waiting_job_returns_its_result_and_a_second_look_the_same(server: Sightgate) -> None:
    jobs = server.job_execution
    job_id = await jobs.create_job_async("scripted", payload(number=3), durable=False)
    assert await jobs.run_job_async(job_id) == ({"number": 3}, {})
    assert await jobs.run_job_async(job_id) == ({"number": 3}, {})
    assert (await jobs.get_job_async(job_id))["status"] == "SUCCESS"


async def test_running_a_failed_job_again_returns_its_kept_error(server: Sightgate) -> None:
    jobs = server.job_execution
    job_id = await jobs.create_job_async("scripted", payload(**{"raise": "bad"}), durable=False)
    first = await jobs.run_job_async(job_id)
    second = await jobs.run_job_async(job_id)
    assert first[0] == second[0] == {}
    assert first[1]["error"] == second[1]["error"]


async def test_a_job_that_runs_is_waited_for_and_not_run_twice(server: Sightgate, plugin: Scripted) -> None:
    jobs = server.job_execution
    for durable in (True, False):
        plugin.seen.clear()
        plugin.may_end.clear()
        job_id = await jobs.create_job_async("scripted", payload(hold=True, number=1), durable=durable)
        calls = [asyncio.create_task(jobs.run_job_async(job_id)) for _ in range(3)]
        await until(lambda: plugin.seen)
        plugin.may_end.set()
        assert await asyncio.gather(*calls) == [({"number": 1}, {})] * 3
        assert len(plugin.seen) == 1


async def test_a_caller_that_leaves_cancels_its_waiting_job(server: Sightgate, plugin: Scripted) -> None:
    jobs = server.job_execution
    job_id = await jobs.create_job_async("scripted", payload(hold=True), durable=False)
    call = asyncio.create_task(jobs.run_job_async(job_id))
    await until(lambda: plugin.seen)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    job = await ended(jobs, job_id)
    assert (job["status"], job["error"]["details"]["code"]) == ("CANCELLED", "cancelled")
    plugin.may_end.set()


async def test_a_caller_that_leaves_does_not_end_a_durable_job(server: Sightgate, plugin: Scripted) -> None:
    jobs = server.job_execution
    job_id = await jobs.create_job_async("scripted", payload(hold=True))
    call = asyncio.create_task(jobs.run_job_async(job_id))
    await until(lambda: plugin.seen)
    call.cancel()
    plugin.may_end.set()
    assert (await ended(jobs, job_id))["status"] == "SUCCESS"


async def test_a_caller_that_leaves_while_a_job_is_claimed_does_not_leave_it_claimed_for_ever(
    server: Sightgate, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_job = server.store.claim_job

    async def claim_slowly(*given: Any) -> Job | None:
        claimed = await claim_job(*given)
        await asyncio.sleep(0.2)
        return claimed

    monkeypatch.setattr(server.store, "claim_job", claim_slowly)
    monkeypatch.setattr(server.plugin_execution, "free_seats", lambda *_: 0)  # the dispatcher leaves it to the caller
    job_id = await server.job_execution.create_job_async("scripted", payload())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(server.job_execution.run_job_async(job_id), 0.1)
    assert (await ended(server.job_execution, job_id))["status"] == "SUCCESS"


@pytest.mark.parametrize("where", ["here", "on another server"])
async def test_a_job_that_is_cancelled_between_its_claim_and_its_start_is_ended_at_once(
    home: Any,
    registry: PluginRegistry,
    plugin: Scripted,
    postgres: PostgresServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    long = {"database_url": PostgresPlace(postgres).url, "lease_s": 600}  # no renewal tells of it
    runs_it = asker = await home.start(registry, **long)
    if where == "on another server":
        another = tmp_path / "another"
        another.mkdir()
        asker = await home.start(data_dir=another, **long)
    claim, claimed = runs_it.store.claim, asyncio.Event()

    async def claim_and_pause(*given: Any) -> Sequence[Job]:
        jobs = await claim(*given)
        if jobs:
            claimed.set()
            await asyncio.sleep(0.3)
        return jobs

    monkeypatch.setattr(runs_it.store, "claim", claim_and_pause)
    job_id = await runs_it.job_execution.create_job_async("scripted", payload(hold=True))
    await claimed.wait()
    assert (await asker.job_execution.cancel(job_id))["status"] == "CANCELLED"
    plugin.may_end.set()


async def test_a_job_whose_lease_cannot_be_renewed_is_ended_when_it_runs_out_though_the_store_is_silent(
    home: Any, registry: PluginRegistry, plugin: Scripted, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await home.start(registry, database_url=PostgresPlace(postgres).url, lease_s=1.5)
    job_id = await server.job_execution.create_job_async("scripted", payload(hold=True))
    await until(lambda: plugin.seen)
    silent = asyncio.Event()
    monkeypatch.setattr(server.store, "renew", lambda *_: silent.wait())
    await until(lambda: job_id not in server.job_execution._runs.ids())
    plugin.may_end.set()


async def test_a_job_whose_end_was_written_by_a_commit_that_never_answered_is_told_and_counted_once(
    server: Sightgate, monkeypatch: pytest.MonkeyPatch
) -> None:
    end, ends = server.store.end, []

    async def end_without_answer(one: JobEnd) -> Released:
        released = await end(one)
        ends.append(one)
        if len(ends) == 1:
            raise OutcomeUnknown
        return released

    monkeypatch.setattr(server.store, "end", end_without_answer)
    stream = server.job_streams.all_jobs(None)
    assert (await anext(stream)).name == ""
    job_id = await server.job_execution.create_job_async("scripted", payload())
    while (told := (await anext(stream)).data).get("status") != "SUCCESS":
        pass
    assert told["id"] == job_id
    assert len(ends) == 2
    await until(lambda: not server.job_execution._runs.ids())
    assert (
        'sightgate_job_duration_seconds_count{plugin="scripted",status="SUCCESS"} 1.0'
        in server.metrics.render().decode()
    )


@pytest.mark.parametrize("job_id", ["", "nothing", "x" * 100_000, "\ud800"])
async def test_an_unknown_job_is_told_so(server: Sightgate, job_id: str) -> None:
    for look in (server.job_execution.get_job_async, server.job_execution.run_job_async):
        with pytest.raises(RequestError) as refused:
            await look(job_id)
        assert refused.value.code == "job_not_found"
        assert len(refused.value.message) < 300


async def test_a_bad_image_is_a_failed_job(server: Sightgate, plugin: Scripted) -> None:
    bad = {"image": b"", "mime_type": "image/png", "options": {}}
    job = await ended(server.job_execution, await server.job_execution.create_job_async("scripted", bad))
    assert (job["status"], job["error"]["details"]["code"]) == ("FAILED", "empty_image")
    assert plugin.seen == []


async def test_a_job_for_an_unknown_plugin_fails_at_once(server: Sightgate) -> None:
    job = await ended(server.job_execution, await server.job_execution.create_job_async("nobody", payload()))
    assert (job["status"], job["error"]["details"]["code"]) == ("FAILED", "plugin_not_found")


async def test_many_jobs_all_end_once(server: Sightgate, plugin: Scripted) -> None:
    jobs = server.job_execution
    ids = await asyncio.gather(*(jobs.create_job_async("scripted", payload(number=number)) for number in range(60)))
    results = [await ended(jobs, job_id) for job_id in ids]
    assert [job["result"] for job in results] == [{"number": number} for number in range(60)]
    assert len(plugin.seen) == 60


async def test_a_job_that_finds_its_plugin_idle_is_claimed_in_the_transaction_that_stores_it(
    home: Any, registry: PluginRegistry, plugin: Scripted, postgres: PostgresServer
) -> None:
    place = PostgresPlace(postgres)
    server = await home.start(registry, database_url=place.url)
    same = "SELECT i.xmin = a.xmin FROM job_inputs i JOIN job_attempts a ON a.job_id = i.job_id"
    for turn in range(20):
        # One that comes while the dispatcher still looks at what waits is found by the next look.
        await asyncio.sleep(turn / 20)
        plugin.seen.clear()
        plugin.may_end.clear()
        job_id = await server.job_execution.create_job_async("scripted", payload(hold=True))
        await until(lambda: plugin.seen)
        together = execute(place.url, f"{same} WHERE a.job_id = '{job_id}'") == [(True,)]
        plugin.may_end.set()
        await ended(server.job_execution, job_id)
        if together:
            return
    pytest.fail("no claim was made in the transaction of its job")


def test_room_is_shared_among_plugins_that_want_more() -> None:
    wanted = {"a": 64, "b": 2, "c": 64}
    assert share(1, wanted, ["c", "a", "b"]) == {"c": 1}
    assert share(10, wanted, ["c", "a", "b"]) == {"c": 4, "a": 4, "b": 2}
    assert share(129, wanted, ["c", "a", "b"]) == {"c": 64, "a": 63, "b": 2}


async def test_what_comes_while_there_is_no_room_is_not_held_in_memory(
    home: Any, registry: PluginRegistry, plugin: Scripted
) -> None:
    server = await home.start(registry, max_running_jobs=1)
    jobs, dispatcher = server.job_execution, server.job_execution._dispatcher
    ids = [await jobs.create_job_async("scripted", payload(hold=True))]
    await until(lambda: plugin.seen)
    ids += [await jobs.create_job_async("scripted", payload()) for _ in range(20)]
    await until(lambda: not dispatcher._fresh, PATIENCE_S / 2)  # the first one still runs
    plugin.may_end.set()
    assert {(await ended(jobs, job_id))["status"] for job_id in ids} == {"SUCCESS"}


async def test_jobs_that_are_late_at_once_all_fail_however_many(
    home: Any, registry: PluginRegistry, plugin: Scripted
) -> None:
    server = await home.start(registry, max_running_jobs=1)
    jobs = server.job_execution
    await jobs.create_job_async("scripted", payload(hold=True))
    await until(lambda: plugin.seen)
    asked = Submission(["scripted"], {}, JobTerms(deadline_s=1.0))
    batch = await jobs.accept_batch(asked, [payload()] * 700)  # more than one transaction expires
    for job_id in batch.job_ids:
        assert (await ended(jobs, job_id))["error_code"] == "deadline_exceeded"
    plugin.may_end.set()


async def test_a_deadline_that_passes_while_the_store_cannot_expire_jobs_is_not_forgotten(
    home: Any, registry: PluginRegistry, plugin: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await home.start(registry, max_running_jobs=1)
    jobs, expire = server.job_execution, server.store.expire
    await jobs.create_job_async("scripted", payload(hold=True))
    await until(lambda: plugin.seen)
    refused: list[Any] = []

    async def expire_at_the_second_try(*given: Any) -> Any:
        if not refused:
            refused.append(given)
            raise StorageError
        return await expire(*given)

    monkeypatch.setattr(server.store, "expire", expire_at_the_second_try)
    late = await jobs.accept(Submission.of_one("scripted", {}, JobTerms(deadline_s=0.3)), payload())
    assert (await ended(jobs, late.job_id))["error_code"] == "deadline_exceeded"
    assert refused
    plugin.may_end.set()


async def test_who_follows_all_jobs_misses_none_from_the_first_word_on(server: Sightgate) -> None:
    stream = server.job_streams.all_jobs(None)
    assert (await anext(stream)).name == ""
    job_id = await server.job_execution.create_job_async("scripted", payload())
    await ended(server.job_execution, job_id)  # nothing more will come of it
    told = await anext(stream)
    assert (told.name, told.data["id"]) == ("job", job_id)


class AnHourBehind(datetime):
    """The clock before it is set, or before the machine slept."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) - timedelta(hours=1)


async def test_a_delayed_job_starts_although_the_clock_was_set_while_its_time_was_waited_for(
    server: Sightgate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_dispatcher, "CLOCK_AGAIN_S", 0.05)
    monkeypatch.setattr(job_dispatcher, "datetime", AnHourBehind)
    accepted = await server.job_execution.accept(Submission.of_one("scripted", {}, JobTerms(delay_s=0.3)), payload())
    assert (await ended(server.job_execution, accepted.job_id))["status"] == "SUCCESS"


@pytest.mark.parametrize("slow", ["the question", "the answer"])
async def test_a_try_whose_time_comes_while_the_dispatcher_looks_is_not_forgotten(
    server: Sightgate, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    """It looks at what may run now and what comes next: here the time comes on the way there, or on the way back."""
    look, put_back = server.store.outlook, server.store.put_back
    late = False

    async def put_back_before_a_late_look(*given: Any, **named: Any) -> Any:
        nonlocal late
        released = await put_back(*given, **named)
        late = True
        return released

    async def look_late() -> Outlook:
        nonlocal late
        slowly, late = late, False
        if slowly and slow == "the question":
            await asyncio.sleep(0.5)
        seen = await look()
        if slowly and slow == "the answer":
            await asyncio.sleep(0.5)
        return seen

    monkeypatch.setattr(server.store, "put_back", put_back_before_a_late_look)
    monkeypatch.setattr(server.store, "outlook", look_late)
    retry = {"max_attempts": 3, "codes": ["plugin_failed"], "backoff_s": 0.2, "factor": 1, "jitter": 0}
    asked = Submission.of_one("scripted", {"raise": "not yet"}, JobTerms(retry=retry))
    accepted = await server.job_execution.accept(asked, payload())
    assert (await ended(server.job_execution, accepted.job_id))["attempt"] == 3


async def test_jobs_wait_for_a_plugin_that_is_disabled_and_run_when_it_is_enabled(home: Any) -> None:
    home.write("ant", "class Ant:\n    name = 'ant'\n    def run(self, payload): return {'ok': True}\n")
    server = await home.start()
    jobs = server.job_execution
    await server.plugins.set_enabled("ant", enabled=False)
    job_id = await jobs.create_job_async("ant", payload())
    for _ in range(20):
        await asyncio.sleep(0.005)
    waits = await jobs.get_job_async(job_id)
    assert waits["status"] == "PENDING"
    assert "disabled" in waits["waits_because"]
    await server.plugins.set_enabled("ant", enabled=True)
    jobs.look_again()
    assert (await ended(jobs, job_id))["status"] == "SUCCESS"


async def test_accepted_jobs_survive_a_stop_and_run_at_the_next_start(
    home: Any, registry: PluginRegistry, plugin: Scripted
) -> None:
    first = await home.start(registry, drain_s=0, max_running_jobs=1)
    running, waiting = [await first.job_execution.create_job_async("scripted", payload(hold=True)) for _ in range(2)]
    await until(lambda: plugin.seen)
    await home.stop()
    assert not first.job_execution.dispatching
    plugin.may_end.set()
    second_registry = PluginRegistry()
    second_registry.register("scripted", Scripted())
    plugin_again = second_registry.get_plugin("scripted")
    plugin_again.may_end.set()
    second = await home.start(second_registry)
    jobs = [await ended(second.job_execution, job_id) for job_id in (running, waiting)]
    assert [job["status"] for job in jobs] == ["SUCCESS", "SUCCESS"]
    assert [job["attempt"] for job in jobs] == [2, 1]


async def test_what_a_dead_server_left_is_put_right_at_the_next_start(home: Any, registry: PluginRegistry) -> None:
    first = await home.start(registry)
    now = datetime.now(UTC)
    left = Job(new_job_id(), "scripted", JobStatus.RUNNING, now, started_at=now)
    first.store.record(left)
    assert await first.store.get(left.id) is not None
    await home.stop()
    second = await home.start(registry)
    job = await second.job_execution.get_job_async(left.id)
    assert (job["status"], job["error"]["details"]["code"]) == ("FAILED", "interrupted")
    assert job["error"]["details"]["job_id"] == left.id


async def test_a_job_whose_input_is_gone_fails_as_our_fault_and_the_others_run(
    home: Any, registry: PluginRegistry
) -> None:
    accepting = await home.start(registry)
    await accepting.plugins.set_enabled("scripted", enabled=False)
    lost = await accepting.job_execution.create_job_async("scripted", payload(number=1))
    await home.stop()
    for blob in (home.data / "blobs").rglob("*"):
        if blob.is_file():
            blob.unlink()
    server = await home.start(registry)
    kept = await server.job_execution.create_job_async(
        "scripted", {"image": sample_png(9, 9), "mime_type": "image/png", "options": {"number": 2}}
    )
    await server.plugins.set_enabled("scripted", enabled=True)
    server.job_execution.look_again()
    assert (await ended(server.job_execution, lost))["error"]["details"]["code"] == "internal_error"
    assert (await ended(server.job_execution, kept))["result"] == {"number": 2}


async def test_inputs_of_waiting_calls_are_kept_only_on_request(home: Any, registry: PluginRegistry) -> None:
    def blobs() -> int:
        return sum(path.is_file() for path in (home.data / "blobs").rglob("*"))

    first = await home.start(registry)
    await first.job_execution.run_job_async(
        await first.job_execution.create_job_async("scripted", payload(), durable=False)
    )
    assert blobs() == 0
    await home.stop()
    second = await home.start(registry, keep_inputs="all")
    await second.job_execution.run_job_async(
        await second.job_execution.create_job_async("scripted", payload(), durable=False)
    )
    assert blobs() == 1


async def test_plain_callers_on_another_thread_reach_the_server(server: Sightgate) -> None:
    def plain() -> tuple[Any, Any]:
        job_id = server.job_execution.create_job("scripted", payload(number=5))
        return server.job_execution.run_job(job_id), server.job_execution.get_job(job_id)["status"]

    assert await asyncio.to_thread(plain) == (({"number": 5}, {}), "SUCCESS")
