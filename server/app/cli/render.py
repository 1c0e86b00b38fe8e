"""What commands show to people, as Rich renderables. No text of a plugin is read as markup."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from app.cli.backend import Analysis, Jobs, JsonObject
from app.cli.text import clean, is_points, local_time, milliseconds, short
from app.governance.job_lifecycle import JobStatus
from sightgate.errors import counted

MOST_ROWS = 40
MOST_COLUMNS = 8
# A listing of jobs is no narrower than this: a terminal that is wraps its lines, and leaves the ids whole.
LEAST_WIDTH_OF_JOBS = 80
DEEPEST = 4
LONGEST_STATUS = max(map(len, JobStatus))

_STYLES = {
    "IDLE": "green",
    "SUCCESS": "green",
    "RUNNING": "cyan",
    "PENDING": "cyan",
    "ERROR": "yellow",
    "CANCELLED": "yellow",
    "UNAVAILABLE": "yellow",
    "FAILED": "red",
}


_ORIGINS = {"entry_point": "package", "path": "folder", "environment": "own environment"}


def analysis(image: str, plugin: str, ended: Analysis) -> RenderableType:
    """Return one image's result or error."""
    head = Text(clean(image), "bold")
    if ended.error:
        return Group(
            head.append(f"  {clean(plugin)} failed", "bold red"), Padding(error(ended.error), (0, 0, 0, 2)), ""
        )
    head.append(f"  {clean(plugin)}, {milliseconds(ended.running_ms)}", "not bold dim")
    return Group(head, Padding(tree(ended.result), (0, 0, 0, 2)), "")


def error(told: JsonObject) -> RenderableType:
    """Return an envelope's error: its code, its message, and the job it stands in."""
    details = told.get("details", {})
    said = Text.assemble((f"{details.get('code', told.get('type'))}: ", "red"), clean(told.get("message", "")))
    if details.get("job_id"):
        said.append(f"\njob {details['job_id']}", "dim")
    return said


def tree(value: JsonObject, depth: int = 0) -> RenderableType:
    """Return any JSON object: plain fields first come in two columns, lists of objects as tables."""
    parts: list[RenderableType] = []
    plain = {key: item for key, item in value.items() if not _is_nested(item, depth)}
    if plain:
        parts.append(_fields({key: short(item) for key, item in plain.items()}))
    for key, item in value.items():
        if key not in plain:
            inner = tree(item, depth + 1) if isinstance(item, Mapping) else _rows(item)
            parts += [Text(_title(key, item), "cyan"), Padding(inner, (0, 0, 0, 2))]
    return Group(*parts)


def plugin_table(rows: Sequence[JsonObject]) -> RenderableType:
    """Return all plugins, one a line."""
    if not rows:
        return Text("no plugins: install one, or name a folder of plugin files with --plugins-dir")
    about = "what it does, or why it cannot be called"
    table = _table("plugin", "version", "from", "state", "calls", "errors", about)
    for row in rows:
        calls = row["success_count"] + row["error_count"]
        known = clean(row["name"]), clean(row["version"]), _ORIGINS.get(row["origin"], clean(row["origin"]))
        figures = _state(row["state"]), str(calls), str(row["error_count"])
        table.add_row(*known, *figures, clean(row["reason"] or row["description"]))
    return table


def plugin_page(row: JsonObject) -> RenderableType:
    """Return one plugin with its limits, options and figures."""
    limits = ", ".join(f"{key} {short(value)}" for key, value in row["limits"].items())
    known = {
        "state": _state(row["state"]),
        "reason": row["reason"],
        "description": row["description"],
        "version": row["version"],
        "comes from": row["place"],
        "limits": limits,
        "permissions": short(row["permissions"]),
        "granted": short(row["granted"]),
        "rests": _resting(row.get("health") or {}),
        "workers": _workers((row.get("health") or {}).get("workers")),
        "isolation": _isolation(row),
        "calls": f"{row['success_count']} succeeded, {row['error_count']} failed, {row['cancelled_count']} cancelled",
        "mean / p95": f"{milliseconds(row['avg_execution_time_ms'])} / {milliseconds(row['p95_execution_time_ms'])}",
        "last used": local_time(row["last_used"]),
    }
    shown = {key: value for key, value in known.items() if value}
    parts = [_fields(shown), *_option_parts(row["options_schema"]), *_failure_parts(row["failures"])]
    return Group(Text(clean(row["name"]), "bold"), *parts)


def _resting(health: JsonObject) -> str:
    """Return what admission holds against a plugin; a server tells it, a command that runs without one has none."""
    held = []
    if health.get("breaker", "closed") != "closed":
        again = f", for the {health['rests']}. time" if health.get("rests", 1) > 1 else ""
        held.append(f"breaker {health['breaker']}{again}, because {clean(health['reason'])}")
    if quarantined := health.get("quarantined_inputs"):
        held.append(f"refuses {counted(len(quarantined), 'image')} that crashed it")
    return "; ".join(held)


