"""What is stored, as frozen records, and the one conversion of each to and from its row."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

import msgspec

from app.governance.job_lifecycle import JobStatus
from app.governance.retry import RetryPolicy
from app.storage.errors import NotStorable

JsonObject = dict[str, Any]
Row = tuple[Any, ...]
AfterRule = Literal["success", "end"]
ChangeKind = Literal["waiting", "status", "cancel", "progress", "plugin", "many"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class JobInput:
    """One input to a job. ``blob`` is its SHA-256 in the blob store (hexadecimal), ``size`` its length in bytes."""

    role: str
    media_type: str
    blob: str
    size: int


@dataclass(frozen=True, slots=True)
class Job:
    """One execution. Times are aware datetimes in UTC; ``waiting_ms`` and ``running_ms`` are milliseconds.

    ``durable``: accepted by ``POST /v1/jobs``, so that it runs again after a crash. ``error`` is the envelope's error
    part, ``error_code`` its code. ``attempt`` counts how often it was started. Jobs of higher ``priority`` start first.

    It waits until ``not_before``, and while ``blocked`` of the jobs it needs have not ended; by ``after_rule`` they
    must end as SUCCESS, or just end. ``parent_id`` is its batch, ``copy_of`` the job it repeats. While it runs,
    ``lease_owner`` is the server that runs it, and nobody else may before ``lease_until``. ``result_blob`` names the
    blob of a result that is too large for a row.
    """

    id: str
    plugin: str
    status: JobStatus
    created_at: datetime
    durable: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    result: JsonObject | None = None
    error: JsonObject | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    waiting_ms: float | None = None
    running_ms: float | None = None
    owner: str | None = None
    parent_id: str | None = None
    priority: int = 0
    attempt: int = 0
    deadline: datetime | None = None
    not_before: datetime | None = None
    blocked: int = 0
    after_rule: AfterRule = "success"
    retry: RetryPolicy | None = None
    webhook: str | None = None
    copy_of: str | None = None
    lease_owner: str | None = None
    lease_until: datetime | None = None
    cancel_requested: bool = False
    error_code: str | None = None
    result_blob: str | None = None


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to add, with its inputs, and the ids of the jobs that it needs to have ended first."""

    job: Job
    inputs: Sequence[JobInput] = ()
    after: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended. ``started_at`` is kept as it was when None.

    ``attempt``: the attempt that ended; a durable job that runs is ended only by the server that holds its lease, and
    only with the attempt that it claimed. None for calls that somebody waits for.
    """

    job_id: str
    status: JobStatus
    result: JsonObject | None
    error: JsonObject | None
    ended_at: datetime
    waiting_ms: float | None
    running_ms: float | None
    started_at: datetime | None = None
    attempt: int | None = None
    worker_pid: int | None = None
    result_blob: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that a durable job ran. ``server`` is the `JobStore.server_id` of who ran it.

    ``outcome`` is None while it runs; then SUCCESS, FAILED or CANCELLED, when the job ended with it; "retried" when it
    failed and the job waits again; "interrupted" when its server died or could not read its input; "handed_back" when
    its server stopped, its plugin rested, or its server could not run the plugin and left the job to others, which its
    error code tells then.
    """

    job_id: str
    number: int
    server: str
    worker_pid: int | None
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    error_code: str | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs that were accepted together: those whose ``parent_id`` is ``id``. ``total`` is how many they are."""

    id: str
    owner: str | None
    created_at: datetime
    total: int


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch has come. Jobs that retention removed are in ``total`` only."""

    id: str
    owner: str | None
    created_at: datetime
    total: int
    by_status: Mapping[JobStatus, int]


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's key for one request. ``scope`` is the route and the caller; ``fingerprint`` says what was asked."""

    scope: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs a listing shows; None means any.

    ``since`` is the earliest creation, ``until`` the moment before which it was. ``text`` is the beginning of an id or
    a part of a plugin's name.
    """

    status: JobStatus | None = None
    plugin: str | None = None
    owner: str | None = None
    parent_id: str | None = None
    error_code: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    durable: bool | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """One page of a listing, newest first. The jobs come without their results. ``next_cursor`` is None at the end."""

    jobs: Sequence[Job]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was found running after a crash: ids to run again, and ids that ended as interrupted.

    ``ended``: durable jobs that somebody had asked to cancel, now CANCELLED, and those that failed for them.
    ``broken_off``: for each attempt at a durable job that ended so, the job's plugin.
    """

    requeued: Sequence[str]
    interrupted: Sequence[str]
    ended: Sequence[Job] = ()
    broken_off: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What a request to cancel did. ``status`` is the job's now: CANCELLED, or RUNNING when its server is to end it.

    ``lease_owner`` is that server.
    """

    status: JobStatus
    lease_owner: str | None


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a renewal of leases found: jobs that are this server's no longer, and jobs that somebody asked to cancel."""

    lost: frozenset[str]
    cancel_requested: frozenset[str]


