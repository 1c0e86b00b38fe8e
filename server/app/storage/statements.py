"""The SQL that changes jobs, and what claiming and ending must know of them. See `listing` for what callers look at."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Float,
    FromClause,
    Insert,
    Integer,
    Select,
    String,
    Text,
    Update,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    false,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.selectable import Subquery
from sqlalchemy.types import TypeEngine

from app.governance.job_lifecycle import TERMINAL, JobStatus, predecessors
from app.storage.schema import job_attempts, job_inputs, job_needs, jobs, plugin_overrides, servers
from app.storage.statement import EachRow, LeaseClock, RawSql, RowInsert, Statement, ids_parameter, transaction_id

# Without it SQLite's dialect writes an OFFSET with a parameter of its own.
NO_OFFSET: ColumnElement[int] = literal_column("0")


def status_is(*statuses: JobStatus) -> ColumnElement[bool]:
    """Return the condition. The statuses are written out, not bound: a partial index is used only when they show."""
    written: list[ColumnElement[str]] = [literal_column(f"'{status.value}'") for status in statuses]
    return jobs.c.status == written[0] if len(written) == 1 else jobs.c.status.in_(written)


def still(*statuses: JobStatus) -> ColumnElement[bool]:
    """Return the same condition for a row that is looked up by its id.

    SQLite, which has no statistics, would walk all rows of the status; it does not see it through the concatenation.
    """
    hidden = jobs.c.status.concat(literal_column("''"))
    return hidden.in_([literal_column(f"'{status.value}'") for status in statuses])


def status_value(status: JobStatus) -> ColumnElement[str]:
    """Return the status as a value written out."""
    return literal_column(f"'{status.value}'", String())


def given(**columns: type[TypeEngine[Any]]) -> Subquery:
    """Return the rows of the parameter ``rows``, a JSON array of arrays, with these columns in this order."""
    each = EachRow(bindparam("rows", type_=Text())).table_valued("value")
    fields = [
        cast(each.c.value.op("->>")(literal_column(str(position))), kind).label(name)
        for position, (name, kind) in enumerate(columns.items())
    ]
    return select(*fields).subquery("given")


def without_results() -> list[ColumnElement[Any]]:
    """Return the table's columns, the result as NULL: it may be large, and it is not asked for."""
    return [null().label("result") if column is jobs.c.result else column for column in jobs.c]


BY_WAITING = "INDEXED BY ix_jobs_waiting"
BY_DUE = "INDEXED BY ix_jobs_due"
BY_DEADLINE = "INDEXED BY ix_jobs_deadline"
DURABLE = jobs.c.durable == true()
CLAIMABLE = (status_is(JobStatus.PENDING), DURABLE, jobs.c.held == false())
HELD = (status_is(JobStatus.PENDING), DURABLE, jobs.c.held == true())
FREE = (*HELD, jobs.c.blocked == literal_column("0"))
DUE = (*FREE, jobs.c.not_before <= bindparam("now"))
_IN_TIME = or_(jobs.c.deadline.is_(None), jobs.c.deadline > bindparam("now"))
_IDS = ids_parameter()

INSERT_JOBS = RowInsert(jobs)
INSERT_INPUTS = RowInsert(job_inputs)
INSERT_NEEDS = RowInsert(job_needs)

# Claiming

RIPEN = Statement(
    update(jobs)
    .where(jobs.c.id.in_(select(jobs.c.id).with_hint(jobs, BY_DUE, "sqlite").where(*DUE)))
    .values(held=false())
)


def _next_claimable(*columns: ColumnElement[Any]) -> Select[Any]:
    return (
        select(*columns)
        .with_hint(jobs, BY_WAITING, "sqlite")
        .where(*CLAIMABLE, _IN_TIME, jobs.c.plugin == bindparam("wanted_plugin"))
        .order_by(jobs.c.priority.desc(), jobs.c.id)
        .limit(bindparam("most", type_=BigInteger()))
        .offset(NO_OFFSET)
        .with_for_update(skip_locked=True, key_share=True)
    )


def _claimable_job(*columns: ColumnElement[Any]) -> Select[Any]:
    return (
        select(*columns)
        .where(*CLAIMABLE, _IN_TIME, jobs.c.id == bindparam("wanted_id"))
        .with_for_update(skip_locked=True, key_share=True)
    )


_CLAIMED: dict[str, ColumnElement[Any]] = {
    "status": status_value(JobStatus.RUNNING),
    "started_at": bindparam("now", type_=BigInteger()),
    "attempt": jobs.c.attempt + literal_column("1"),
    "lease_owner": bindparam("server", type_=String()),
    "lease_until": LeaseClock() + bindparam("lease_us", type_=BigInteger()),
}


def _claim(ids: Select[Any]) -> Update:
    return update(jobs).where(jobs.c.id.in_(ids), still(JobStatus.PENDING)).values(**_CLAIMED)


def _as_claimed() -> list[ColumnElement[Any]]:
    """Return the table's columns as the claim is about to leave them."""
    return [_CLAIMED[one.name].label(one.name) if one.name in _CLAIMED else one for one in without_results()]


