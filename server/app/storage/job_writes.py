"""How a group of operations becomes few statements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.governance.job_lifecycle import IllegalTransition, check_transition
from app.storage import statements
from app.storage.adding import add_all
from app.storage.ending import Judged, end_row, is_written, lock, refusal, write_ends
from app.storage.errors import JobMissing, NotStorable, StoreRefusal
from app.storage.operations import AddJobs, Ask, EndJob, InsertJob, Operation
from app.storage.records import Released, Row, job_to_row
from app.storage.statement import InsertRows, Steps
from app.storage.steps import Actor

# Raised before anything was changed: the rest of the group is not concerned.
REFUSALS = (StoreRefusal, IllegalTransition, JobMissing)


class Unit(Protocol):
    """One or more operations that are done together, within a transaction that has begun."""

    @property
    def operations(self) -> Sequence[Operation]:
        """Whose outcome this is."""

    def steps(self) -> Steps[None]:
        """Do it, and set each operation's ``result``. Begun anew, in another transaction, if the first failed."""

    def apart(self) -> Iterable["Unit"]:
        """Return the smallest units that mean the same."""


@dataclass(frozen=True, slots=True)
class _NewRow:
    """One row to insert, and the operations that it stands for: the insert, perhaps the end."""

    row: Row
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class _Inserts:
    rows: Sequence[_NewRow]

    @property
    def operations(self) -> Sequence[Operation]:
        return [operation for new in self.rows for operation in new.operations]

    def steps(self) -> Steps[None]:
        yield InsertRows({statements.INSERT_JOBS: [new.row for new in self.rows]})

    def apart(self) -> Iterable[Unit]:
        return [_Inserts((new,)) for new in self.rows]


@dataclass(frozen=True, slots=True)
class _Adds:
    actor: Actor
    operations: Sequence[AddJobs]

    def steps(self) -> Steps[None]:
        return add_all(self.actor, self.operations)

    def apart(self) -> Iterable[Unit]:
        return [_Adds(self.actor, (operation,)) for operation in self.operations]


@dataclass(frozen=True, slots=True)
class _Ends:
    """The ends of different jobs."""

    actor: Actor
    operations: Sequence[EndJob]

    def steps(self) -> Steps[None]:
        found = yield from lock([operation.end.job_id for operation in self.operations])
        judged: list[Judged] = []
        legal: list[EndJob] = []
        for operation in self.operations:
            end, locked = operation.end, found.get(operation.end.job_id)
            if locked is not None and is_written(end, locked):
                operation.result = Released()  # what it did to others was told to all servers with it
                continue
            operation.failure = refusal(end, locked, self.actor.server_id)
            if operation.failure is not None or locked is None:
                continue
            try:
                judged.append(Judged(end, locked, end_row(end)))
            except NotStorable as failure:
                operation.failure = failure
                continue
            legal.append(operation)
        if not judged:
            return
        released = yield from write_ends(self.actor, judged)
        for operation in legal:
            operation.result = released[operation.end.job_id]

    def apart(self) -> Iterable[Unit]:
        return [_Ends(self.actor, (operation,)) for operation in self.operations]


@dataclass(frozen=True, slots=True)
class _Question:
    operation: Ask

    @property
    def operations(self) -> Sequence[Operation]:
        return (self.operation,)

    def steps(self) -> Steps[None]:
        self.operation.result = yield from self.operation.function()

    def apart(self) -> Iterable[Unit]:
        return (self,)


class _Planner:
    """Gathers inserts, adds and ends until something comes that must find them done."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._units: list[Unit] = []
        self._inserts: dict[str, InsertJob] = {}
        self._merged: dict[str, EndJob] = {}
        self._adds: list[AddJobs] = []
        self._added: set[str] = set()
        self._ends: dict[str, EndJob] = {}

    def plan(self, operations: Sequence[Operation]) -> list[Unit]:
        for operation in operations:
            if isinstance(operation, InsertJob):
                self._insert(operation)
            elif isinstance(operation, AddJobs):
                self._add(operation)
            elif isinstance(operation, EndJob):
                self._end(operation)
            elif isinstance(operation, Ask):
                self._flush()
                self._units.append(_Question(operation))
        self._flush()
        return self._units

    def _insert(self, operation: InsertJob) -> None:
        job_id = operation.job.id
        if job_id in self._inserts or job_id in self._added or job_id in self._ends:
            self._flush()
        self._inserts[job_id] = operation

    def _add(self, operation: AddJobs) -> None:
        ids = {new.job.id for new in operation.jobs}
        if ids & self._added or ids & self._inserts.keys():
            self._flush()  # one of the two is refused, and not the others with it
        self._adds.append(operation)
        self._added |= ids

    def _end(self, operation: EndJob) -> None:
        job_id = operation.end.job_id
        insert = self._inserts.get(job_id)
        if insert is not None and operation.waiter is None and self._may_merge(insert, operation):
            self._merged[job_id] = operation
            return
        if job_id in self._merged or job_id in self._ends:
            self._flush()  # each has its own outcome
        self._ends[job_id] = operation

    def _may_merge(self, insert: InsertJob, end: EndJob) -> bool:
        if insert.job.id in self._merged or insert.job.id in self._ends:
            return False
        try:
            check_transition(insert.job.status, end.end.status)
        except IllegalTransition:
            return False
        return True

    def _flush(self) -> None:
        inserts = self._inserts.values()
        rows = [new for one in inserts if (new := _new_row(one, self._merged.get(one.job.id), self._actor.server_id))]
        if rows:
            self._units.append(_Inserts(rows))
        if self._adds:
            self._units.append(_Adds(self._actor, tuple(self._adds)))
        if self._ends:
            self._units.append(_Ends(self._actor, tuple(self._ends.values())))
        for gathered in (self._inserts, self._merged, self._adds, self._added, self._ends):
            gathered.clear()


def plan(actor: Actor, operations: Sequence[Operation]) -> Sequence[Unit]:
    """Return the units that do the operations, with as few statements as their order allows."""
    return _Planner(actor).plan(operations)


def _new_row(insert: InsertJob, end: EndJob | None, server_id: str) -> _NewRow | None:
    operations = (insert,) if end is None else (insert, end)
    try:
        row = job_to_row(insert.job, end.end if end else None, server=server_id)
    except NotStorable as failure:
        for operation in operations:
            operation.failure = failure
        return None
    return _NewRow(row, operations)
