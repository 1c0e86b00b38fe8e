"""``sightgate jobs …``: what has run, runs and waits."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import output, render
from app.cli.backend import Backend, JsonObject, Need, ask, open_backend
from app.cli.commands.analyze import parse_options
from app.cli.failures import FAILED, CliError, Refused
from app.cli.options import AsJson, DataDir, PluginsDir, settings_from
from app.governance.job_lifecycle import TERMINAL, JobStatus
from app.services.job_filters import JobQuery
from app.settings import Settings
from sightgate.errors import counted

app = typer.Typer(help="What has run, runs and waits.")

Status = Annotated[JobStatus | None, typer.Option("--status", case_sensitive=False, help="Only jobs of this status.")]
Plugin = Annotated[str | None, typer.Option("--plugin", metavar="NAME", help="Only jobs of this plugin.")]
ErrorCode = Annotated[str | None, typer.Option("--error-code", metavar="CODE", help="Only jobs with this error.")]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="Only jobs created since (ISO 8601).")]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only jobs created before (ISO 8601).")]
BatchId = Annotated[str | None, typer.Option("--batch", metavar="ID", help="Only jobs of this batch.")]
Search = Annotated[
    str | None, typer.Option("--search", metavar="TEXT", help="The beginning of an id, or a part of a plugin's name.")
]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]
JobIds = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of jobs.")]


@app.command("list")
def list_jobs(
    status: Status = None,
    plugin: Plugin = None,
    error_code: ErrorCode = None,
    since: Since = None,
    until: Until = None,
    batch: BatchId = None,
    search: Search = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="Jobs to list.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="`next_cursor` of the page before.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    query = _query(status, plugin, error_code, since, until, batch, search)
    settings = settings_from(data_dir=data_dir)
    page = ask(settings, Need.JOBS, lambda backend: backend.jobs.list(query, cursor, limit))
    if as_json:
        output.write_json({"jobs": page.rows, "next_cursor": page.next_cursor})
    else:
        output.show(render.job_table(page), render.LEAST_WIDTH_OF_JOBS)


@app.command("show")
def show_job(job_id: JobId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show one job with its result and its attempts."""
    job = ask(settings_from(data_dir=data_dir), Need.JOBS, lambda backend: backend.jobs.show(job_id))
    if as_json:
        output.write_json(job)
    else:
        output.show(render.job_page(job))


@app.command("submit")
def submit_jobs(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", exists=True, dir_okay=False, readable=True, help="Image files.")
    ],
    plugin: Annotated[str, typer.Option("--plugin", "-p", metavar="NAME", help="The plugin that analyzes them.")],
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", metavar="KEY=VALUE", help="An option of the plugin; VALUE is JSON, else text."),
    ] = None,
    priority: Annotated[int, typer.Option("--priority", min=-100, max=100, help="Higher ones start first.")] = 0,
    delay: Annotated[float | None, typer.Option("--delay", help="Seconds before which they do not start.")] = None,
    deadline: Annotated[
        float | None, typer.Option("--deadline", help="Seconds within which they must have started and ended.")
    ] = None,
    attempts: Annotated[
        int | None, typer.Option("--attempts", min=1, max=100, help="How often one that fails is tried in all.")
    ] = None,
    after: Annotated[
        list[str] | None, typer.Option("--after", metavar="ID", help="A job that must succeed before they start.")
    ] = None,
    data_dir: DataDir = None,
    plugins_dir: PluginsDir = None,
    as_json: AsJson = False,
) -> None:
    """Accept a job for each image, and print their ids, on a terminal with the images.

    Without a running server, the next one runs them.
    """
    terms: dict[str, Any] = {"priority": priority, "delay_s": delay, "deadline_s": deadline, "after": after or None}
    terms["retry"] = {"max_attempts": attempts} if attempts is not None else None
    given = {name: value for name, value in terms.items() if value is not None}
    options = parse_options(option or [])
    settings = settings_from(data_dir=data_dir, plugins_dir=plugins_dir)

    async def submit(backend: Backend, path: str) -> JsonObject:
        image = await asyncio.to_thread(Path(path).read_bytes)
        accepted = await backend.jobs.submit(plugin, image, options, given)
        return {"image": path, **accepted}

    told = _for_each(settings, [str(path) for path in images], submit, Need.PLUGINS, [plugin])
    _print_ids(told, as_json, lambda job: job["image"])


