"""Job states, and which may follow which. The only place that decides it."""

from collections.abc import Mapping
from enum import StrEnum


class JobStatus(StrEnum):
    """How far a job has come."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def sentence(self) -> str:
        """What the status means, said to a reader."""
        return _SENTENCES[self]


_SENTENCES: Mapping[JobStatus, str] = {
    JobStatus.PENDING: "The job is accepted and waits for its turn.",
    JobStatus.RUNNING: "The job's plugin is being called.",
    JobStatus.SUCCESS: "The job ended with a result.",
    JobStatus.FAILED: "The job ended with an error.",
    JobStatus.CANCELLED: "The job was ended because somebody asked for it.",
}

_TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = {
    # FAILED: the deadline passed, or the server ended, while the job waited.
    JobStatus.PENDING: frozenset({JobStatus.RUNNING, JobStatus.FAILED, JobStatus.CANCELLED}),
    # PENDING: the server ended while the job ran, and it is to run again.
    JobStatus.RUNNING: frozenset({JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.PENDING}),
    JobStatus.SUCCESS: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}


class IllegalTransition(Exception):
    """A job was to change to a status that may not follow the one it has."""

    def __init__(self, old: JobStatus, new: JobStatus) -> None:
        self.old = old
        self.new = new
        super().__init__(f"a job that is {old} cannot become {new}")


def check_transition(old: JobStatus, new: JobStatus) -> None:
    """Raise `IllegalTransition` unless a job that is ``old`` may become ``new``."""
    if new not in _TRANSITIONS[old]:
        raise IllegalTransition(old, new)


def predecessors(new: JobStatus) -> tuple[JobStatus, ...]:
    """Return the statuses from which a job may become ``new``, for the WHERE of an update."""
    return tuple(old for old in JobStatus if new in _TRANSITIONS[old])


def is_terminal(status: JobStatus) -> bool:
    """Return whether a job that is ``status`` has ended and never changes again."""
    return not _TRANSITIONS[status]


TERMINAL = frozenset(status for status in JobStatus if is_terminal(status))