def _workers(health: JsonObject | None) -> str:
    """Return how a plugin's processes are; a command that runs without a server does not know."""
    if health is None:
        return ""
    ended = health["ended_in_call"] + health["ended_idle"]
    parts = [f"{health['running']} running, {health['started']} started, {ended} ended during a call or by themselves"]
    if health["given_up"]:
        parts.append(
            f"not restarted any more after {counted(health['restarts'], 'time')}; a call or a reload starts one"
        )
    elif health["restart_in_s"] is not None:
        parts.append(f"restart {health['restarts']} in {health['restart_in_s']:.1f} s")
    return "; ".join(parts)


def _failure_parts(failures: Sequence[JsonObject]) -> list[RenderableType]:
    """Return the last ends of a worker during a call, with the last line that it printed."""
    if not failures:
        return []
    table = _table("ended", "code", "how", "image (SHA-256)", "last printed")
    for failure in failures:
        printed = failure["output"].strip().splitlines()
        last = clean(printed[-1]) if printed else ""
        how = short(failure["details"])
        table.add_row(local_time(failure["at"]), clean(failure["code"]), how, failure["image_sha256"][:12], last)
    return [Text("failures", "cyan"), Padding(table, (0, 0, 0, 2))]


def _isolation(row: JsonObject) -> str:
    facts = row["isolation"]
    opened = [name for name, how in facts.items() if how == "open"]
    limits = f"memory by {facts['memory']}", f"scratch by {facts['scratch']}"
    parts = [row["isolation_level"], *limits, *facts["missing"]]
    return ", ".join([*parts, f"open: {short(opened)}"] if opened else parts)


def job_table(page: Jobs) -> RenderableType:
    """Return a page of jobs, one a line."""
    if not page.rows:
        return Text("no jobs")
    table = _table("job", "plugin", "status", "created", "took", "error")
    job_id, _, status, created, took, _ = table.columns
    job_id.no_wrap = status.no_wrap = took.no_wrap = True  # an id is to be copied
    created.min_width = len("2026-01-31")
    for job in page.rows:
        code = job["error_code"] or ""
        cells = local_time(job["created_at"]), milliseconds(job["running_ms"]), clean(code)
        table.add_row(job["id"], clean(job["plugin"]), _state(job["status"]), *cells)
    more = [] if page.next_cursor is None else [Text(f"more: --cursor {page.next_cursor}", "dim")]
    return Group(table, *more)


def job_page(job: JsonObject) -> RenderableType:
    """Return one job with its result or error."""
    known = {
        "plugin": job["plugin"],
        "status": _state(job["status"]),
        "options": short(job["options"]),
        "created": local_time(job["created_at"]),
        "started": local_time(job["started_at"]),
        "ended": local_time(job["ended_at"]),
        "waited": milliseconds(_waited_ms(job)),
        "ran": milliseconds(job["running_ms"]),
        "attempt": str(job["attempt"]),
        **_terms(job),
    }
    parts: list[RenderableType] = [Text(job["id"], "bold"), _fields(known)]
    if len(job["attempts"]) > (job["started_at"] is not None):  # the only one of a job that has begun is told above
        parts += [Text("attempts", "cyan"), Padding(_attempts(job["attempts"]), (0, 0, 0, 2))]
    if job["error"]:
        parts.append(error(job["error"]))
    if job.get("result_lost"):
        parts.append(Text("the result is lost: it is missing or damaged where large results are kept", "red"))
    if job["result"]:
        parts += [Text("result", "cyan"), Padding(tree(job["result"]), (0, 0, 0, 2))]
    return Group(*parts)


def batch_page(batch: JsonObject) -> RenderableType:
    """Return how far a batch has come."""
    known = {"created": local_time(batch["created_at"]), "jobs": batch_progress(batch)}
    return Group(Text(batch["id"], "bold"), _fields(known))


def batch_event(event: JsonObject) -> RenderableType:
    """Return one event of a batch as a line."""
    return Text(batch_progress(event["data"]))


def batch_progress(batch: JsonObject) -> str:
    """Return how far a batch is, in a few words."""
    counts = ", ".join(f"{count} {status}" for status, count in batch["counts"].items() if count)
    return f"{batch['done']} of {batch['total']} ended: {counts or 'none is kept'}"


def _waited_ms(job: JsonObject) -> float | None:
    """Return how long a job waited before it ran: until it was claimed, and then for a worker.

    None if it has not begun, and after a second attempt, before which it ran and rested.
    """
    if job["started_at"] is None or job["attempt"] > 1:
        return None
    claimed_after = datetime.fromisoformat(job["started_at"]) - datetime.fromisoformat(job["created_at"])
    return max(0.0, claimed_after.total_seconds() * 1000) + (job["waiting_ms"] or 0.0)


