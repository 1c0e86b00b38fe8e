"""The options that several commands of jobs share: which jobs are meant."""

from typing import Annotated

import typer

from app.governance.job_lifecycle import JobStatus
from app.services.job_filters import JobQuery

Status = Annotated[JobStatus | None, typer.Option("--status", case_sensitive=False, help="Only jobs of this status.")]
Plugin = Annotated[str | None, typer.Option("--plugin", metavar="NAME", help="Only jobs of this plugin.")]
ErrorCode = Annotated[str | None, typer.Option("--error-code", metavar="CODE", help="Only jobs with this error.")]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="Only jobs created since (ISO 8601).")]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only jobs created before (ISO 8601).")]
BatchId = Annotated[str | None, typer.Option("--batch", metavar="ID", help="Only jobs of this batch.")]
Search = Annotated[
    str | None, typer.Option("--search", metavar="TEXT", help="The beginning of an id, or a part of a plugin's name.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def query_from(
    status: JobStatus | None,
    plugin: str | None,
    error_code: str | None,
    since: str | None,
    until: str | None,
    batch: str | None,
    search: str | None,
) -> JobQuery:
    """Return what the filters mean."""
    return JobQuery(status.value if status is not None else None, plugin, error_code, since, until, batch, search)
