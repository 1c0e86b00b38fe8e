"""What the job store asks of the writer, and how a group of it becomes few statements."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from app.governance.job_lifecycle import IllegalTransition, JobStatus, check_transition
from app.storage import statements
from app.storage.errors import JobMissing, NotStorable
from app.storage.records import Job, JobEnd, JobInput, Row, encode_json, job_to_row, to_micros
from app.storage.writer import Operation, Unit

_ROWS_A_STATEMENT = (64, 16, 4, 1)


class InsertJob(Operation):
    """Store a new job."""

    __slots__ = ("inputs", "job")

    def __init__(self, job: Job, inputs: Sequence[JobInput] = (), durable: bool = False) -> None:
        super().__init__(durable)
        self.job = job
        self.inputs = inputs


class EndJob(Operation):
    """Store how a job ended."""

    __slots__ = ("end",)

    def __init__(self, end: JobEnd, durable: bool = False) -> None:
        super().__init__(durable)
        self.end = end


class Ask(Operation):
    """Call ``function`` with the connection, within the transaction; what it returns is the result."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[sqlite3.Connection], object], durable: bool = False) -> None:
        super().__init__(durable)
        self.function = function


@dataclass(frozen=True, slots=True)
class _NewRow:
    """One row to insert: the job, its inputs, and the operations that it stands for (the insert, perhaps the end)."""

    row: Row
    inputs: tuple[Row, ...]
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class _Inserts:
    rows: Sequence[_NewRow]

    @property
    def operations(self) -> Sequence[Operation]:
        return [operation for new in self.rows for operation in new.operations]

    def execute(self, connection: sqlite3.Connection) -> None:
        done = 0
        for size in _ROWS_A_STATEMENT:
            while len(self.rows) - done >= size:
                some = self.rows[done : done + size]
                connection.execute(statements.insert_jobs(size), [value for new in some for value in new.row])
                done += size
        inputs = [row for new in self.rows for row in new.inputs]
        if inputs:
            connection.executemany(statements.INSERT_INPUT, inputs)

    def apart(self) -> Iterable[Unit]:
        return [_Inserts((new,)) for new in self.rows]


@dataclass(frozen=True, slots=True)
class _Update:
    operation: EndJob

    @property
    def operations(self) -> Sequence[Operation]:
        return (self.operation,)

    def execute(self, connection: sqlite3.Connection) -> None:
        end = self.operation.end
        sql, parameters = statements.end_job(end.status), _end_parameters(end)
        if not connection.execute(sql, parameters).rowcount:
            _refuse_end(connection, end)

    def apart(self) -> Iterable[Unit]:
        return (self,)


@dataclass(frozen=True, slots=True)
class _Question:
    operation: Ask

    @property
    def operations(self) -> Sequence[Operation]:
        return (self.operation,)

    def execute(self, connection: sqlite3.Connection) -> None:
        self.operation.result = self.operation.function(connection)

    def apart(self) -> Iterable[Unit]:
        return (self,)


class _Planner:
    """Gathers inserts, and an end with the insert it follows, until something comes that must find the rows stored."""

    def __init__(self) -> None:
        self._units: list[Unit] = []
        self._inserts: dict[str, InsertJob] = {}
        self._ends: dict[str, EndJob] = {}

    def plan(self, operations: Sequence[Operation]) -> list[Unit]:
        for operation in operations:
            if isinstance(operation, InsertJob):
                self._insert(operation)
            elif isinstance(operation, EndJob):
                self._end(operation)
            elif isinstance(operation, Ask):
                self._flush()
                self._units.append(_Question(operation))
        self._flush()
        return self._units

    def _insert(self, operation: InsertJob) -> None:
        if operation.job.id in self._inserts:
            self._flush()
        self._inserts[operation.job.id] = operation

    def _end(self, operation: EndJob) -> None:
        job_id = operation.end.job_id
        insert = self._inserts.get(job_id)
        if insert is None:
            self._units.append(_Update(operation))
        elif operation.waiter or insert.waiter or job_id in self._ends or not _may_follow(insert, operation):
            # Each has its own outcome; the update finds out what it is.
            self._flush()
            self._units.append(_Update(operation))
        else:
            self._ends[job_id] = operation

    def _flush(self) -> None:
        rows = [new for insert in self._inserts.values() if (new := _new_row(insert, self._ends.get(insert.job.id)))]
        if rows:
            self._units.append(_Inserts(rows))
        self._inserts.clear()
        self._ends.clear()


def plan(operations: Sequence[Operation]) -> Sequence[Unit]:
    """Return the units that do the operations, with as few statements as their order allows."""
    return _Planner().plan(operations)


def _may_follow(insert: InsertJob, end: EndJob) -> bool:
    try:
        check_transition(insert.job.status, end.end.status)
    except IllegalTransition:
        return False
    return True


def _new_row(insert: InsertJob, end: EndJob | None) -> _NewRow | None:
    operations = (insert,) if end is None else (insert, end)
    try:
        row = job_to_row(insert.job, end.end if end else None)
    except NotStorable as failure:
        for operation in operations:
            operation.failure = failure
        return None
    inputs = tuple(
        (insert.job.id, position, one.role, one.media_type, one.blob, one.size)
        for position, one in enumerate(insert.inputs)
    )
    return _NewRow(row, inputs, operations)


def _end_parameters(end: JobEnd) -> dict[str, str | int | float | None]:
    return {
        "job_id": end.job_id,
        "began_at": None if end.started_at is None else to_micros(end.started_at),
        "ended_at": to_micros(end.ended_at),
        "waiting_ms": end.waiting_ms,
        "running_ms": end.running_ms,
        "error": None if end.error is None else encode_json(end.error),
        "result": None if end.result is None else encode_json(end.result),
    }


def _refuse_end(connection: sqlite3.Connection, end: JobEnd) -> None:
    found = connection.execute(statements.SELECT_STATUS, {"job_id": end.job_id}).fetchone()
    if found is None:
        raise JobMissing
    check_transition(JobStatus(found[0]), end.status)
