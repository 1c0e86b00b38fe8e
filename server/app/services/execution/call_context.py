"""The execution context of a job's call."""

import asyncio
from datetime import UTC, datetime

from app.governance.execution_context import ExecutionContext, ProgressSink
from app.storage.records import Job


def context_of(job: Job, progress: ProgressSink) -> ExecutionContext:
    """Return the context in which the job's plugin is to be called, with its deadline on the running loop's clock."""
    deadline = None
    if job.deadline is not None:
        deadline = asyncio.get_running_loop().time() + (job.deadline - datetime.now(UTC)).total_seconds()
    return ExecutionContext(job.id, deadline, progress)