SELECT_FIRST = Statement(
    select(jobs.c.priority, jobs.c.id)
    .with_hint(jobs, BY_WAITING, "sqlite")
    .where(*CLAIMABLE, _IN_TIME, jobs.c.plugin == bindparam("wanted_plugin"))
    .order_by(jobs.c.priority.desc(), jobs.c.id)
    .limit(bindparam("most", type_=BigInteger()))
    .offset(NO_OFFSET)
)
SELECT_CLAIMABLE = Statement(_next_claimable(*_as_claimed()), packed=True)
SELECT_CLAIMABLE_JOB = Statement(_claimable_job(*_as_claimed()))


def _start_attempts(claimed: FromClause) -> Insert:
    began = (bindparam("server", type_=String()), bindparam("now", type_=BigInteger()))
    return insert(job_attempts).from_select(
        ["job_id", "number", "server", "started_at"], select(claimed.c.id, claimed.c.attempt, *began)
    )


CLAIM = Statement(_claim(_IDS))
START_ATTEMPTS = Statement(_start_attempts(select(jobs.c.id, jobs.c.attempt).where(jobs.c.id.in_(_IDS)).subquery()))


def _claim_at_once(wanted: Callable[..., Select[Any]]) -> Statement:
    """Return all of a claim as one statement, for PostgreSQL: a round trip instead of four.

    There is always a row. Its first column says whether jobs must be ripened first, which nothing but another
    statement can see; then, unless ``ripened``, nothing is claimed. The columns after it are a claimed job's, or NULL.
    """
    due = select(exists().where(*DUE).label("due")).cte("due")
    ready = or_(bindparam("ripened", type_=Boolean()), ~select(due.c.due).scalar_subquery())
    found = wanted(jobs.c.id).where(ready).cte("found")
    claimed = _claim(select(found.c.id)).returning(*without_results()).cte("claimed")
    return Statement(
        select(due.c.due, *claimed.c, transaction_id())
        .select_from(due.outerjoin(claimed, true()))
        .add_cte(_start_attempts(claimed).cte("started"))
        .order_by(claimed.c.priority.desc(), claimed.c.id),
        names_transaction=True,
    )


CLAIM_AT_ONCE = _claim_at_once(_next_claimable)
CLAIM_JOB_AT_ONCE = _claim_at_once(_claimable_job)
RENEW = Statement(
    update(jobs)
    .where(jobs.c.id.in_(_IDS), still(JobStatus.RUNNING), DURABLE, jobs.c.lease_owner == bindparam("server"))
    .values(lease_until=LeaseClock() + bindparam("lease_us", type_=BigInteger()))
    .returning(jobs.c.id, jobs.c.cancel_requested)
)

# Ending

SELECT_ENDING = Statement(
    select(
        jobs.c.id,
        jobs.c.status,
        jobs.c.durable,
        jobs.c.plugin,
        jobs.c.attempt,
        jobs.c.lease_owner,
        jobs.c.cancel_requested,
        jobs.c.webhook,
        jobs.c.ended_at,
    )
    .where(jobs.c.id.in_(_IDS))
    .order_by(jobs.c.id)  # locked in one order by everybody, so that nobody waits in a circle
    .with_for_update(key_share=True),
    packed=True,
)

