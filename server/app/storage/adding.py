"""Steps that add accepted jobs, many calls at once: what they need, their idempotency keys, and their rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql

from app.governance.job_lifecycle import JobStatus, is_terminal
from app.storage import statements
from app.storage.ending import fail_for, satisfies
from app.storage.errors import DependencyMissing, KeyConflict, KeyUsed, NotStorable, StorageError, StoreRefusal
from app.storage.operations import AddJobs
from app.storage.records import Change, IdempotencyKey, Job, NewJob, Row, job_to_row, to_micros
from app.storage.schema import batches, idempotency_keys, jobs
from app.storage.statement import InsertRows, Query, RowInsert, Statement, Steps, Tell, ids_parameter
from app.storage.steps import Actor, rows_parameter, texts
from app.storage.steps import select as rows_of
from app.storage.webhooks import INSERT_DELIVERIES

# Locked, so that none ends between this look and the row that says it is waited for.
_SELECT_NEEDED = Statement(
    select(jobs.c.id, jobs.c.status)
    .where(jobs.c.id.in_(ids_parameter()))
    .order_by(jobs.c.id)
    .with_for_update(read=True),
    packed=True,
)
_INSERT_BATCHES = RowInsert(batches)
_INSERT_KEY = Statement(
    postgresql.insert(idempotency_keys)
    .values({column.name: bindparam(column.name) for column in idempotency_keys.c})
    .on_conflict_do_nothing()
)
_SELECT_KEY = Statement(
    select(idempotency_keys.c.fingerprint, idempotency_keys.c.target_id).where(
        idempotency_keys.c.scope == bindparam("scope"), idempotency_keys.c.key == bindparam("key")
    )
)


@dataclass(frozen=True, slots=True)
class _Stored:
    """One operation's jobs as they will be stored, and their rows."""

    operation: AddJobs
    jobs: Sequence[Job]
    rows: Sequence[Row]


def add_all(actor: Actor, operations: Sequence[AddJobs]) -> Steps[None]:
    """Do the operations; each gets its own result or refusal, and those that are refused change nothing."""
    known = yield from _statuses(operations)
    stored: list[_Stored] = []
    for operation in operations:
        try:
            resolved = _resolve(actor, operation, known)
            if operation.key is not None:
                yield from _take_key(actor, operation.key, operation.target)
        except (StoreRefusal, NotStorable) as refused:
            operation.failure = refused
            continue
        operation.result = resolved.jobs
        stored.append(resolved)
    yield from _insert(actor, stored)


def _statuses(operations: Sequence[AddJobs]) -> Steps[Mapping[str, JobStatus]]:
    wanted = {needed for operation in operations for new in operation.jobs for needed in new.after if needed.isascii()}
    if not wanted:
        return {}
    rows = yield from rows_of(_SELECT_NEEDED, {"ids": texts(sorted(one.replace("\0", "") for one in wanted))})
    return {row[0]: JobStatus(row[1]) for row in rows}


def _resolve(actor: Actor, operation: AddJobs, known: Mapping[str, JobStatus]) -> _Stored:
    """Raises `DependencyMissing`, `NotStorable`."""
    now = actor.now()
    status = dict(known)
    resolved: list[Job] = []
    rows: list[Row] = []
    for new in operation.jobs:
        missing = [needed for needed in new.after if needed not in status]
        if missing:
            raise DependencyMissing(missing)
        job = _judge(new, status, now)
        status[job.id] = job.status
        held = job.blocked > 0 or (job.not_before is not None and to_micros(job.not_before) > now)
        rows.append(job_to_row(job, server=None if job.durable else actor.server_id, held=held))
        resolved.append(job)
    return _Stored(operation, resolved, rows)


def _judge(new: NewJob, status: Mapping[str, JobStatus], now: int) -> Job:
    needed = dict.fromkeys(new.after)
    for one in needed:
        if is_terminal(status[one]) and not satisfies(new.job, status[one]):
            return fail_for(new.job, one, now)[1]
    blocked = sum(not is_terminal(status[one]) for one in needed)
    return replace(new.job, blocked=blocked) if blocked else new.job


def _take_key(actor: Actor, key: IdempotencyKey, target: str) -> Steps[None]:
    """Raises `KeyUsed`, `KeyConflict`."""
    named = {"scope": key.scope, "key": key.key}
    row = {**named, "fingerprint": key.fingerprint, "target_id": target, "created_at": actor.now()}
    answer = yield Query(_INSERT_KEY, row)
    if answer.changed:
        return
    existing = yield from find_key(key)
    if existing is None:
        raise StorageError("the idempotency key was deleted meanwhile")
    raise KeyUsed(existing)


def find_key(key: IdempotencyKey) -> Steps[str | None]:
    """Return the id that the key stands for, or None if it was not used. Raises `KeyConflict`."""
    rows = yield from rows_of(_SELECT_KEY, {"scope": key.scope, "key": key.key})
    if not rows:
        return None
    fingerprint, existing = rows[0]
    if fingerprint != key.fingerprint:
        raise KeyConflict
    return str(existing)


def _insert(actor: Actor, stored: Sequence[_Stored]) -> Steps[None]:
    if not stored:
        return
    added = [new for one in stored for new in one.operation.jobs]
    made = [one.operation.batch for one in stored if one.operation.batch is not None]
    yield InsertRows(
        {
            statements.INSERT_JOBS: [row for one in stored for row in one.rows],
            statements.INSERT_INPUTS: [
                (new.job.id, position, given.role, given.media_type, given.blob, given.size)
                for new in added
                for position, given in enumerate(new.inputs)
            ],
            statements.INSERT_NEEDS: [
                (new.job.id, needed, position)
                for new in added
                for position, needed in enumerate(dict.fromkeys(new.after))
            ],
            _INSERT_BATCHES: [(one.id, one.owner, to_micros(one.created_at), one.total) for one in made],
        }
    )
    jobs_stored = [job for one in stored for job in one.jobs if job.durable]
    hooked = [(job.id, job.webhook) for job in jobs_stored if job.webhook and is_terminal(job.status)]
    if hooked:
        yield Query(INSERT_DELIVERIES, rows_parameter(hooked) | actor.times())
    yield Tell(_changes(actor, jobs_stored))


def _changes(actor: Actor, added: Sequence[Job]) -> list[Change]:
    changes = [Change(job.id, "status", job.plugin, job.status) for job in added]
    now = actor.now()
    free = {
        job.plugin: job.id
        for job in added
        if not is_terminal(job.status)
        and not job.blocked
        and (job.not_before is None or to_micros(job.not_before) <= now)
    }
    return [*changes, *(Change(job_id, "waiting", plugin, JobStatus.PENDING) for plugin, job_id in free.items())]
