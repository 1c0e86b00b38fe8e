"""What waits: the SQL that tells the dispatcher where to look and when, and operators how much there is."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    bindparam,
    cast,
    false,
    func,
    null,
    select,
    true,
    union_all,
)

from app.governance.job_lifecycle import JobStatus
from app.storage.records import Outlook, from_micros
from app.storage.schema import jobs
from app.storage.statement import Statement, Steps
from app.storage.statements import (
    BY_DEADLINE,
    BY_DUE,
    BY_WAITING,
    CLAIMABLE,
    DUE,
    DURABLE,
    FREE,
    HELD,
    SELECT_FIRST,
    status_is,
    status_value,
)
from app.storage.steps import Actor
from app.storage.steps import select as rows_of


def _plugins_waiting() -> Select[Any]:
    """Step from one plugin to the next in the index, whatever the number of jobs between them."""
    later = jobs.alias()
    least = select(func.min(jobs.c.plugin).label("plugin")).where(*CLAIMABLE)
    first = least.with_hint(jobs, BY_WAITING, "sqlite").cte("found", recursive=True)
    following = (
        select(func.min(later.c.plugin))
        .with_hint(later, BY_WAITING, "sqlite")
        .where(
            later.c.status == status_value(JobStatus.PENDING),
            later.c.durable == true(),
            later.c.held == false(),
            later.c.plugin > first.c.plugin,
        )
        .scalar_subquery()
    )
    found = first.union_all(select(following).where(first.c.plugin.is_not(None)))
    return select(found.c.plugin).where(found.c.plugin.is_not(None))


def _outlook() -> Statement:
    """Return the plugins that have something to claim, and, without a plugin, the moments that come next.

    One look: between two, the time of a job could come that is then in neither. A deadline that has passed is told too:
    it was not there yet when jobs were last expired, or there were more than are expired at once.
    """
    nothing, never = cast(null(), Text()).label("plugin"), cast(null(), BigInteger()).label("moment")
    waiting = _plugins_waiting().subquery("waiting")
    due = select(jobs.c.plugin, never).with_hint(jobs, BY_DUE, "sqlite").where(*DUE).distinct()
    free_at = (
        select(nothing, func.min(jobs.c.not_before).label("moment"))
        .with_hint(jobs, BY_DUE, "sqlite")
        .where(*FREE, jobs.c.not_before > bindparam("now"))
    )
    late_at = (
        select(nothing, func.min(jobs.c.deadline).label("moment"))
        .with_hint(jobs, BY_DEADLINE, "sqlite")
        .where(status_is(JobStatus.PENDING), DURABLE, jobs.c.deadline.is_not(None))
    )
    return Statement(union_all(select(waiting.c.plugin, never), due, free_at, late_at))


OUTLOOK = _outlook()


def _count_waiting(index: str, *conditions: ColumnElement[bool]) -> Statement:
    found = (
        select(jobs.c.plugin, func.count().label("number"), func.min(jobs.c.id).label("oldest"))
        .with_hint(jobs, f"INDEXED BY {index}", "sqlite")
        .where(*conditions)
        .group_by(jobs.c.plugin)
        .subquery("found")
    )
    oldest = jobs.alias("oldest_job")
    return Statement(
        select(found.c.plugin, found.c.number, oldest.c.created_at).join(oldest, oldest.c.id == found.c.oldest)
    )


COUNT_CLAIMABLE = _count_waiting("ix_jobs_waiting", *CLAIMABLE)
COUNT_HELD = _count_waiting("ix_jobs_held", *HELD)


def outlook(actor: Actor) -> Steps[Outlook]:
    """Return the plugins that have something to claim, and when the next waiting job may run or has waited too long."""
    rows = yield from rows_of(OUTLOOK, actor.times())
    moments = [moment for _, moment in rows if moment is not None]
    plugins = sorted({plugin for plugin, _ in rows if plugin is not None})
    return Outlook(plugins, from_micros(min(moments)) if moments else None)


def turns(actor: Actor, plugins: Collection[str]) -> Steps[Sequence[str]]:
    """Return the plugins in the order in which the first of their waiting jobs are to start."""
    firsts: dict[str, tuple[int, str]] = {}
    for plugin in plugins:
        rows = yield from rows_of(SELECT_FIRST, actor.times() | {"wanted_plugin": plugin, "most": 1})
        if rows:
            firsts[plugin] = (-rows[0][0], rows[0][1])
    # A plugin without one has a job whose time has come a moment ago: the claim will see it.
    return sorted(plugins, key=lambda plugin: (plugin in firsts, firsts.get(plugin, (0, ""))))
