"""``sightgate jobs list | show``."""

from typing import Annotated

import typer

from app.cli import output, render
from app.cli.backend import JobQuery, Need, ask
from app.cli.options import AsJson, DataDir, settings_from
from app.governance.job_lifecycle import JobStatus

app = typer.Typer(help="What has run, runs and waits.")


@app.command("list")
def list_jobs(
    status: Annotated[
        JobStatus | None, typer.Option("--status", case_sensitive=False, help="Only jobs of this status.")
    ] = None,
    plugin: Annotated[str | None, typer.Option("--plugin", metavar="NAME", help="Only jobs of this plugin.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="Jobs to list.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="`next_cursor` of the page before.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    query = JobQuery(status.value if status is not None else None, plugin, cursor, limit)
    page = ask(settings_from(data_dir=data_dir), Need.JOBS, lambda backend: backend.list_jobs(query))
    if as_json:
        output.write_json({"jobs": page.rows, "next_cursor": page.next_cursor})
    else:
        output.console().print(render.job_table(page))


@app.command("show")
def show_job(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="The job's id.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show one job with its result."""
    job = ask(settings_from(data_dir=data_dir), Need.JOBS, lambda backend: backend.show_job(job_id))
    if as_json:
        output.write_json(job)
    else:
        output.console().print(render.job_page(job))
