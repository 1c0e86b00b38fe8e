"""Calls the webhook of each job that has one and has ended: at least once, until it answers or is given up."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from app.governance.errors import RequestError
from app.governance.retry import RetryPolicy
from app.outbound.client import OutboundHttp
from app.outbound.errors import CallFailed, OutboundError, UrlRefused
from app.services.webhook_event import CONTENT_TYPE, SIGNATURE, event_body, signature
from app.storage.errors import StorageError
from app.storage.records import Delivery, Job

log = structlog.get_logger("sightgate.webhooks")

TURN_ON = "SIGHTGATE_WEBHOOK_SECRET"
FIELD = "webhook"
AT_ONCE = 32
LOOK_AGAIN_S = 2.0
CHECK_S = 5.0
STOP_S = 2.0
GONE = 410
DEFAULT_RETRY = RetryPolicy(max_attempts=8, backoff_s=10.0, factor=3.0, max_backoff_s=3600.0, jitter=0.5)


class Outbox(Protocol):
    """The part of the job store that holds what is to be delivered."""

    async def due_deliveries(self, limit: int, lease_until: datetime) -> Sequence[Delivery]: ...

    async def delivery_done(self, job_id: str) -> None: ...

    async def delivery_failed(self, job_id: str, reason: str, again_at: datetime | None) -> None: ...

    async def get(self, job_id: str) -> Job | None: ...


class NoWebhooks:
    """What stands there while the operator has set no secret. Deliveries of an earlier start wait in the outbox."""

    async def check_url(self, url: str) -> None:
        """Raise RequestError ``webhooks_disabled``."""
        said = f"this server calls no webhooks; its operator turns them on by {TURN_ON}"
        raise RequestError("webhooks_disabled", said, field=FIELD)

    def wake(self) -> None:
        """There is nobody to wake."""

    async def start(self) -> None:
        """Nothing is delivered."""

    async def stop(self) -> None:
        """Nothing was started."""


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """The key that signs; the longest call, seconds; how often and when it is tried again.

    ``lease_s``: how long after its longest call a delivery that was not noted is taken up again, by any server.
    """

    secret: str
    timeout_s: float = 10.0
    retry: RetryPolicy = DEFAULT_RETRY
    lease_s: float = 15.0


class WebhookService:
    """Takes due deliveries from the outbox. ``observe`` is told ``delivered``, ``failed`` or ``given_up`` of each."""

    def __init__(
        self,
        outbox: Outbox,
        http: OutboundHttp,
        rules: DeliveryRules,
        observe: Callable[[str], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._outbox = outbox
        self._http = http
        self._rules = rules
        self._observe = observe
        self._clock = clock
        self._woken = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None

    async def check_url(self, url: str) -> None:
        """Raise RequestError ``webhook_refused`` if the URL may not be called. It is judged again at each call."""
        try:
            await self._http.check(url, timeout_s=CHECK_S)
        except UrlRefused as refused:
            raise RequestError("webhook_refused", str(refused), field=FIELD) from None
        except CallFailed:
            return  # the resolver's trouble may be over when the job ends

    def wake(self) -> None:
        """A job with a webhook has ended: look at once."""
        self._woken.set()

    async def start(self) -> None:
        """Deliver from now on."""
        self._loop = asyncio.get_running_loop().create_task(self._deliver())

    async def stop(self) -> None:
        """Begin no call, let those under way end for a moment; what is cut off is delivered by the next server."""
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop
        if self._calls:
            _, late = await asyncio.wait(self._calls, timeout=STOP_S)
            for call in late:
                call.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._http.close()

    async def _deliver(self) -> None:
        lease = timedelta(seconds=self._rules.timeout_s + self._rules.lease_s)
        while True:
            self._woken.clear()
            room = AT_ONCE - len(self._calls)
            due: Sequence[Delivery] = ()
            try:
                due = await self._outbox.due_deliveries(room, self._clock() + lease) if room else ()
            except StorageError as failed:
                log.warning("webhooks cannot be read; trying again", reason=str(failed))
            except Exception:  # in the background nobody else would notice a fault of ours
                log.exception("webhook fault")
            for delivery in due:
                call = asyncio.get_running_loop().create_task(self._call(delivery))
                self._calls.add(call)
                call.add_done_callback(self._called)
            # Not asyncio.wait_for: on Python 3.11 it loses a cancellation that comes with the wake-up.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._woken.wait()

    def _called(self, call: "asyncio.Task[None]") -> None:
        was_full = len(self._calls) == AT_ONCE
        self._calls.discard(call)
        if was_full:
            self._woken.set()
        if not call.cancelled() and (fault := call.exception()) is not None:
            log.error("a webhook's delivery is a fault; its lease runs out", exc_info=fault)

    async def _call(self, delivery: Delivery) -> None:
        try:
            job = await self._outbox.get(delivery.job_id)
            if job is None:  # removed meanwhile, and its delivery with it
                return
            reason, is_final = await self._post(delivery.url, event_body(job))
            if reason is None:
                await self._outbox.delivery_done(delivery.job_id)
                self._observe("delivered")
            else:
                await self._failed(delivery, reason, is_final)
        except StorageError as failed:
            # Its lease runs out, and it is delivered again: receivers know a job's id.
            log.warning("a webhook's end could not be stored", job=delivery.job_id, reason=str(failed))

    async def _post(self, url: str, body: bytes) -> tuple[str | None, bool]:
        """Send once; return the reason of a failure, and whether trying again is useless."""
        timestamp = int(self._clock().timestamp())
        headers = {"Content-Type": CONTENT_TYPE, SIGNATURE: signature(self._rules.secret, timestamp, body)}
        try:
            status = await self._http.post(url, body, headers, timeout_s=self._rules.timeout_s)
        except OutboundError as failed:
            return str(failed), False
        return (None, False) if 200 <= status < 300 else (f"status {status}", status == GONE)

    async def _failed(self, delivery: Delivery, reason: str, is_final: bool) -> None:
        retry = self._rules.retry
        again_at = None
        if delivery.attempt < retry.max_attempts and not is_final:
            again_at = self._clock() + timedelta(seconds=retry.rest_s(delivery.attempt, random.random()))
        await self._outbox.delivery_failed(delivery.job_id, reason, again_at)
        self._observe("failed" if again_at is not None else "given_up")
        log.warning("webhook", job=delivery.job_id, attempt=delivery.attempt, reason=reason, given_up=again_at is None)