_end = given(
    job_id=Text,
    status=Text,
    began_at=BigInteger,
    ended_at=BigInteger,
    waiting_ms=Float,
    running_ms=Float,
    error=Text,
    error_code=Text,
    result=Text,
    result_blob=Text,
)
_LEGAL = or_(
    *(and_(_end.c.status == status_value(new), still(*predecessors(new))) for new in JobStatus if new in TERMINAL)
)
END = Statement(
    update(jobs)
    .where(jobs.c.id == _end.c.job_id, _LEGAL)
    .values(
        status=_end.c.status,
        started_at=func.coalesce(_end.c.began_at, jobs.c.started_at),
        lease_owner=null(),
        lease_until=null(),
        blocked=literal_column("0"),
        **{
            name: _end.c[name]
            for name in ("ended_at", "waiting_ms", "running_ms", "error", "error_code", "result", "result_blob")
        },
    )
)
_closed = given(job_id=Text, number=Integer, ended_at=BigInteger, outcome=Text, error_code=Text, worker_pid=BigInteger)
END_ATTEMPTS = Statement(
    update(job_attempts)
    .where(
        job_attempts.c.job_id == _closed.c.job_id,
        job_attempts.c.number == _closed.c.number,
        job_attempts.c.ended_at.is_(None),
    )
    .values({name: _closed.c[name] for name in ("ended_at", "outcome", "error_code", "worker_pid")})
)
SELECT_NEEDING = Statement(
    select(job_needs.c.needs_id, job_needs.c.job_id).where(job_needs.c.needs_id.in_(_IDS)), packed=True
)
LOCK_WAITING = Statement(
    select(*without_results())
    .where(jobs.c.id.in_(_IDS), still(JobStatus.PENDING))
    .order_by(jobs.c.id)
    .with_for_update(key_share=True),
    packed=True,
)
_released = given(job_id=Text, count=Integer)
RELEASE = Statement(
    update(jobs)
    .where(jobs.c.id == _released.c.job_id, still(JobStatus.PENDING))
    .values(
        blocked=jobs.c.blocked - _released.c.count,
        held=case((jobs.c.blocked > _released.c.count, true()), else_=jobs.c.not_before.is_not(None)),
    )
)
REQUEST_CANCEL = Statement(
    update(jobs).where(jobs.c.id == bindparam("wanted_id"), still(JobStatus.RUNNING)).values(cancel_requested=true())
)
PUT_BACK = Statement(
    update(jobs)
    .where(jobs.c.id.in_(_IDS), still(*predecessors(JobStatus.PENDING)))
    .values(
        status=status_value(JobStatus.PENDING),
        started_at=null(),
        lease_owner=null(),
        lease_until=null(),
        not_before=func.coalesce(bindparam("later", type_=BigInteger()), jobs.c.not_before),
        held=bindparam("later", type_=BigInteger()).is_not(None),
    )
)
SELECT_EXPIRED = Statement(
    select(*without_results())
    .with_hint(jobs, BY_DEADLINE, "sqlite")
    .where(
        status_is(JobStatus.PENDING),
        DURABLE,
        jobs.c.deadline.is_not(None),
        jobs.c.deadline <= bindparam("now"),
    )
    .order_by(jobs.c.deadline)
    .limit(bindparam("most", type_=BigInteger()))
    .offset(NO_OFFSET)
    .with_for_update(skip_locked=True, key_share=True)
)

# What dead servers left

SELECT_LEFT_RUNNING = Statement(
    select(*without_results())
    .where(status_is(JobStatus.RUNNING), DURABLE)
    .order_by(jobs.c.id)
    .with_for_update(skip_locked=True, key_share=True)
)
SELECT_LEASE_RAN_OUT = Statement(
    select(*without_results())
    .where(
        status_is(JobStatus.RUNNING),
        DURABLE,
        func.coalesce(jobs.c.lease_until, literal_column("0")) <= LeaseClock(),
    )
    .order_by(jobs.c.id)
    .with_for_update(skip_locked=True, key_share=True)
)
_UNFINISHED_CALL = (status_is(JobStatus.PENDING, JobStatus.RUNNING), jobs.c.durable == false())
SELECT_INTERRUPTED = Statement(select(*without_results()).where(*_UNFINISHED_CALL).order_by(jobs.c.id))
SELECT_ABANDONED = Statement(
    select(*without_results())
    .where(
        *_UNFINISHED_CALL,
        func.coalesce(jobs.c.lease_owner, literal_column("''")).not_in(select(servers.c.id)),
    )
    .order_by(jobs.c.id)
    .with_for_update(skip_locked=True, key_share=True)
)
_seen = postgresql.insert(servers).values(id=bindparam("server"), seen_at=LeaseClock())
SEEN = Statement(_seen.on_conflict_do_update(index_elements=["id"], set_={"seen_at": _seen.excluded.seen_at}))
FORGET_SERVERS = Statement(
    delete(servers).where(servers.c.seen_at < LeaseClock() - bindparam("gone_us", type_=BigInteger()))
)
FORGET_SERVER = Statement(delete(servers).where(servers.c.id == bindparam("server")))

# One job

SELECT_JOB = Statement(select(jobs).where(jobs.c.id == bindparam("job_id")))
SELECT_INPUTS = Statement(
    select(job_inputs.c.role, job_inputs.c.media_type, job_inputs.c.blob, job_inputs.c.size)
    .where(job_inputs.c.job_id == bindparam("wanted_id"))
    .order_by(job_inputs.c.position)
)
SELECT_ANY_INPUT = RawSql("SELECT min(job_id) FROM job_inputs")
SELECT_ATTEMPTS = Statement(
    select(job_attempts).where(job_attempts.c.job_id == bindparam("wanted_id")).order_by(job_attempts.c.number)
)
SELECT_NEEDS = Statement(
    select(job_needs.c.needs_id).where(job_needs.c.job_id == bindparam("wanted_id")).order_by(job_needs.c.position)
)

# What the operator said about plugins

SELECT_OVERRIDES = Statement(select(plugin_overrides).order_by(plugin_overrides.c.plugin))
DELETE_OVERRIDE = Statement(delete(plugin_overrides).where(plugin_overrides.c.plugin == bindparam("wanted_plugin")))
_override = sqlite.insert(plugin_overrides)
SET_OVERRIDE = Statement(
    postgresql.insert(plugin_overrides)
    .values({column.name: bindparam(column.name) for column in plugin_overrides.c})
    .on_conflict_do_update(
        index_elements=["plugin"],
        set_={name: bindparam(name) for name in ("enabled", "reason", "changed_at")},
    )
)

NOTHING = RawSql("SELECT 1")
