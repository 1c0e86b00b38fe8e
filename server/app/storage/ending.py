"""Steps that end jobs: the rows and their attempts, what that does to the jobs that need them, webhooks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from app.governance.job_lifecycle import IllegalTransition, JobStatus, check_transition, is_terminal
from app.storage import statements
from app.storage.errors import JobMissing, LeaseLost
from app.storage.records import (
    Change,
    Job,
    JobEnd,
    Released,
    Row,
    encode_json,
    error_code_of,
    from_micros,
    job_from_row,
    to_micros,
)
from app.storage.statement import Query, Steps, Tell
from app.storage.steps import Actor, error_of, rows_parameter, select, texts
from app.storage.webhooks import INSERT_DELIVERIES


class Ending(NamedTuple):
    """What must be known of a job that is to end: its row as it is locked."""

    job_id: str
    status: JobStatus
    durable: bool
    plugin: str
    attempt: int
    lease_owner: str | None
    cancel_requested: bool
    webhook: str | None
    ended_at: int | None = None


def lock(job_ids: Sequence[str]) -> Steps[Mapping[str, Ending]]:
    """Lock the jobs and return what is known of those that are there."""
    rows = yield from select(statements.SELECT_ENDING, {"ids": texts(job_ids)})
    return {row[0]: _ending(*row) for row in rows}


def _ending(
    job_id: str,
    status: str,
    durable: int,
    plugin: str,
    attempt: int,
    owner: str | None,
    cancel_requested: int,
    webhook: str | None,
    ended_at: int | None,
) -> Ending:
    said = (plugin, attempt, owner, bool(cancel_requested), webhook, ended_at)
    return Ending(job_id, JobStatus(status), bool(durable), *said)


def refusal(end: JobEnd, found: Ending | None, server_id: str) -> Exception | None:
    """Return why the job cannot end so, or None."""
    if found is None:
        return JobMissing()
    if not is_terminal(end.status):
        return IllegalTransition(found.status, end.status)
    try:
        check_transition(found.status, end.status)
    except IllegalTransition as illegal:
        return illegal
    held = found.lease_owner == server_id and found.attempt == end.attempt
    if found.durable and found.status is JobStatus.RUNNING and not held:
        return LeaseLost()
    return None


def is_written(end: JobEnd, found: Ending) -> bool:
    """Return whether this very end is in the store: the commit that wrote it broke before it answered."""
    said = (found.status, found.attempt, found.ended_at)
    return end.attempt is not None and said == (end.status, end.attempt, to_micros(end.ended_at))


def end_row(end: JobEnd) -> Row:
    """Return the row that `statements.END` takes. Raises `NotStorable`."""
    return (
        end.job_id,
        end.status.value,
        None if end.started_at is None else to_micros(end.started_at),
        to_micros(end.ended_at),
        end.waiting_ms,
        end.running_ms,
        None if end.error is None else encode_json(end.error),
        error_code_of(end.error),
        None if end.result is None else encode_json(end.result),
        end.result_blob,
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """An end that may be written: ``row`` is what `end_row` made of it."""

    end: JobEnd
    found: Ending
    row: Row
    outcome: str | None = None


def write_ends(actor: Actor, ends: Sequence[Judged]) -> Steps[Mapping[str, Released]]:
    """Write the ends of locked jobs, all different, and return for each what it did to the jobs that needed it."""
    roots = {one.end.job_id: one.end.job_id for one in ends}
    runnable: dict[str, list[str]] = {}
    failed: dict[str, list[Job]] = {}
    while ends:
        yield from _write_level(actor, ends)
        ended = {one.end.job_id: one.end for one in ends}
        needing = yield from _lock_needing(list(ended))
        free, ends, jobs = yield from _judge_needing(actor, needing, ended)
        for job_id, cause in free.items():
            runnable.setdefault(roots[cause], []).append(job_id)
        for job, cause in jobs:
            roots[job.id] = roots[cause]
            failed.setdefault(roots[cause], []).append(job)
    return {root: Released(runnable.get(root, ()), failed.get(root, ())) for root in set(roots.values())}


def _write_level(actor: Actor, ends: Sequence[Judged]) -> Steps[None]:
    yield Query(statements.END, rows_parameter([one.row for one in ends]))
    durable = [one for one in ends if one.found.durable]
    if not durable:
        return
    attempts = [
        (one.end.job_id, one.found.attempt, one.row[3], one.outcome or one.row[1], one.row[7], one.end.worker_pid)
        for one in durable
        if one.found.status is JobStatus.RUNNING
    ]
    if attempts:
        yield Query(statements.END_ATTEMPTS, rows_parameter(attempts))
    hooked = [(one.end.job_id, one.found.webhook) for one in durable if one.found.webhook]
    if hooked:
        yield Query(INSERT_DELIVERIES, rows_parameter(hooked) | actor.times())
    yield Tell([Change(one.end.job_id, "status", one.found.plugin, one.end.status) for one in durable])


def _lock_needing(job_ids: Sequence[str]) -> Steps[list[tuple[Job, list[str]]]]:
    """Return the waiting jobs that need one of these, each with those of these that it needs."""
    pairs = yield from select(statements.SELECT_NEEDING, {"ids": texts(job_ids)})
    if not pairs:
        return []
    needed: dict[str, list[str]] = {}
    for needs_id, job_id in pairs:
        needed.setdefault(job_id, []).append(needs_id)
    rows = yield from select(statements.LOCK_WAITING, {"ids": texts(needed)})
    return [(job, needed[job.id]) for job in map(job_from_row, rows)]


def _judge_needing(
    actor: Actor, needing: Sequence[tuple[Job, list[str]]], ended: Mapping[str, JobEnd]
) -> Steps[tuple[dict[str, str], list[Judged], list[tuple[Job, str]]]]:
    """Return which jobs may run now, by the end that freed them; the ends of those that fail; and these as they are."""
    now = actor.now()
    released: Counter[str] = Counter()
    free: dict[str, str] = {}
    ends: list[Judged] = []
    failed: list[tuple[Job, str]] = []
    changes: list[Change] = []
    for job, needed in needing:
        cause = next((one for one in needed if not satisfies(job, ended[one].status)), None)
        if cause is not None:
            end, after = fail_for(job, cause, now)
            found = Ending(job.id, job.status, True, job.plugin, job.attempt, None, False, job.webhook)
            ends.append(Judged(end, found, end_row(end)))
            failed.append((after, cause))
            continue
        released[job.id] = len(needed)
        if job.blocked <= len(needed) and (job.not_before is None or to_micros(job.not_before) <= now):
            free[job.id] = needed[-1]
            changes.append(Change(job.id, "waiting", job.plugin, JobStatus.PENDING))
    if released:
        yield Query(statements.RELEASE, rows_parameter([*released.items()]))
    if changes:
        yield Tell(changes)
    return free, ends, failed


def satisfies(job: Job, status: JobStatus) -> bool:
    """Return whether ``job`` may run though, or because, what it needs has ended as ``status``."""
    return job.after_rule == "end" or status is JobStatus.SUCCESS


def fail_for(job: Job, needed: str, now: int) -> tuple[JobEnd, Job]:
    """Return the end of a waiting job that needed another in vain, and the job as it is then."""
    error = error_of("dependency_failed", job, f"the job {needed} that this one needs did not succeed", needed=needed)
    end = JobEnd(job.id, JobStatus.FAILED, None, error, from_micros(now), None, None)
    return end, after_end(job, end)


def after_end(job: Job, end: JobEnd) -> Job:
    """Return a waiting job as it is after ``end``."""
    changed: dict[str, Any] = {"status": end.status, "error": end.error, "error_code": error_code_of(end.error)}
    return replace(job, **changed, ended_at=end.ended_at, lease_owner=None, lease_until=None, blocked=0)
