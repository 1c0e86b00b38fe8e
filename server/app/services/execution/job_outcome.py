"""How a job ended, and what follows from that for its record."""

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.governance.error_envelope import build_error_envelope, internal_fault
from app.governance.errors import CallEnded
from app.governance.execution_context import ExecutionContext
from app.governance.job_lifecycle import JobStatus
from app.storage.records import Job, JobEnd, JsonObject


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a job ended. Exactly one of ``result`` and ``envelope`` is non-empty. Times are milliseconds.

    ``result_bytes`` is the length of the result as JSON, where it was made in this process.
    """

    job_id: str
    result: dict[str, Any]
    envelope: dict[str, Any]
    waiting_ms: float = 0.0
    running_ms: float = 0.0
    result_bytes: int = 0

    @property
    def code(self) -> str | None:
        """The error's code; None if there is a result."""
        code: str | None = self.envelope["error"]["details"]["code"] if self.envelope else None
        return code

    @property
    def rests(self) -> bool:
        """Whether the plugin was not called because it rests: nothing is wrong with the job."""
        return self.code == "plugin_unavailable" and "retry_after_s" in self.envelope["error"]["details"]

    @property
    def status(self) -> JobStatus:
        """The status of a job that ended so."""
        if not self.envelope:
            return JobStatus.SUCCESS
        return JobStatus.CANCELLED if self.code == "cancelled" else JobStatus.FAILED

    def to_end(self, result_blob: str | None = None, **how: Any) -> JobEnd:
        """Return the record of the end, now; ``how`` are fields of `JobEnd` beside, or instead of, what is told here.

        ``result_blob`` is where the result lies, if not in the record itself.
        """
        error = self.envelope["error"] if self.envelope else None
        result = (self.result or None) if result_blob is None else None
        told = {"result": result, "result_blob": result_blob, "error": error, "ended_at": datetime.now(UTC)}
        times = {"waiting_ms": self.waiting_ms, "running_ms": self.running_ms}
        return JobEnd(self.job_id, self.status, **{**told, **times, **how})


def answered_call(job: Job, result: dict[str, Any], envelope: dict[str, Any], context: ExecutionContext) -> JobOutcome:
    """Return the outcome of a job whose call answered; its envelope names the job from now on."""
    if envelope:
        envelope["error"]["details"]["job_id"] = job.id
    return JobOutcome(job.id, result, envelope, context.waiting_ms, context.running_ms, context.result_bytes)


def ended_call(job: Job, code: str, context: ExecutionContext | None = None) -> JobOutcome:
    """Return the outcome of a job whose call was ended before it could answer."""
    envelope = build_error_envelope(CallEnded(code, job_id=job.id), job.plugin)
    waited, ran = (context.waiting_ms, context.running_ms) if context is not None else (0.0, 0.0)
    return JobOutcome(job.id, {}, envelope, waited, ran)


def faulty(job: Job, cause: BaseException) -> JobOutcome:
    """Return the outcome of a job that could not be run because of a fault of ours."""
    envelope = build_error_envelope(internal_fault(cause), job.plugin)
    envelope["error"]["details"]["job_id"] = job.id
    return JobOutcome(job.id, {}, envelope)


def error_of(job: Job, code: str) -> JsonObject:
    """Return the error part of the envelope for a job that ended without a call."""
    error: JsonObject = ended_call(job, code).envelope["error"]
    return error


def as_ended(job: Job, end: JobEnd) -> Job:
    """Return the job as it is after its end, for those who watch."""
    return dataclasses.replace(
        job,
        status=end.status,
        error=end.error,
        error_code=end.error["details"]["code"] if end.error is not None else None,
        ended_at=end.ended_at,
        waiting_ms=end.waiting_ms,
        running_ms=end.running_ms,
        started_at=end.started_at or job.started_at,
        lease_owner=None,
        lease_until=None,
    )
