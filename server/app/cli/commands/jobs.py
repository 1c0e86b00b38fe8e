"""``sightgate jobs …``: what has run, runs and waits."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated

import typer

from app.cli import output, render
from app.cli.backend import Backend, JsonObject, Need, ask
from app.cli.commands import job_submission
from app.cli.each import confirm, failure, for_each, id_and, tell
from app.cli.failures import FAILED, CliError
from app.cli.job_options import BatchId, ErrorCode, Plugin, Search, Since, Status, Until, Yes, query_from
from app.cli.options import AsJson, DataDir, settings_from
from app.governance.job_lifecycle import TERMINAL, JobStatus
from app.services.job_filters import JobQuery
from sightgate.errors import counted

# The key under which filters repeat a job: the same for all, since the server keeps keys apart by the job repeated.
KEY_OF_REPEATS = "sightgate-jobs-requeue"
PAGE = 500

app = typer.Typer(help="What has run, runs and waits.")

JobId = Annotated[str | None, typer.Argument(metavar="[ID]", help="The job's id.", show_default=False)]
JobIds = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of jobs.", show_default=False)]
WholeBatch = Annotated[str | None, typer.Option("--batch", metavar="ID", help="A whole batch, in the place of a job.")]


@app.command("list")
def list_jobs(
    status: Status = None,
    plugin: Plugin = None,
    error_code: ErrorCode = None,
    since: Since = None,
    until: Until = None,
    batch: BatchId = None,
    search: Search = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=PAGE, help="Jobs to list.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="`next_cursor` of the page before.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    query = query_from(status, plugin, error_code, since, until, batch, search)
    settings = settings_from(data_dir=data_dir)
    page = ask(settings, Need.JOBS, lambda backend: backend.jobs.list(query, cursor, limit))
    if as_json:
        output.write_json({"jobs": page.rows, "next_cursor": page.next_cursor})
    else:
        output.show(render.job_table(page), render.LEAST_WIDTH_OF_JOBS)


@app.command("show")
def show_job(job_id: JobId = None, batch: WholeBatch = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show one job with its result and its attempts, or how far a batch has come."""
    _check_one(job_id, batch)

    async def show(backend: Backend) -> JsonObject:
        return await (backend.jobs.batch(batch) if batch is not None else backend.jobs.show(job_id or ""))

    shown = ask(settings_from(data_dir=data_dir), Need.JOBS, show)
    if as_json:
        output.write_json(shown)
    else:
        output.show(render.batch_page(shown) if batch is not None else render.job_page(shown))


app.command("submit")(job_submission.submit_jobs)