def _terms(job: JsonObject) -> dict[str, str | Text]:
    """Return what is not so with most jobs."""
    shown: dict[str, str | Text] = {
        "priority": str(job["priority"] or ""),
        "not before": local_time(job["not_before"]) if job["not_before"] and job["ended_at"] is None else "",
        "deadline": local_time(job["deadline"]) if job["deadline"] else "",
        "waits for": ", ".join(job["needs"]) if job["blocked"] else "",
        "waits because": clean(job["waits_because"] or ""),
        "webhook": clean(_webhook(job)),
        "batch": job["batch"] or "",
        "repeats": job["copy_of"] or "",
        "cancel": "asked for" if job["cancel_requested"] and job["ended_at"] is None else "",
        "progress": progress(job["progress"]) if job["progress"] else "",
    }
    return {name: value for name, value in shown.items() if value}


def _webhook(job: JsonObject) -> str:
    """Return the address that is called at the end, and how far that is."""
    if job["webhook"] is None or job["webhook_delivery"] is None:
        return job["webhook"] or ""
    delivery = job["webhook_delivery"]
    state = {"waiting": "to be called", "given_up": "given up"}.get(delivery["state"], delivery["state"])
    reason = f": {delivery['reason']}" if delivery["reason"] else ""
    return f"{job['webhook']} ({state} after {counted(delivery['calls'], 'call')}{reason})"


def _attempts(attempts: Sequence[JsonObject]) -> RenderableType:
    table = _table("", "started", "ended", "outcome", "error")
    for attempt in attempts:
        times = local_time(attempt["started_at"]), local_time(attempt["ended_at"])
        table.add_row(str(attempt["number"]), *times, attempt["outcome"] or "", attempt["error_code"] or "")
    return table


def progress(told: JsonObject) -> str:
    """Return how far a job is, in a few words."""
    return f"{short(told['done'])} of {short(told['total'])} {clean(told['message'])}".rstrip()


def job_event(event: JsonObject) -> RenderableType:
    """Return one event of a job as a line."""
    data = event["data"]
    if event["event"] == "progress":
        return Text(f"{'':{LONGEST_STATUS}}  {progress(data)}", "dim")
    why = data["error_code"] or data.get("outcome") or ""
    status, at = _state(data["status"]), local_time(data.get("at") or data.get("ended_at"))
    status.pad_right(LONGEST_STATUS - len(status))
    return Text.assemble(status, f"  {at}  {clean(why)}")


def _option_parts(schema: Mapping[str, Any] | None) -> list[RenderableType]:
    properties = (schema or {}).get("properties", {})
    if not properties:
        return []
    table = _table("option", "type", "default", "what it is")
    for name, facts in properties.items():
        kind = facts.get("type") or ("one of" if "enum" in facts else "see --json")
        bounds = {key: value for key, value in facts.items() if key in _BOUNDS}
        allowed = ", ".join(f"{_BOUNDS[key]} {short(value)}" for key, value in bounds.items())
        about = "; ".join(part for part in (clean(facts.get("description", "")).rstrip("."), allowed) if part)
        table.add_row(clean(name), short(kind), short(facts.get("default")), about)
    return [Text("options", "cyan"), Padding(table, (0, 0, 0, 2))]


_BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
    "enum": "one of",
}


def _is_nested(item: Any, depth: int) -> bool:
    if depth >= DEEPEST or not item:
        return False
    return isinstance(item, Mapping) or _is_table(item)


def _is_table(item: Any) -> bool:
    is_list = isinstance(item, Sequence) and not isinstance(item, str)
    return is_list and all(isinstance(row, Mapping) for row in item) and not is_points(item)


def _title(key: str, item: Any) -> str:
    return clean(key) if isinstance(item, Mapping) else f"{clean(key)} ({len(item)})"


def _rows(rows: Sequence[JsonObject]) -> RenderableType:
    """Return a list of objects as a table, or one below the other where they have too many fields."""
    shown = rows[:MOST_ROWS]
    columns = [key for key in dict.fromkeys(key for row in shown for key in row) if not _is_constant_type(key, rows)]
    rest = len(rows) - len(shown)
    more = [Text(f"… and {rest} more; --json shows all", "dim")] if rest else []
    if not 1 <= len(columns) <= MOST_COLUMNS:
        return Group(*(Text(short(row)) for row in shown), *more)
    table = _table(*map(clean, columns))
    for row in shown:
        table.add_row(*(short(row[key]) if key in row else "" for key in columns))
    return Group(table, *more)


def _is_constant_type(key: str, rows: Sequence[JsonObject]) -> bool:
    return key == "type" and len({str(row.get("type")) for row in rows}) == 1 and len(rows[0]) > 1


def _fields(shown: Mapping[str, str | Text]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    for key, value in shown.items():
        grid.add_row(clean(key), value if isinstance(value, Text) else clean(value))
    return grid


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _state(state: str) -> Text:
    return Text(clean(state), _STYLES.get(state, ""))
