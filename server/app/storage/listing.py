"""Steps that look at many jobs: pages, counts, exports, batches.

A page is read in the order of an index, however many jobs there are. SQLite has no statistics, so it is told which.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    bindparam,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
    union,
)

from app.governance.job_lifecycle import JobStatus
from app.storage.job_ids import least_id
from app.storage.records import BatchProgress, Job, JobFilter, from_micros, job_from_row
from app.storage.schema import batches, jobs
from app.storage.statement import Statement, Steps, ids_parameter
from app.storage.statements import NO_OFFSET, without_results
from app.storage.steps import select as rows_of
from app.storage.steps import texts

# Of the plugins whose name holds a text that is looked for, so many are looked at.
_MOST_PLUGINS = 20
_MOST_NAMES = 1000

_PLAIN = ("status", "plugin", "owner", "parent_id", "error_code")
# The first whose columns are all asked for is used.
_INDEXES: Sequence[tuple[str, frozenset[str]]] = (
    ("ix_jobs_parent", frozenset({"parent_id"})),
    ("ix_jobs_plugin_error", frozenset({"plugin", "error_code"})),
    ("ix_jobs_error", frozenset({"error_code"})),
    ("ix_jobs_plugin_status", frozenset({"plugin", "status"})),
    ("ix_jobs_status", frozenset({"status"})),
    ("ix_jobs_plugin", frozenset({"plugin"})),
    ("ix_jobs_durable", frozenset({"durable"})),
)


class Shape(NamedTuple):
    """What a listing asks for, without the values: a statement is compiled once for each."""

    equal: tuple[str, ...]
    durable: bool | None = None
    bounds: tuple[str, ...] = ()
    plugins: int | None = None
    by_id: bool = False


class Wanted(NamedTuple):
    """A filter as a shape and its parameters."""

    shape: Shape
    parameters: Mapping[str, Any]


def _plugin_names() -> Statement:
    later = jobs.alias()
    least = select(func.min(jobs.c.plugin).label("plugin")).with_hint(jobs, "INDEXED BY ix_jobs_plugin", "sqlite")
    first = least.cte("found", recursive=True)
    following = (
        select(func.min(later.c.plugin))
        .with_hint(later, "INDEXED BY ix_jobs_plugin", "sqlite")
        .where(later.c.plugin > first.c.plugin)
        .scalar_subquery()
    )
    found = first.union_all(select(following).where(first.c.plugin.is_not(None)))
    return Statement(
        select(found.c.plugin)
        .where(found.c.plugin.is_not(None))
        .limit(bindparam("most", type_=BigInteger()))
        .offset(NO_OFFSET)
    )


_PLUGIN_NAMES = _plugin_names()


def askable(filter_: JobFilter) -> bool:
    """Return whether any job can be found: the databases hold no NUL and no lone surrogates."""
    values = (filter_.plugin, filter_.owner, filter_.parent_id, filter_.error_code, filter_.text)
    return all(value is None or _is_plain(value) for value in values)


def _is_plain(text: str) -> bool:
    return "\0" not in text and (text.isascii() or text.encode(errors="replace").decode() == text)


def resolve(filter_: JobFilter) -> Steps[Wanted | None]:
    """Return what the filter asks for, its text looked up among the plugins' names; None if there is no such job."""
    if not askable(filter_):
        return None
    parameters: dict[str, Any] = {name: str(value) for name in _PLAIN if (value := getattr(filter_, name)) is not None}
    shape = Shape(tuple(parameters), filter_.durable)
    bounds = {}
    if filter_.since is not None:
        # An id tells no more than its millisecond: what was made in the same one may have been made since.
        bounds["least"] = least_id(filter_.since.replace(microsecond=filter_.since.microsecond // 1000 * 1000))
    if filter_.until is not None:
        bounds["below"] = least_id(filter_.until)
    shape = shape._replace(bounds=tuple(bounds))
    parameters |= bounds
    if not filter_.text:
        return Wanted(shape, parameters)
    return (yield from _with_text(filter_, filter_.text.lower(), shape, parameters))


def _with_text(filter_: JobFilter, text: str, shape: Shape, parameters: dict[str, Any]) -> Steps[Wanted | None]:
    if filter_.plugin is not None and text in filter_.plugin.lower():
        return Wanted(shape, parameters)
    names: list[str] = []
    if filter_.plugin is None:
        rows = yield from rows_of(_PLUGIN_NAMES, {"most": _MOST_NAMES})
        names = [row[0] for row in rows if text in row[0].lower()][:_MOST_PLUGINS]
    by_id = len(text) <= 32 and all(letter in "0123456789abcdef" for letter in text)
    if not names and not by_id:
        return None
    named = {f"plugin_{number}": name for number, name in enumerate(names)}
    prefix = {"id_from": text, "id_to": text + "g"} if by_id else {}  # "g" follows every hexadecimal digit
    return Wanted(shape._replace(plugins=len(names), by_id=by_id), parameters | named | prefix)


def _conditions(shape: Shape, last: str | None) -> list[ColumnElement[bool]]:
    found = [jobs.c[name] == bindparam(name) for name in shape.equal]
    if shape.durable is not None:
        found.append(jobs.c.durable == (true() if shape.durable else false()))
    if "least" in shape.bounds:
        found.append(jobs.c.id >= bindparam("least"))
    if "below" in shape.bounds:
        found.append(jobs.c.id < bindparam("below"))
    if last == "after":
        found.append(jobs.c.id > bindparam("last_id"))
    elif last == "before":
        found.append(jobs.c.id < bindparam("last_id"))
    return found


def _hint(statement: Select[Any], equal: Collection[str], durable: bool | None) -> Select[Any]:
    asked = {*equal, *(["durable"] if durable else [])}
    index = next((name for name, columns in _INDEXES if columns <= asked), None)
    return statement if index is None else statement.with_hint(jobs, f"INDEXED BY {index}", "sqlite")


def _branches(shape: Shape, last: str | None) -> list[Select[Any]]:
    """Return the SELECTs of ids that a text stands for: one by id, one for each plugin."""
    base = _conditions(shape, last)
    found = []
    if shape.by_id:
        prefix = (jobs.c.id >= bindparam("id_from"), jobs.c.id < bindparam("id_to"))
        found.append(select(jobs.c.id).where(*base, *prefix))
    for number in range(shape.plugins or 0):
        named = select(jobs.c.id).where(*base, jobs.c.plugin == bindparam(f"plugin_{number}"))
        found.append(_hint(named, {*shape.equal, "plugin"}, shape.durable))
    return found


def _page(shape: Shape, last: str | None, columns: Sequence[ColumnElement[Any]], oldest_first: bool) -> Statement:
    order = jobs.c.id.asc() if oldest_first else jobs.c.id.desc()
    most = bindparam("most", type_=BigInteger())
    statement = select(*columns).order_by(order).limit(most).offset(NO_OFFSET)
    if shape.plugins is None:
        return Statement(_hint(statement.where(*_conditions(shape, last)), shape.equal, shape.durable))
    branches = [branch.order_by(order).limit(most).offset(NO_OFFSET).subquery() for branch in _branches(shape, last)]
    ids = [select(branch.c.id) for branch in branches]
    # Sorted by what is no column, or SQLite walks all jobs in their order and looks for each among these.
    by_text = jobs.c.id.concat(literal_column("''"))
    found = select(*columns).where(jobs.c.id.in_(union(*ids) if len(ids) > 1 else ids[0]))
    return Statement(found.order_by(by_text if oldest_first else by_text.desc()).limit(most).offset(NO_OFFSET))


@cache
def page_statement(shape: Shape, after_cursor: bool) -> Statement:
    """Return the SELECT of a page, newest first, before the parameter ``last_id`` if there is one."""
    return _page(shape, "before" if after_cursor else None, without_results(), oldest_first=False)


@cache
def export_statement(shape: Shape, after_cursor: bool) -> Statement:
    """Return the SELECT of a page with results, oldest first, after the parameter ``last_id`` if there is one."""
    return _page(shape, "after" if after_cursor else None, [*jobs.c], oldest_first=True)


@cache
def ids_statement(shape: Shape, after_cursor: bool) -> Statement:
    """Return the SELECT of a page of ids, oldest first, after the parameter ``last_id`` if there is one."""
    return _page(shape, "after" if after_cursor else None, [jobs.c.id], oldest_first=True)


@cache
def _count_statement(shape: Shape) -> Statement:
    statement = select(jobs.c.status, func.count()).group_by(jobs.c.status)
    if shape.plugins is None:
        wanted = statement.where(*_conditions(shape, None))
        only = {*shape.equal} - {"status"}
        return Statement(
            _hint(wanted, only | {"status"}, None) if only <= {"plugin"} and shape.durable is None else wanted
        )
    text = [branch.whereclause for branch in _branches(shape, None) if branch.whereclause is not None]
    return Statement(statement.where(or_(*text)))


def page(filter_: JobFilter, last_id: str | None, most: int) -> Steps[Sequence[Job]]:
    """Return at most ``most`` jobs, newest first, without their results."""
    wanted = yield from resolve(filter_)
    if wanted is None:
        return []
    after = {} if last_id is None else {"last_id": last_id}
    statement = page_statement(wanted.shape, bool(after))
    rows = yield from rows_of(statement, {**wanted.parameters, **after, "most": most})
    return [*map(job_from_row, rows)]


def export_page(filter_: JobFilter, last_id: str | None, most: int) -> Steps[Sequence[Job]]:
    """Return at most ``most`` jobs after ``last_id``, oldest first, with their results."""
    wanted = yield from resolve(filter_)
    if wanted is None:
        return []
    after = {} if last_id is None else {"last_id": last_id}
    statement = export_statement(wanted.shape, bool(after))
    rows = yield from rows_of(statement, {**wanted.parameters, **after, "most": most})
    return [*map(job_from_row, rows)]


def counts(filter_: JobFilter) -> Steps[Mapping[JobStatus, int]]:
    """Return how many jobs the filter shows, by status."""
    wanted = yield from resolve(filter_)
    if wanted is None:
        return {}
    rows = yield from rows_of(_count_statement(wanted.shape), wanted.parameters)
    return {JobStatus(row[0]): row[1] for row in rows}


_SELECT_BATCH = Statement(select(batches).where(batches.c.id == bindparam("wanted_id")))
_BATCH_COUNTS = Statement(
    select(jobs.c.status, func.count())
    .with_hint(jobs, "INDEXED BY ix_jobs_parent", "sqlite")
    .where(jobs.c.parent_id == bindparam("wanted_id"))
    .group_by(jobs.c.status)
)
_BATCH_JOBS = Statement(
    select(jobs.c.id)
    .with_hint(jobs, "INDEXED BY ix_jobs_parent", "sqlite")
    .where(jobs.c.parent_id == bindparam("wanted_id"), jobs.c.status.in_(ids_parameter("statuses")))
    .order_by(jobs.c.id)
)


def batch(batch_id: str) -> Steps[BatchProgress | None]:
    """Return how far the batch has come, or None."""
    rows = yield from rows_of(_SELECT_BATCH, {"wanted_id": batch_id})
    if not rows:
        return None
    counted = yield from rows_of(_BATCH_COUNTS, {"wanted_id": batch_id})
    ((found, owner, created_at, total),) = rows
    by_status = {JobStatus(row[0]): row[1] for row in counted}
    return BatchProgress(found, owner, from_micros(created_at), total, by_status)


def batch_jobs(batch_id: str, statuses: Collection[JobStatus]) -> Steps[Sequence[str]]:
    """Return the ids of the batch's jobs in these statuses, oldest first."""
    wanted = {"wanted_id": batch_id, "statuses": texts([status.value for status in statuses])}
    rows = yield from rows_of(_BATCH_JOBS, wanted)
    return [row[0] for row in rows]