@app.command("cancel")
def cancel_jobs(
    job_ids: JobIds = None, batch: WholeBatch = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Cancel jobs, or what is left of a batch: those that wait end at once, of those that run the worker is ended."""
    _check_one(job_ids, batch)

    async def cancel(backend: Backend) -> None:
        if batch is not None:
            left = await backend.jobs.cancel_batch(batch)
            tell(left, _id_and_progress, as_json=as_json)
        else:
            await for_each(job_ids or [], backend.jobs.cancel, _id_and_status, as_json=as_json)

    ask(settings_from(data_dir=data_dir), Need.JOBS, cancel)


@app.command("requeue")
def requeue_jobs(
    job_ids: JobIds = None,
    status: Status = None,
    plugin: Plugin = None,
    error_code: ErrorCode = None,
    since: Since = None,
    until: Until = None,
    batch: BatchId = None,
    search: Search = None,
    yes: Yes = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Accept for each job a new one with the same image and options, and print their ids, on a terminal both.

    With filters in the place of ids: for each accepted job that matches and has ended, oldest first, and once only,
    however often this is run.
    """
    query = query_from(status, plugin, error_code, since, until, batch, search)
    filtered = query != JobQuery()
    if filtered == bool(job_ids):
        raise CliError("name the jobs to repeat, either by their ids or by filters")
    if status is not None and status not in TERMINAL:
        raise CliError(f"only jobs that have ended are repeated, none that is {status}")
    settings = settings_from(data_dir=data_dir)
    repeated, key = job_ids or [], None
    if filtered:
        repeated, key = ask(settings, Need.JOBS, lambda backend: _ended(backend, query)), KEY_OF_REPEATS
        if not repeated:
            typer.echo("no accepted job that has ended matches", err=True)
        elif not yes:
            confirm(f"Repeat {counted(len(repeated), 'ended job')}, each once?", "nothing repeated")

    async def requeue(backend: Backend) -> None:
        await for_each(repeated, lambda job_id: backend.jobs.requeue(job_id, key), id_and(_repeats), as_json=as_json)

    ask(settings, Need.JOBS, requeue)


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
    query = query_from(status, plugin, error_code, since, until, batch, search)

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
    every: Annotated[bool, typer.Option("--all", help="Every job that has ended, in the place of filters.")] = False,
    yes: Yes = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Remove jobs that have ended, with their results, for good."""
    query = query_from(status, plugin, error_code, since, until, batch, search)
    if every == (query != JobQuery()):
        raise CliError("name what is removed, either by filters or, every job that has ended, by --all")
    settings = settings_from(data_dir=data_dir)
    if not yes:
        counts = ask(settings, Need.JOBS, lambda backend: backend.jobs.counts(query))
        ended = sum(counts[status] for status in TERMINAL)
        confirm(f"Remove {counted(ended, 'ended job')}?", "nothing removed")
    removed = ask(settings, Need.JOBS, lambda backend: backend.jobs.purge(query))
    if as_json:
        output.write_json({"removed": removed})
    else:
        output.write_line(f"removed {counted(removed, 'job')}")


@app.command("events")
def follow_jobs(
    job_id: JobId = None, batch: WholeBatch = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Follow a job, or a batch, until it has ended: its statuses and its progress. Exits 1 if a job did not succeed."""
    _check_one(job_id, batch)
    told = render.batch_event if batch is not None else render.job_event

    def events(backend: Backend) -> AsyncIterator[JsonObject]:
        return backend.jobs.batch_events(batch) if batch is not None else backend.jobs.events(job_id or "")

    async def follow(backend: Backend) -> JsonObject:
        last: JsonObject = {"event": "", "data": {}}
        async for event in events(backend):
            last = event
            if as_json:
                output.write_json(event)
            else:
                output.show(told(event))
        return last

    last = ask(settings_from(data_dir=data_dir), Need.JOBS, follow)
    if last["event"] != "end":
        what, goes = ("the job", "the job goes") if batch is None else ("all jobs", "those that are left go")
        raise failure(f"the server stopped before {what} had ended; {goes} on with the next one")
    if not _succeeded(last["data"]):
        raise typer.Exit(FAILED)


def _check_one(ids: object, batch: str | None) -> None:
    """Raise CliError unless either jobs or a batch are named."""
    if bool(ids) == (batch is not None) or batch == "":
        raise CliError("name either a job, by its id, or a batch, with --batch")


async def _ended(backend: Backend, query: JobQuery) -> list[str]:
    """Return the ids of the accepted jobs that match and have ended, oldest first.

    All are looked up before the first is repeated, whose copy might match too. Who waited for a call has had its
    answer: such a call is not repeated.
    """
    accepted, cursor = replace(query, durable=True), None
    ended: list[str] = []
    while True:
        page = await backend.jobs.list(accepted, cursor, PAGE)
        ended += [job["id"] for job in page.rows if job["ended_at"] is not None]
        if (cursor := page.next_cursor) is None:
            return ended[::-1]


def _id_and_status(job: JsonObject) -> str:
    return f"{job['id']} {job['status']}"


def _id_and_progress(batch: JsonObject) -> str:
    return f"{batch['id']} {render.batch_progress(batch)}"


def _repeats(job: JsonObject) -> str:
    return f"repeats {job['copy_of']}" + (", since an earlier run" if job["replayed"] else "")


def _succeeded(ended: JsonObject) -> bool:
    """Tell whether a job did, or all of a batch's jobs that are still kept."""
    if "counts" in ended:
        return not any(ended["counts"][status] for status in TERMINAL - {JobStatus.SUCCESS})
    return bool(ended["status"] == JobStatus.SUCCESS)