@app.command("cancel")
def cancel_jobs(job_ids: JobIds, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Cancel jobs: those that wait end at once, of those that run the worker is ended."""
    settings = settings_from(data_dir=data_dir)
    told = _for_each(settings, job_ids, lambda backend, job_id: backend.jobs.cancel(job_id))
    _print_each(told, as_json, lambda job: f"{job['id']} {job['status']}")


@app.command("requeue")
def requeue_jobs(job_ids: JobIds, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Accept for each job a new one with the same image and options, and print their ids, on a terminal both."""
    settings = settings_from(data_dir=data_dir)
    told = _for_each(settings, job_ids, lambda backend, job_id: backend.jobs.requeue(job_id))
    _print_ids(told, as_json, lambda job: f"repeats {job['copy_of']}")


@app.command("export")
def export_jobs(
    status: Status = None,
    plugin: Plugin = None,
    error_code: ErrorCode = None,
    since: Since = None,
    until: Until = None,
    batch: BatchId = None,
    search: Search = None,
    data_dir: DataDir = None,
) -> None:
    """Print jobs with their results, oldest first, one JSON object a line."""
    query = _query(status, plugin, error_code, since, until, batch, search)

    async def export(backend: Backend) -> None:
        async for job in backend.jobs.export(query):
            output.write_json(job)

    ask(settings_from(data_dir=data_dir), Need.JOBS, export)


@app.command("purge")
def purge_jobs(
    status: Status = None,
    plugin: Plugin = None,
    error_code: ErrorCode = None,
    since: Since = None,
    until: Until = None,
    batch: BatchId = None,
    search: Search = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Remove jobs that have ended, with their results, for good."""
    query = _query(status, plugin, error_code, since, until, batch, search)

    async def purge(backend: Backend) -> int:
        if not yes:
            counts = await backend.jobs.counts(query)
            ended = sum(count for name, count in counts.items() if name not in ("PENDING", "RUNNING"))
            _confirm(f"Remove {counted(ended, 'ended job')}?")
        return await backend.jobs.purge(query)

    removed = ask(settings_from(data_dir=data_dir), Need.JOBS, purge)
    if as_json:
        output.write_json({"removed": removed})
    else:
        output.write_line(f"removed {counted(removed, 'job')}")


@app.command("events")
def follow_job(job_id: JobId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Follow a job until it has ended: its statuses and its progress. Exits 1 if it did not succeed."""

    async def follow(backend: Backend) -> JobStatus:
        last = JobStatus.PENDING
        async for event in backend.jobs.events(job_id):
            last = JobStatus(event["data"].get("status", last))
            if as_json:
                output.write_json(event)
            else:
                output.show(render.job_event(event))
        return last

    last = ask(settings_from(data_dir=data_dir), Need.JOBS, follow)
    if last not in TERMINAL:
        raise _failure("the server stopped before the job had ended; the job goes on with the next one")
    if last is not JobStatus.SUCCESS:
        raise typer.Exit(FAILED)


def _query(
    status: JobStatus | None,
    plugin: str | None,
    error_code: str | None,
    since: str | None,
    until: str | None,
    batch: str | None,
    search: str | None,
) -> JobQuery:
    return JobQuery(status.value if status is not None else None, plugin, error_code, since, until, batch, search)


def _confirm(question: str) -> None:
    """Raise CliError unless the answer is yes; no answer is none."""
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        typer.echo(err=True)  # ends the line of the question
        agreed = False
    if not agreed:
        raise _failure("nothing removed")


def _failure(said: str) -> CliError:
    failed = CliError(said)
    failed.exit_code = FAILED
    return failed


Done = list[JsonObject | CliError]


def _for_each(
    settings: Settings,
    what: Sequence[str],
    do: Callable[[Backend, str], Awaitable[JsonObject]],
    need: Need = Need.JOBS,
    only: Sequence[str] | None = None,
) -> Done:
    """Do something for each; what is refused for one does not keep the others from it."""

    async def done() -> Done:
        results: Done = []
        async with open_backend(settings, need, only) as backend:
            for each in what:
                try:
                    results.append(await do(backend, each))
                except Refused as refused:
                    results.append(CliError(f"{each}: {refused}"))
        return results

    return asyncio.run(done())


def _print_ids(told: Done, as_json: bool, about: Callable[[JsonObject], str]) -> None:
    """Print the id of each; for a reader, what it is about too. A program gets ids alone, to hand them on."""
    reader = sys.stdout.isatty()
    _print_each(told, as_json, lambda job: f"{job['id']} {about(job)}" if reader else job["id"])


def _print_each(told: Done, as_json: bool, line: Callable[[JsonObject], str]) -> None:
    """Print each result, then fail with the first failure if there was one."""
    for each in told:
        if isinstance(each, CliError):
            continue
        if as_json:
            output.write_json(each)
        else:
            output.write_line(line(each))
    failures = [each for each in told if isinstance(each, CliError)]
    if failures:
        raise _failure("\nsightgate: ".join(failure.format_message() for failure in failures))
