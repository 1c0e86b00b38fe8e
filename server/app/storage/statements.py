"""The SQL of the store: written with SQLAlchemy Core, compiled once to text for SQLite's driver."""

from functools import cache

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    FromClause,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from app.governance.job_lifecycle import JobStatus, predecessors
from app.storage.records import JobFilter
from app.storage.schema import job_inputs, jobs, plugin_overrides


class _WithHints(SQLiteCompiler):
    """SQLite's compiler leaves hints out; ours are INDEXED BY clauses."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        return text


_NAMED = sqlite.dialect(paramstyle="named")
_NAMED.statement_compiler = _WithHints
_POSITIONAL = sqlite.dialect(paramstyle="qmark")
# Without it SQLite's dialect writes an OFFSET with a parameter of its own.
_NO_OFFSET: ColumnElement[int] = literal_column("0")


def _named(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=_NAMED))


def _status(status: JobStatus) -> ColumnElement[str]:
    # Written out, not bound: SQLite uses a partial index only when it can see the value.
    return literal_column(f"'{status.value}'")


_WAITING = (jobs.c.status == _status(JobStatus.PENDING), jobs.c.durable == literal_column("1"))
# Without statistics SQLite prefers the index of all statuses, which holds every job there ever was.
_BY_WAITING = "INDEXED BY ix_jobs_waiting"
_INSERT_JOB = str(insert(jobs).compile(dialect=_POSITIONAL))

INSERT_INPUT = str(insert(job_inputs).compile(dialect=_POSITIONAL))

SELECT_JOB = _named(select(jobs).where(jobs.c.id == bindparam("job_id")))
SELECT_STATUS = _named(select(jobs.c.status).where(jobs.c.id == bindparam("job_id")))
SELECT_INPUTS = _named(
    select(job_inputs.c.role, job_inputs.c.media_type, job_inputs.c.blob, job_inputs.c.size)
    .where(job_inputs.c.job_id == bindparam("wanted_id"))
    .order_by(job_inputs.c.position)
)

CLAIM = _named(
    update(jobs)
    .where(
        jobs.c.id.in_(
            select(jobs.c.id)
            .with_hint(jobs, _BY_WAITING, "sqlite")
            .where(*_WAITING, jobs.c.plugin == bindparam("wanted_plugin"))
            .order_by(jobs.c.priority.desc(), jobs.c.id)
            .limit(bindparam("most"))
            .offset(_NO_OFFSET)
        )
    )
    .values(
        status=_status(JobStatus.RUNNING), started_at=bindparam("now"), attempt=jobs.c.attempt + literal_column("1")
    )
    .returning(*jobs.c)
)

CLAIM_JOB = _named(
    update(jobs)
    .where(*_WAITING, jobs.c.id == bindparam("wanted_id"))
    .values(
        status=_status(JobStatus.RUNNING), started_at=bindparam("now"), attempt=jobs.c.attempt + literal_column("1")
    )
    .returning(*jobs.c)
)

COUNT_WAITING = _named(
    select(jobs.c.plugin, func.count()).with_hint(jobs, _BY_WAITING, "sqlite").where(*_WAITING).group_by(jobs.c.plugin)
)


def _plugins_waiting() -> str:
    """Step from one plugin to the next in the index, whatever the number of jobs between them."""
    later = jobs.alias()
    least = select(func.min(jobs.c.plugin).label("plugin")).where(*_WAITING)
    first = least.with_hint(jobs, _BY_WAITING, "sqlite").cte("found", recursive=True)
    following = (
        select(func.min(later.c.plugin))
        .with_hint(later, _BY_WAITING, "sqlite")
        .where(
            later.c.status == _status(JobStatus.PENDING),
            later.c.durable == literal_column("1"),
            later.c.plugin > first.c.plugin,
        )
        .scalar_subquery()
    )
    found = first.union_all(select(following).where(first.c.plugin.is_not(None)))
    return _named(select(found.c.plugin).where(found.c.plugin.is_not(None)))


PLUGINS_WAITING = _plugins_waiting()

REQUEUE = _named(
    update(jobs)
    .where(jobs.c.status == _status(JobStatus.RUNNING), jobs.c.durable == literal_column("1"))
    .values(status=_status(JobStatus.PENDING), started_at=null())
    .returning(jobs.c.id)
)
SELECT_INTERRUPTED = _named(
    select(jobs).where(
        jobs.c.status.in_([_status(JobStatus.PENDING), _status(JobStatus.RUNNING)]),
        jobs.c.durable == literal_column("0"),
    )
)

SELECT_OVERRIDES = _named(select(plugin_overrides).order_by(plugin_overrides.c.plugin))
DELETE_OVERRIDE = _named(delete(plugin_overrides).where(plugin_overrides.c.plugin == bindparam("wanted_plugin")))
_override = sqlite.insert(plugin_overrides)
SET_OVERRIDE = _named(
    _override.on_conflict_do_update(
        index_elements=["plugin"],
        set_={name: _override.excluded[name] for name in ("enabled", "reason", "changed_at")},
    )
)


@cache
def insert_jobs(count: int) -> str:
    """Return one INSERT of ``count`` rows, with positional parameters in the order of the table's columns.

    One statement for many rows: at each statement the driver lets other threads run, and then waits for its turn.
    """
    head, values = _INSERT_JOB.split(" VALUES ")
    return f"{head} VALUES {', '.join([values] * count)}"


@cache
def end_job(status: JobStatus) -> str:
    """Return the UPDATE that ends a job as ``status``, if the lifecycle lets it."""
    return _named(
        update(jobs)
        .where(jobs.c.id == bindparam("job_id"), jobs.c.status.in_([_status(old) for old in predecessors(status)]))
        .values(
            status=_status(status),
            started_at=func.coalesce(bindparam("began_at"), jobs.c.started_at),
            **{name: bindparam(name) for name in ("ended_at", "waiting_ms", "running_ms", "error", "result")},
        )
    )


@cache
def _list_jobs(filtered_by: tuple[str, ...], after_cursor: bool) -> str:
    columns = [null().label("result") if column is jobs.c.result else column for column in jobs.c]
    statement = select(*columns).order_by(jobs.c.id.desc()).limit(bindparam("most")).offset(_NO_OFFSET)
    for name in filtered_by:
        statement = statement.where(jobs.c[name] == bindparam(name))
    if after_cursor:
        statement = statement.where(jobs.c.id < bindparam("last_id"))
    return _named(statement)


def list_jobs(filter_: JobFilter, last_id: str | None, most: int) -> tuple[str, dict[str, str | int]]:
    """Return the SELECT of a listing and its parameters."""
    wanted = {name: getattr(filter_, name) for name in JobFilter.__slots__}
    parameters = {name: str(value) for name, value in wanted.items() if value is not None}
    sql = _list_jobs(tuple(parameters), last_id is not None)
    return sql, parameters | {"most": most} | ({} if last_id is None else {"last_id": last_id})
