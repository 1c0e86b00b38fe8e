"""Webhooks from a real outbox to a real receiver on loopback: signed, tried again, given up, never lost."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from support.http_receiver import Answer, Received, Receiver, answer, receiver, redirect

from app.governance.errors import RequestError
from app.governance.job_lifecycle import JobStatus
from app.governance.retry import RetryPolicy
from app.outbound.addresses import AddressRules
from app.outbound.client import OutboundHttp
from app.outbound.targets import TargetRules
from app.services.webhook_event import MAX_RESULT_BYTES
from app.services.webhook_service import DeliveryRules, NoWebhooks, WebhookService
from app.storage.job_ids import new_job_id
from app.storage.records import Delivery, DeliveryFate, Job, JobEnd, NewJob
from app.storage.sqlite_store import SqliteJobStore

SECRET = "a secret of sixteen characters"
SOON = RetryPolicy(max_attempts=3, backoff_s=0.01, factor=1.0, max_backoff_s=0.01, jitter=0.0)
LOOPBACK = AddressRules([ip_network("127.0.0.0/8")])


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteJobStore]:
    async with await SqliteJobStore.open(tmp_path / "jobs.sqlite3") as opened:
        yield opened


def _service(
    store: SqliteJobStore,
    target: Receiver,
    observe: Callable[[str], None] = lambda _: None,
    *,
    timeout_s: float = 30.0,
    addresses: AddressRules = LOOPBACK,
) -> WebhookService:
    http = OutboundHttp(TargetRules(addresses, frozenset({80, 443, target.port})))
    return WebhookService(store, http, DeliveryRules(SECRET, timeout_s, SOON), observe)


@asynccontextmanager
async def _delivering(store: SqliteJobStore, says: Answer, **rules: Any) -> AsyncIterator[tuple[Receiver, list[str]]]:
    """Run a receiver and the service that delivers to it; gives it, and the outcomes as they are observed."""
    outcomes: list[str] = []
    async with receiver(says) as target:
        service = _service(store, target, outcomes.append, **rules)
        await service.start()
        try:
            yield target, outcomes
        finally:
            await service.stop()


async def _end_job(store: SqliteJobStore, url: str, **how: Any) -> str:
    """Have a job with a webhook accepted, run and ended."""
    now = datetime.now(UTC)
    job = Job(new_job_id(), "ocr", JobStatus.PENDING, now, True, webhook=url)
    await store.add([NewJob(job, [])])
    claimed = await store.claim_job(job.id, now + timedelta(seconds=60))
    assert claimed is not None
    end = {"status": JobStatus.SUCCESS, "result": {"text": "read"}, "error": None} | how
    await store.end(
        JobEnd(job.id, ended_at=datetime.now(UTC), waiting_ms=1.0, running_ms=2.0, attempt=claimed.attempt, **end)
    )
    return job.id


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def _is_genuine(request: Received) -> bool:
    """As the operator's guide tells receivers to check."""
    said = dict(part.split("=", 1) for part in request.headers["sightgate-signature"].split(","))
    signed = hmac.new(SECRET.encode(), said["t"].encode() + b"." + request.body, hashlib.sha256).hexdigest()
    return signed == said["v1"] and abs(datetime.now(UTC).timestamp() - int(said["t"])) < 300


async def test_an_end_is_told_once_signed_and_as_an_event(store: SqliteJobStore) -> None:
    async with _delivering(store, lambda _: answer(status=204, content_length="")) as (target, outcomes):
        job_id = await _end_job(store, target.url("/hook"))
        await _until(lambda: bool(outcomes))
        assert outcomes == ["delivered"]
        (request,) = target.received
        assert request.line == "POST /hook HTTP/1.1"
        assert request.headers["content-type"] == "application/cloudevents+json"
        assert _is_genuine(request)
        event = json.loads(request.body)
        assert (event["specversion"], event["id"], event["type"]) == ("1.0", job_id, "sightgate.job.ended")
        data = event["data"]
        assert (data["id"], data["status"], data["plugin"]) == (job_id, "SUCCESS", "ocr")
        assert (data["path"], data["result"], data["result_included"]) == (f"/v1/jobs/{job_id}", {"text": "read"}, True)
        assert datetime.fromisoformat(event["time"]).utcoffset() == timedelta(0)
        assert await store.delivery(job_id) == DeliveryFate("delivered", 1, None)
        assert await store.due_deliveries(10, datetime.now(UTC)) == []


async def test_an_error_is_told_and_a_large_result_is_not(store: SqliteJobStore) -> None:
    async with _delivering(store, lambda _: answer()) as (target, outcomes):
        error = {"type": "PluginError", "details": {"code": "plugin_crashed"}}
        failed = await _end_job(store, target.url(), status=JobStatus.FAILED, result=None, error=error)
        large = await _end_job(store, target.url(), result={"text": "x" * MAX_RESULT_BYTES})
        await _until(lambda: len(outcomes) == 2)
        told = {event["id"]: event["data"] for event in (json.loads(request.body) for request in target.received)}
        assert (told[failed]["status"], told[failed]["error"], told[failed]["result"]) == ("FAILED", error, None)
        assert (told[large]["result"], told[large]["result_included"]) == (None, False)


