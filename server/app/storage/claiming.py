"""Steps of a job's turn: claim it, renew its lease, put it back, cancel it, expire it, take it over from the dead."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.governance.job_lifecycle import JobStatus
from app.storage import statements
from app.storage.ending import Ending, Judged, after_end, end_row, lock, refusal, write_ends
from app.storage.errors import JobMissing, LeaseLost
from app.storage.records import (
    Cancelled,
    Change,
    ChangeKind,
    Job,
    JobEnd,
    JsonObject,
    Recovery,
    Released,
    Renewal,
    from_micros,
    job_from_row,
    to_micros,
)
from app.storage.statement import Query, Statement, Steps, Tell
from app.storage.steps import Actor, error_of, rows_parameter, select, texts

ErrorOf = Callable[[Job], JsonObject]
Parameters = dict[str, Any]

# Jobs that one transaction expires, so that none is long.
_MOST_EXPIRED = 500


def claim(actor: Actor, wanted: Mapping[str, int], lease_until: datetime) -> Steps[Sequence[Job]]:
    """Claim at most so many jobs of each plugin."""
    which: list[Parameters] = [{"wanted_plugin": plugin, "most": most} for plugin, most in wanted.items()]
    if actor.shared:
        claimed = yield from _claim_at_once(actor, statements.CLAIM_AT_ONCE, which, lease_until)
    else:
        claimed = yield from _claim_in_steps(actor, statements.SELECT_CLAIMABLE, which, lease_until)
    return sorted(claimed, key=lambda job: (-job.priority, job.id))


def claim_job(actor: Actor, job_id: str, lease_until: datetime) -> Steps[Job | None]:
    """Claim one job, if it waits and may run."""
    which: list[Parameters] = [{"wanted_id": job_id}]
    if actor.shared:
        claimed = yield from _claim_at_once(actor, statements.CLAIM_JOB_AT_ONCE, which, lease_until)
    else:
        claimed = yield from _claim_in_steps(actor, statements.SELECT_CLAIMABLE_JOB, which, lease_until)
    return claimed[0] if claimed else None


def _claim_at_once(
    actor: Actor, statement: Statement, which: Sequence[Parameters], lease_until: datetime
) -> Steps[list[Job]]:
    lease = actor.lease(lease_until)
    claimed: list[Job] = []
    ripened = False
    for wanted in which:
        rows = yield from select(statement, lease | wanted | {"ripened": ripened})
        if rows[0][0] and not ripened:
            yield Query(statements.RIPEN, lease)
            ripened = True
            rows = yield from select(statement, lease | wanted | {"ripened": ripened})
        claimed += [replace(job_from_row(row[1:-1]), lease_until=lease_until) for row in rows if row[1] is not None]
    if claimed:
        yield _tell_claimed(claimed)
    return claimed


def _claim_in_steps(
    actor: Actor, statement: Statement, which: Sequence[Parameters], lease_until: datetime
) -> Steps[list[Job]]:
    lease = actor.lease(lease_until)
    yield Query(statements.RIPEN, lease)
    claimed: list[Job] = []
    for wanted in which:
        claimed += map(job_from_row, (yield from select(statement, lease | wanted)))
    if claimed:
        ids = {"ids": texts([job.id for job in claimed])}
        yield Query(statements.CLAIM, lease | ids)
        yield Query(statements.START_ATTEMPTS, lease | ids)
        yield _tell_claimed(claimed)
    return claimed


def _tell_claimed(jobs: Sequence[Job]) -> Tell:
    return Tell([Change(job.id, "status", job.plugin, JobStatus.RUNNING) for job in jobs])


def renew(actor: Actor, job_ids: Collection[str], lease_until: datetime) -> Steps[Renewal]:
    """Renew leases."""
    rows = yield from select(statements.RENEW, actor.lease(lease_until) | {"ids": texts(job_ids)})
    kept = {row[0]: bool(row[1]) for row in rows}
    asked = frozenset(job_id for job_id, cancelled in kept.items() if cancelled)
    return Renewal(frozenset(job_ids) - kept.keys(), asked)


def put_back(
    actor: Actor,
    job_id: str,
    attempt: int,
    outcome: str,
    error_code: str | None,
    not_before: datetime | None,
    worker_pid: int | None,
) -> Steps[Released | None]:
    """Let a running job wait again; one that is to be cancelled is cancelled instead, which returns what that did."""
    found = (yield from lock([job_id])).get(job_id)
    running = found is not None and found.durable and found.status is JobStatus.RUNNING
    if found is None or not running or found.lease_owner != actor.server_id or found.attempt != attempt:
        raise LeaseLost
    if found.cancel_requested:
        return (yield from _cancel_now(actor, found, outcome, worker_pid))
    yield from _wait_again(actor, [(found, outcome, error_code, worker_pid)], not_before)
    return None


def _wait_again(
    actor: Actor, found: Sequence[tuple[Ending, str, str | None, int | None]], not_before: datetime | None = None
) -> Steps[None]:
    now = actor.now()
    later = None if not_before is None or to_micros(not_before) <= now else to_micros(not_before)
    ids = texts([one.job_id for one, *_ in found])
    yield Query(statements.PUT_BACK, {"ids": ids, "later": later})
    closed = [(one.job_id, one.attempt, now, outcome, code, pid) for one, outcome, code, pid in found]
    yield Query(statements.END_ATTEMPTS, rows_parameter(closed))
    kinds: tuple[ChangeKind, ...] = ("status",) if later else ("status", "waiting")
    yield Tell([Change(one.job_id, kind, one.plugin, JobStatus.PENDING) for one, *_ in found for kind in kinds])


def _cancel_now(actor: Actor, found: Ending, outcome: str, worker_pid: int | None) -> Steps[Released]:
    rows = yield from select(statements.SELECT_JOB, {"job_id": found.job_id})
    error = error_of("cancelled", job_from_row(rows[0]))
    end = JobEnd(
        found.job_id, JobStatus.CANCELLED, None, error, from_micros(actor.now()), None, None, worker_pid=worker_pid
    )
    released = yield from write_ends(actor, [Judged(end, found, end_row(end), outcome)])
    return released[found.job_id]


def request_cancel(actor: Actor, job_id: str, error: JsonObject) -> Steps[tuple[Cancelled, Released]]:
    """Cancel a job that waits; ask for the end of one that runs."""
    found = (yield from lock([job_id])).get(job_id)
    if found is None:
        raise JobMissing
    if found.status is JobStatus.RUNNING:
        if not found.cancel_requested:
            yield Query(statements.REQUEST_CANCEL, {"wanted_id": job_id})
            yield Tell([Change(job_id, "cancel", found.plugin, JobStatus.RUNNING)])
        return Cancelled(JobStatus.RUNNING, found.lease_owner), Released()
    end = JobEnd(job_id, JobStatus.CANCELLED, None, error, from_micros(actor.now()), None, None)
    refused = refusal(end, found, actor.server_id)
    if refused is not None:
        raise refused
    released = yield from write_ends(actor, [Judged(end, found, end_row(end))])
    return Cancelled(JobStatus.CANCELLED, None), released[job_id]


def expire(actor: Actor, error_of_job: ErrorOf) -> Steps[Sequence[Job]]:
    """Fail the waiting jobs whose deadline has passed."""
    rows = yield from select(statements.SELECT_EXPIRED, actor.times() | {"most": _MOST_EXPIRED})
    return (yield from _fail(actor, [*map(job_from_row, rows)], error_of_job))


def _fail(actor: Actor, jobs: Sequence[Job], error_of_job: ErrorOf) -> Steps[Sequence[Job]]:
    """Fail jobs whose rows are locked; return them, and those that failed with them."""
    if not jobs:
        return []
    now = from_micros(actor.now())
    ends = {
        job.id: JobEnd(job.id, JobStatus.FAILED, None, error_of_job(job), now, job.waiting_ms, job.running_ms)
        for job in jobs
    }
    return (yield from _end_locked(actor, jobs, ends, None))


def _end_locked(
    actor: Actor, jobs: Sequence[Job], ends: Mapping[str, JobEnd], outcome: str | None
) -> Steps[Sequence[Job]]:
    judged = [Judged(ends[job.id], _as_locked(job), end_row(ends[job.id]), outcome) for job in jobs]
    released = yield from write_ends(actor, judged)
    failed = [job for one in released.values() for job in one.failed]
    return [*(after_end(job, ends[job.id]) for job in jobs), *failed]


def _as_locked(job: Job) -> Ending:
    said = (job.plugin, job.attempt, job.lease_owner, job.cancel_requested, job.webhook)
    return Ending(job.id, job.status, job.durable, *said)


def recover(actor: Actor, interrupted: ErrorOf) -> Steps[Recovery]:
    """Put right what dead servers left: on a database of its own, whatever has not ended."""
    if actor.shared:
        return (yield from take_over(actor, interrupted))
    return (yield from _take(actor, statements.SELECT_LEFT_RUNNING, statements.SELECT_INTERRUPTED, interrupted))


def take_over(actor: Actor, interrupted: ErrorOf) -> Steps[Recovery]:
    """Take over jobs whose lease ran out, and end the calls of servers that are gone."""
    if not actor.shared:
        return Recovery((), ())
    yield from heartbeat(actor)
    gone = {"gone_us": round(actor.gone_s * 1_000_000)}
    yield Query(statements.FORGET_SERVERS, actor.times() | gone)
    return (yield from _take(actor, statements.SELECT_LEASE_RAN_OUT, statements.SELECT_ABANDONED, interrupted))


def _take(actor: Actor, running: Statement, calls: Statement, interrupted: ErrorOf) -> Steps[Recovery]:
    left = [*map(job_from_row, (yield from select(running, actor.times())))]
    again = [job for job in left if not job.cancel_requested]
    if again:
        yield from _wait_again(actor, [(_as_locked(job), "interrupted", "interrupted", None) for job in again])
    cancelled = [job for job in left if job.cancel_requested]
    now = from_micros(actor.now())
    ends = {
        job.id: JobEnd(job.id, JobStatus.CANCELLED, None, error_of("cancelled", job), now, None, None)
        for job in cancelled
    }
    ended = (yield from _end_locked(actor, cancelled, ends, "interrupted")) if cancelled else ()
    abandoned = [*map(job_from_row, (yield from select(calls, actor.times())))]
    failed = yield from _fail(actor, abandoned, interrupted)
    calls_ended = {job.id for job in abandoned}
    beside = [job for job in failed if job.id not in calls_ended]
    broken_off = [job.plugin for job in left]
    return Recovery([job.id for job in again], [job.id for job in abandoned], [*ended, *beside], broken_off)


def heartbeat(actor: Actor) -> Steps[None]:
    """Say that this server lives."""
    yield Query(statements.SEEN, actor.times() | {"server": actor.server_id})


def leave(actor: Actor) -> Steps[None]:
    """Say that this server lives no longer."""
    yield Query(statements.FORGET_SERVER, {"server": actor.server_id})
