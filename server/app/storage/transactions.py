"""A group of operations in one transaction, or each in its own when that fails: for whoever has a database.

The script yields `Begin`, `Commit`, `RollBack` and the commands of steps. Whoever drives it does what it is given,
sends the answer, or throws in why that failed, as a `StorageError`.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from app.storage.errors import OutcomeUnknown, StorageAway, StorageError, StorageLocked
from app.storage.job_writes import REFUSALS, Unit
from app.storage.operations import Operation
from app.storage.statement import Answer, Command

Plan = Callable[[Sequence[Operation]], Sequence[Unit]]


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin a transaction, after rolling back what may be left of another."""

    durable: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit it."""


@dataclass(frozen=True, slots=True)
class RollBack:
    """Roll it back, if there is one."""


TransactionCommand = Begin | Commit | RollBack | Command
Script = Generator[TransactionCommand, Answer, None]


class _CannotBegin(Exception):
    """No transaction could be begun: the database is locked, read-only or gone."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause


def run_group(operations: Sequence[Operation], plan: Plan) -> Script:
    """Set the outcome of each operation. Never raises for what an operation or the database can do."""
    units = plan(operations)
    failure = yield from _attempt(units)
    if isinstance(failure, StorageAway | StorageLocked) and not isinstance(failure, OutcomeUnknown):
        failure = yield from _attempt(units)  # the connection broke, or two servers waited for each other
    if failure is None:
        return
    apart = [single for unit in units for single in unit.apart()]
    if len(apart) == 1 or isinstance(failure, _CannotBegin | OutcomeUnknown):
        _fail(apart, failure)
        return
    for index, unit in enumerate(apart):
        alone = yield from _attempt([unit])
        if alone is None:
            continue
        _fail([unit], alone)
        if isinstance(alone, _CannotBegin):  # it waited long enough for all of them
            _fail(apart[index + 1 :], alone)
            return


def _attempt(units: Sequence[Unit]) -> Generator[TransactionCommand, Answer, Exception | None]:
    """Run the units in one transaction. Return why nothing of it was kept, or None."""
    for unit in units:
        for operation in unit.operations:
            operation.failure = None  # a refusal of an earlier attempt may not hold now
    try:
        yield Begin(any(operation.durable for unit in units for operation in unit.operations))
    except StorageError as failure:
        return _CannotBegin(failure)
    try:
        for unit in units:
            yield from _perform(unit)
        yield Commit()
    except Exception as failure:  # whatever it is, it is the unit's outcome
        yield RollBack()
        return failure
    return None


def _perform(unit: Unit) -> Generator[TransactionCommand, Answer, None]:
    try:
        yield from unit.steps()
    except REFUSALS as refusal:
        _fail([unit], refusal)


def _fail(units: Sequence[Unit], failure: Exception) -> None:
    told = failure.cause if isinstance(failure, _CannotBegin) else failure
    for unit in units:
        for operation in unit.operations:
            operation.failure = told