@dataclass(frozen=True, slots=True)
class Released:
    """What the end of a job did to those that needed it: ids that may run now, and jobs that failed for it."""

    runnable: Sequence[str] = ()
    failed: Sequence[Job] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook that is due. ``attempt`` is 1 at the first try."""

    job_id: str
    url: str
    attempt: int


@dataclass(frozen=True, slots=True)
class DeliveryFate:
    """How far a webhook is after ``calls`` calls. ``reason``: why the last one failed, if it did."""

    state: Literal["waiting", "delivered", "given_up"]
    calls: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many durable jobs wait for a plugin, and when the oldest of them was created."""

    plugin: str
    count: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """The plugins that claimable jobs wait for; the earliest moment at which another may run or one that waits is late.

    It lies in the past if one is late already.
    """

    plugins: Sequence[str]
    next_due: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to a job, or to what the operator says of a plugin, told to other servers.

    "waiting": there is something to claim for ``plugin``; "status": the job is ``status`` now; "cancel": its server is
    to end it; "progress": ``data`` is how far it has come; "plugin": ``plugin`` (or any, if
    none is named) was enabled or disabled; "many": jobs were removed, or changed without being told one by one.
    """

    job_id: str
    kind: ChangeKind
    plugin: str
    status: JobStatus | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PluginOverride:
    """What the operator said about a plugin over the API or the CLI. It wins over ``plugins.toml``."""

    enabled: bool
    reason: str
    changed_at: datetime


def to_micros(moment: datetime) -> int:
    """Return microseconds since 1970 UTC. Raises `NotStorable` for a datetime without offset."""
    if moment.tzinfo is None:
        raise NotStorable("a time without UTC offset cannot be stored")
    return round(moment.timestamp() * 1_000_000)


def from_micros(micros: int) -> datetime:
    """Return the aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def encode_json(value: Mapping[str, Any]) -> str:
    """Return JSON text. Raises `NotStorable` for what is no JSON.

    Lone surrogates, which a caller's options may hold before the gate has refused them, are kept as escapes.
    """
    try:
        return _encode(value).decode()
    except (TypeError, ValueError, RecursionError, OverflowError):
        pass
    try:
        return json.dumps(value)
    except (TypeError, ValueError, RecursionError, OverflowError) as failure:
        raise NotStorable(f"the value is no JSON: {type(failure).__name__}") from failure


def decode_json(text: str) -> JsonObject:
    """Return what `encode_json` was given."""
    try:
        value: JsonObject = _decode(text)
    except msgspec.DecodeError:
        value = json.loads(text)
    return value


def error_code_of(error: Mapping[str, Any] | None) -> str | None:
    """Return the code in an envelope's error part, or None."""
    details = error.get("details") if error else None
    code = details.get("code") if isinstance(details, dict) else None
    return code if isinstance(code, str) else None


@lru_cache(256)
def _encode_policy(policy: RetryPolicy) -> str:
    return encode_json(policy.to_json())


@lru_cache(256)
def _decode_policy(text: str) -> RetryPolicy:
    return RetryPolicy.from_stored(decode_json(text))


def job_to_row(job: Job, end: JobEnd | None = None, *, server: str | None = None, held: bool = False) -> Row:
    """Return the row of ``job`` in the order of the table's columns, as it is after ``end`` if given.

    ``server`` is who answers for it while it has not ended; ``held``: it may not be claimed yet.
    """
    last: Job | JobEnd = end or job
    started = last.started_at or job.started_at
    return (
        job.id,
        job.plugin,
        last.status.value,
        job.durable,
        to_micros(job.created_at),
        None if started is None else to_micros(started),
        None if last.ended_at is None else to_micros(last.ended_at),
        last.waiting_ms,
        last.running_ms,
        job.owner,
        job.parent_id,
        job.priority,
        job.attempt,
        None if job.deadline is None else to_micros(job.deadline),
        None if job.not_before is None else to_micros(job.not_before),
        held,
        job.blocked,
        job.after_rule,
        job.copy_of,
        server if end is None else None,
        None,
        False,
        error_code_of(last.error),
        last.result_blob,
        job.webhook,
        None if job.retry is None else _encode_policy(job.retry),
        encode_json(job.options) if job.options else "{}",
        None if last.error is None else encode_json(last.error),
        None if last.result is None else encode_json(last.result),
    )


def job_from_row(row: Sequence[Any]) -> Job:
    """Return the job that `job_to_row` wrote."""
    durable = bool(row[3])
    return Job(
        id=row[0],
        plugin=row[1],
        status=JobStatus(row[2]),
        durable=durable,
        created_at=from_micros(row[4]),
        started_at=_moment(row[5]),
        ended_at=_moment(row[6]),
        waiting_ms=row[7],
        running_ms=row[8],
        owner=row[9],
        parent_id=row[10],
        priority=row[11],
        attempt=row[12],
        deadline=_moment(row[13]),
        not_before=_moment(row[14]),
        blocked=row[16],
        after_rule=row[17],
        copy_of=row[18],
        # Of a call that somebody waits for it says whose it is, which is no lease.
        lease_owner=row[19] if durable else None,
        lease_until=_moment(row[20]),
        cancel_requested=bool(row[21]),
        error_code=row[22],
        result_blob=row[23],
        webhook=row[24],
        retry=None if row[25] is None else _decode_policy(row[25]),
        options=decode_json(row[26]),
        error=None if row[27] is None else decode_json(row[27]),
        result=None if row[28] is None else decode_json(row[28]),
    )


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
