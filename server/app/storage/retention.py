"""Steps that delete jobs which have ended, with all that goes with them, and find blobs that nothing names."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, delete, select, union_all

from app.governance.job_lifecycle import TERMINAL, JobStatus, is_terminal
from app.storage.job_ids import least_id
from app.storage.listing import ids_statement, resolve
from app.storage.records import Change, JobFilter, to_micros
from app.storage.schema import batches, idempotency_keys, job_inputs, job_needs, jobs
from app.storage.statement import Query, Statement, Steps, Tell, ids_parameter
from app.storage.statements import NO_OFFSET, status_is, status_value
from app.storage.steps import select as rows_of
from app.storage.steps import texts

_ENDED = status_is(*sorted(TERMINAL))
_IDS = ids_parameter()


def _still_needed() -> ColumnElement[bool]:
    waiting = jobs.alias("waiting_job")
    return (
        select(job_needs.c.job_id)
        .join(waiting, waiting.c.id == job_needs.c.job_id)
        .where(
            job_needs.c.needs_id == jobs.c.id,
            waiting.c.status.in_([status_value(status) for status in JobStatus if not is_terminal(status)]),
        )
        .exists()
    )


def _sweepable(*conditions: ColumnElement[bool]) -> Select[tuple[str, str | None]]:
    return (
        select(jobs.c.id, jobs.c.parent_id)
        .where(_ENDED, *conditions, ~_still_needed())
        .order_by(jobs.c.id)
        .limit(bindparam("most", type_=BigInteger()))
        .offset(NO_OFFSET)
        .with_for_update(skip_locked=True, of=jobs)
    )


# A job that ended before a moment was created before it, and ids are in the order of creation.
_SELECT_OLD = Statement(_sweepable(jobs.c.id < bindparam("below"), jobs.c.ended_at < bindparam("before")), packed=True)
_SELECT_SURPLUS = Statement(_sweepable(jobs.c.id <= bindparam("newest_gone")), packed=True)
_SELECT_THESE = Statement(_sweepable(jobs.c.id.in_(_IDS)), packed=True)


def _newest_gone() -> Statement:
    """Return the newest of the ended jobs beyond so many: what waits or runs takes no place from them.

    One walk for each status, merged as they come: the index alone is read, and nothing is sorted.
    """
    ended = union_all(
        *(
            select(jobs.c.id).with_hint(jobs, "INDEXED BY ix_jobs_status", "sqlite").where(status_is(status))
            for status in sorted(TERMINAL)
        )
    )
    newest_first = ended.order_by(ended.selected_columns.id.desc())
    one, kept = bindparam("one", type_=BigInteger()), bindparam("kept", type_=BigInteger())
    return Statement(newest_first.limit(one).offset(kept))


_NEWEST_GONE = _newest_gone()
_DELETE_JOBS = Statement(delete(jobs).where(jobs.c.id.in_(_IDS), _ENDED))
_DELETE_KEYS = Statement(delete(idempotency_keys).where(idempotency_keys.c.target_id.in_(_IDS)))
_child = jobs.alias("child")
_EMPTY_BATCHES = Statement(
    select(batches.c.id).where(
        batches.c.id.in_(_IDS), ~select(_child.c.id).where(_child.c.parent_id == batches.c.id).exists()
    )
)
_DELETE_BATCHES = Statement(delete(batches).where(batches.c.id.in_(_IDS)))
_NAMED_BY_INPUTS = Statement(select(job_inputs.c.blob).where(job_inputs.c.blob.in_(_IDS)).distinct())
_NAMED_BY_RESULTS = Statement(
    select(jobs.c.result_blob)
    .with_hint(jobs, "INDEXED BY ix_jobs_result_blob", "sqlite")
    .where(jobs.c.result_blob.is_not(None), jobs.c.result_blob.in_(_IDS))
)


def sweep(ended_before: datetime | None, keep_newest: int | None, most: int) -> Steps[int]:
    """Delete at most ``most`` jobs and return how many."""
    deleted = 0
    if ended_before is not None:
        bounds = {"below": least_id(ended_before), "before": to_micros(ended_before)}
        deleted += yield from _delete(_SELECT_OLD, bounds, most)
    if keep_newest is not None and deleted < most:
        rows = yield from rows_of(_NEWEST_GONE, {"one": 1, "kept": keep_newest})
        if rows:
            deleted += yield from _delete(_SELECT_SURPLUS, {"newest_gone": rows[0][0]}, most - deleted)
    return deleted


def purge(filter_: JobFilter, last_id: str | None, most: int) -> Steps[tuple[int, str | None]]:
    """Look at ``most`` jobs of a listing after ``last_id``, oldest first, and delete those that may be.

    Return how many were deleted, and the last id looked at; None at the end.
    """
    wanted = yield from resolve(filter_)
    if wanted is None:
        return 0, None
    after = {} if last_id is None else {"last_id": last_id}
    statement = ids_statement(wanted.shape, bool(after))
    rows = yield from rows_of(statement, {**wanted.parameters, **after, "most": most})
    ids = [row[0] for row in rows]
    deleted = (yield from _delete(_SELECT_THESE, {"ids": texts(ids)}, most)) if ids else 0
    return deleted, ids[-1] if len(ids) == most else None


def _delete(selection: Statement, parameters: dict[str, Any], most: int) -> Steps[int]:
    rows: Sequence[Sequence[Any]] = yield from rows_of(selection, {**parameters, "most": most})
    if not rows:
        return 0
    ids = [row[0] for row in rows]
    answer = yield Query(_DELETE_JOBS, {"ids": texts(ids)})
    parents = {row[1] for row in rows if row[1] is not None}
    empty: list[str] = []
    if parents:
        empty = [row[0] for row in (yield from rows_of(_EMPTY_BATCHES, {"ids": texts(parents)}))]
        yield Query(_DELETE_BATCHES, {"ids": texts(empty)})
    yield Query(_DELETE_KEYS, {"ids": texts([*ids, *empty])})
    yield Tell([Change("", "many", "")])
    return answer.changed


def unreferenced(digests: Collection[str]) -> Steps[frozenset[str]]:
    """Return those that no input and no result names."""
    named = {"ids": texts(digests)}
    inputs = yield from rows_of(_NAMED_BY_INPUTS, named)
    results = yield from rows_of(_NAMED_BY_RESULTS, named)
    return frozenset(digests) - {row[0] for row in (*inputs, *results)}