async def test_a_receiver_that_fails_is_called_again_until_it_answers(store: SqliteJobStore) -> None:
    answers = iter([answer(status=500), redirect("http://127.0.0.1/"), answer(status=200)])
    async with _delivering(store, lambda _: next(answers)) as (target, outcomes):
        job_id = await _end_job(store, target.url())
        await _until(lambda: len(outcomes) == 3)
        assert outcomes == ["failed", "failed", "delivered"]
        assert {json.loads(request.body)["id"] for request in target.received} == {job_id}
        assert all(map(_is_genuine, target.received))


@pytest.mark.parametrize(("status", "calls"), [(503, 3), (404, 3), (410, 1)])
async def test_it_is_given_up_after_its_attempts_or_when_it_is_gone(
    store: SqliteJobStore, status: int, calls: int
) -> None:
    async with _delivering(store, lambda _: answer(status=status)) as (target, outcomes):
        job_id = await _end_job(store, target.url())
        await _until(lambda: "given_up" in outcomes)
        assert outcomes == ["failed"] * (calls - 1) + ["given_up"]
        assert await store.delivery(job_id) == DeliveryFate("given_up", calls, f"status {status}")
        assert len(target.received) == calls
        assert await store.due_deliveries(10, datetime.now(UTC)) == []


async def test_a_receiver_that_says_nothing_holds_up_nobody(store: SqliteJobStore) -> None:
    silent = asyncio.Event()

    async def never() -> AsyncIterator[bytes]:
        await silent.wait()
        yield b""

    def says(request: Received) -> bytes | AsyncIterator[bytes]:
        return never() if request.path == "/silent" else answer()

    async with _delivering(store, says) as (target, outcomes):
        await _end_job(store, target.url("/silent"))
        await _end_job(store, target.url("/quick"))
        await _until(lambda: bool(outcomes))
        assert outcomes == ["delivered"]
        silent.set()


async def test_a_receiver_that_says_nothing_is_left_after_its_time(store: SqliteJobStore) -> None:
    silent = asyncio.Event()

    async def never() -> AsyncIterator[bytes]:
        await silent.wait()
        yield b""

    async with _delivering(store, lambda _: never(), timeout_s=0.2) as (target, outcomes):
        await _end_job(store, target.url())
        await _until(lambda: len(outcomes) == 3)
        assert outcomes == ["failed", "failed", "given_up"]
        silent.set()


async def test_what_was_cut_off_is_delivered_by_the_next_server(store: SqliteJobStore) -> None:
    """The lease of a server that died runs out; until then nobody else delivers."""
    async with receiver(lambda _: answer()) as target:
        await _end_job(store, target.url())
        (taken,) = await store.due_deliveries(10, datetime.now(UTC) + timedelta(seconds=1))
        assert taken.attempt == 1
        outcomes: list[str] = []
        service = _service(store, target, outcomes.append)
        await service.start()
        await _until(lambda: bool(outcomes))
        await service.stop()
        assert outcomes == ["delivered"]
        assert len(target.received) == 1


class _FaultyAtFirst(SqliteJobStore):
    """A store with a fault of ours, which is no `StorageError`, the first time that it is asked what is due."""

    asked = 0

    async def due_deliveries(self, limit: int, lease_until: datetime) -> Sequence[Delivery]:
        self.asked += 1
        if self.asked == 1:
            raise RuntimeError("a fault of ours")
        return await super().due_deliveries(limit, lease_until)


async def test_a_fault_of_ours_does_not_end_the_delivering(tmp_path: Path) -> None:
    outcomes: list[str] = []
    async with (
        await _FaultyAtFirst.open(tmp_path / "jobs.sqlite3") as store,
        receiver(lambda _: answer()) as target,
    ):
        job_id = await _end_job(store, target.url("/hook"))
        service = _service(store, target, outcomes.append)
        await service.start()
        try:
            await _until(lambda: store.asked >= 1)
            service.wake()
            await _until(lambda: bool(outcomes))
        finally:
            await service.stop()
        assert outcomes == ["delivered"]
        assert json.loads(target.received[0].body)["data"]["id"] == job_id


async def test_an_address_that_leads_inside_by_now_is_not_called(store: SqliteJobStore) -> None:
    async with _delivering(store, lambda _: answer(), addresses=AddressRules()) as (target, outcomes):
        await _end_job(store, target.url())
        await _until(lambda: "given_up" in outcomes)
        assert target.connections == 0


async def test_urls_are_judged_at_submission(store: SqliteJobStore) -> None:
    async with receiver(lambda _: answer()) as target:
        service = _service(store, target)
        await service.check_url(target.url())
        for url in ("", "http://10.0.0.1/", "http://user:password@127.0.0.1/", "http://127.0.0.1:22/", "file:///x"):
            with pytest.raises(RequestError) as refused:
                await service.check_url(url)
            assert (refused.value.code, refused.value.details) == ("webhook_refused", {"field": "webhook"})
        assert target.connections == 0
        await service.stop()


async def test_without_a_secret_there_are_none() -> None:
    webhooks = NoWebhooks()
    with pytest.raises(RequestError) as refused:
        await webhooks.check_url("https://example.com/")
    assert refused.value.code == "webhooks_disabled"
    steps: list[Awaitable[None]] = [webhooks.start(), webhooks.stop()]
    for step in steps:
        await step
