"""The outbox of webhooks: a row is made in the transaction that ends the job, so that no end is told twice or never."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Text, bindparam, insert, literal_column, null, select, update

from app.storage.records import Delivery, DeliveryFate, to_micros
from app.storage.schema import webhook_deliveries as deliveries
from app.storage.statement import LeaseClock, Query, Statement, Steps, ids_parameter
from app.storage.statements import NO_OFFSET, given
from app.storage.steps import Actor, texts
from app.storage.steps import select as rows_of

_hooked = given(job_id=Text, url=Text)
INSERT_DELIVERIES = Statement(
    insert(deliveries).from_select(
        ["job_id", "url", "attempt", "due_at"],
        select(_hooked.c.job_id, _hooked.c.url, literal_column("0"), LeaseClock()),
    )
)
_SELECT_DUE = Statement(
    select(deliveries.c.job_id, deliveries.c.url, deliveries.c.attempt)
    .with_hint(deliveries, "INDEXED BY ix_webhook_deliveries_due", "sqlite")
    .where(deliveries.c.due_at.is_not(None), deliveries.c.due_at <= LeaseClock())
    .order_by(deliveries.c.due_at)
    .limit(bindparam("most", type_=BigInteger()))
    .offset(NO_OFFSET)
    .with_for_update(skip_locked=True, key_share=True)
)
_TAKE = Statement(
    update(deliveries)
    .where(deliveries.c.job_id.in_(ids_parameter()))
    .values(
        attempt=deliveries.c.attempt + literal_column("1"),
        due_at=LeaseClock() + bindparam("lease_us", type_=BigInteger()),
    )
)
_DONE = Statement(
    update(deliveries).where(deliveries.c.job_id == bindparam("wanted_id")).values(due_at=null(), reason=null())
)
_GIVE_UP = Statement(
    update(deliveries)
    .where(deliveries.c.job_id == bindparam("wanted_id"))
    .values(due_at=null(), reason=bindparam("said"))
)
_AGAIN = Statement(
    update(deliveries)
    .where(deliveries.c.job_id == bindparam("wanted_id"), deliveries.c.due_at.is_not(None))
    .values(due_at=LeaseClock() + bindparam("lease_us", type_=BigInteger()), reason=bindparam("said"))
)
_SELECT_FATE = Statement(
    select(deliveries.c.attempt, deliveries.c.due_at, deliveries.c.reason).where(
        deliveries.c.job_id == bindparam("wanted_id")
    )
)


def due(actor: Actor, limit: int, lease_until: datetime) -> Steps[Sequence[Delivery]]:
    """Take webhooks that are due."""
    rows = yield from rows_of(_SELECT_DUE, actor.times() | {"most": limit})
    if rows:
        yield Query(_TAKE, actor.lease(lease_until) | {"ids": texts([row[0] for row in rows])})
    return [Delivery(row[0], row[1], row[2] + 1) for row in rows]


def fate(job_id: str) -> Steps[DeliveryFate | None]:
    """Return how far a job's webhook is; None if none is to be called yet."""
    rows = yield from rows_of(_SELECT_FATE, {"wanted_id": job_id})
    if not rows:
        return None
    ((calls, due_at, reason),) = rows
    if due_at is not None:
        return DeliveryFate("waiting", calls, reason)
    return DeliveryFate("delivered" if reason is None else "given_up", calls, reason)


def done(job_id: str) -> Steps[None]:
    """Note that it was delivered."""
    yield Query(_DONE, {"wanted_id": job_id})


def failed(actor: Actor, job_id: str, reason: str, again_at: datetime | None) -> Steps[None]:
    """Note that it was not, and when to try again."""
    said = {"wanted_id": job_id, "said": reason.replace("\0", "")[:1000]}
    if again_at is None:
        yield Query(_GIVE_UP, said)
        return
    now = actor.now()
    yield Query(_AGAIN, said | {"clock_now": now, "lease_us": to_micros(again_at) - now})
