"""What the routes take and give, for the OpenAPI document and for the clients made from it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Milliseconds = Annotated[float, Field(description="Milliseconds.")]
JobStatusName = Literal["PENDING", "RUNNING", "SUCCESS", "FAILED", "CANCELLED"]
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
StateName = Literal["IDLE", "RUNNING", "SUCCESS", "ERROR", "FAILED", "UNAVAILABLE"]


class AnalyzeBody(BaseModel):
    """An image as base64 or by URL, and the plugin that is to analyze it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "plugin": "image-info",
                "image": _PIXEL,
                "mime_type": "image/png",
                "options": {},
            }
        },
    )

    plugin: str = Field(description="The plugin's name.")
    image: str | None = Field(None, description="The image file's bytes as base64; this or `image_url`.")
    image_url: str | None = Field(
        None, description="An http or https URL to fetch the image from, if the operator has turned that on."
    )
    mime_type: str | None = Field(
        None,
        description="image/jpeg, image/png, image/webp, image/bmp, image/gif or image/tiff. Needed with `image`; with "
        "`image_url` the type is otherwise the one that comes with the image.",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="The plugin's options, as its schema says.")
    timeout_s: float | None = Field(
        None, gt=0, le=86_400, description="Seconds the call may wait and run in all, within the plugin's own limit."
    )


class UploadBody(BaseModel):
    """An image as a file upload."""

    plugin: str
    image: bytes | None = Field(None, json_schema_extra={"format": "binary"}, description="This or `image_url`.")
    image_url: str | None = Field(None, description="As for JSON.")
    mime_type: str | None = Field(None, description="The image's type, if the part's own is not right.")
    options: str = Field("", description="The plugin's options as JSON text.")
    timeout_s: float | None = Field(None, description="As for JSON.")


class AnalyzeAnswer(BaseModel):
    """A result, who made it, and the time it took."""

    result: dict[str, Any] = Field(description="What the plugin returned, as its result schema says.")
    plugin: str
    job_id: str
    waiting_ms: Milliseconds
    running_ms: Milliseconds


class ErrorDetails(BaseModel):
    model_config = ConfigDict(extra="allow")

    code: str = Field(description="A stable code; docs/reference/error-codes.md lists them all.")
    retryable: bool = Field(description="Whether the same call may succeed later.")
    job_id: str | None = None


class Error(BaseModel):
    type: Literal["ValidationError", "PluginError", "ExecutionError", "InternalError"]
    message: str
    details: ErrorDetails
    plugin: str | None
    timestamp: str = Field(description="ISO 8601, UTC.")


class ErrorAnswer(BaseModel):
    """Every 4xx and 5xx answer of every route."""

    detail: Error


class RetryTerms(BaseModel):
    """How a job that fails is tried again; what is left out is as the plugin's operator says."""

    model_config = ConfigDict(extra="forbid")

    max_attempts: int = Field(1, ge=1, le=100, description="How often it is tried in all.")
    codes: list[str] = Field(
        default_factory=list, description="Error codes after which it is; else the retryable ones."
    )
    backoff_s: float = Field(1.0, ge=0, description="Rest before the second try, seconds.")
    factor: float = Field(2.0, ge=1, description="How many times as long each further rest is.")
    max_backoff_s: float = Field(300.0, ge=0, description="Longest rest, seconds.")
    jitter: float = Field(0.5, ge=0, le=1, description="The part of a rest that is left to chance.")


class JobTermsBody(BaseModel):
    """On what terms a job is accepted."""

    priority: int = Field(0, ge=-100, le=100, description="Jobs of higher priority start first.")
    delay_s: float | None = Field(None, ge=0, description="Seconds before which it does not start.")
    deadline_s: float | None = Field(None, gt=0, description="Seconds within which it must have started and ended.")
    retry: RetryTerms | None = Field(None, description="How it is tried again if it fails.")
    after: list[str] = Field(default_factory=list, description="Ids of jobs that must end before it starts.")
    after_rule: Literal["success", "end"] = Field(
        "success", description="`success`: those jobs must succeed, else this one fails; `end`: they must have ended."
    )
    webhook: str | None = Field(None, description="Address that is called when the job has ended, if webhooks are on.")


class JobBody(AnalyzeBody, JobTermsBody):
    """An image as base64, the plugin that is to analyze it, and the terms of the job."""


class JobUploadBody(UploadBody):
    """An image as a file upload, and the terms of the job."""

    priority: int = Field(0, ge=-100, le=100)
    delay_s: float | None = None
    deadline_s: float | None = None
    retry: str = Field("", description="As for JSON, as JSON text.")
    after: list[str] = Field(default_factory=list, description="Repeated, or separated by commas.")
    after_rule: Literal["success", "end"] = "success"
    webhook: str | None = None


class BatchImage(BaseModel):
    """One image of a batch, as base64 or by URL. ``name`` is for the sender's own use."""

    model_config = ConfigDict(extra="forbid")

    image: str | None = Field(None, description="The image file's bytes as base64; this or `image_url`.")
    image_url: str | None = Field(None, description="As for a single analysis; at most 100 in a batch.")
    mime_type: str | None = Field(None, description="As for a single image.")
    name: str | None = Field(None, description="For your own use; it is not kept.")


class BatchBody(JobTermsBody):
    """Many images for one or several plugins: images times plugins jobs, 1 to 1,000."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "plugins": ["image-info", "quality"],
                "images": [
                    {
                        "image": _PIXEL,
                        "mime_type": "image/png",
                    }
                ],
                "options": {"quality": {}},
            }
        },
    )

    plugins: list[str] = Field(min_length=1, description="Names of plugins; each gets every image.")
    images: list[BatchImage] = Field(min_length=1)
    options: dict[str, dict[str, Any]] = Field(default_factory=dict, description="The plugins' options, by plugin.")
    timeout_s: float | None = Field(None, gt=0, le=86_400, description="As for a single analysis.")


class BatchUploadBody(BaseModel):
    """Many images as file uploads: the parts ``plugin`` and ``image`` are repeated."""

    plugin: list[str]
    image: list[bytes] = Field(json_schema_extra={"items": {"type": "string", "format": "binary"}})
    options: str = Field("", description="The plugins' options by plugin, as JSON text.")
    timeout_s: float | None = None
    priority: int = Field(0, ge=-100, le=100)
    delay_s: float | None = None
    deadline_s: float | None = None
    retry: str = Field("", description="As for JSON, as JSON text.")
    after: list[str] = Field(default_factory=list)
    after_rule: Literal["success", "end"] = "success"
    webhook: str | None = None


class Accepted(BaseModel):
    """A job that is on disk and will run. FAILED if it needs a job that has failed already."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"id": "019a1f0e5d3c7b1e8f2a6c4d9e0b1a2c", "status": "PENDING"}}
    )

    id: str
    status: JobStatusName


class Requeued(Accepted):
    """A new job with the input and options of another."""

    copy_of: str


class AcceptedBatch(BaseModel):
    """The jobs of a batch: for each image in the order sent, one a plugin in the order named."""

    id: str
    total: int
    jobs: list[str] = Field(description="Ids of the jobs.")


class JobProgress(BaseModel):
    """How far a running job says it is."""

    done: float
    total: float
    message: str


class CallEnd(BaseModel):
    """How a call that was followed has ended: what it would have been answered without."""

    status: int = Field(description="The HTTP status.")
    body: dict[str, Any] = Field(description="As `application/json` at 200, else as any refusal.")


class JobAttempt(BaseModel):
    """One time that a job ran."""

    number: int
    server: str = Field(description="The server process that ran it.")
    worker_pid: int | None
    started_at: str
    ended_at: str | None
    outcome: Literal["SUCCESS", "FAILED", "CANCELLED", "interrupted", "retried", "handed_back"] | None = Field(
        description="null while it runs. interrupted: its server died or could not read its input; handed_back: its "
        "server stopped, its plugin rested, or, if there is an error_code, its server could not run the plugin and "
        "left the job to others."
    )
    error_code: str | None


class JobInputFacts(BaseModel):
    """What a job was given; `GET /v1/jobs/{job_id}/input` returns the bytes."""

    role: str
    media_type: str
    size: int = Field(description="Bytes.")
    sha256: str


class JobSummary(BaseModel):
    """A job as a listing shows it."""

    id: str
    plugin: str
    status: JobStatusName
    durable: bool = Field(description="Accepted by `POST /v1/jobs`; else a call that somebody waited for.")
    options: dict[str, Any]
    error: Error | None
    error_code: str | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    not_before: str | None = Field(description="It does not start before: a delay, or the rest before another try.")
    deadline: str | None
    waiting_ms: float | None
    running_ms: float | None
    attempt: int = Field(description="How often it was started.")
    priority: int
    batch: str | None = Field(description="Id of its batch.")
    copy_of: str | None = Field(description="Id of the job that it repeats.")
    blocked: int = Field(description="How many jobs must end before it starts.")
    cancel_requested: bool
    progress: JobProgress | None


class WebhookDelivery(BaseModel):
    """How far a job's webhook is."""

    state: Literal["waiting", "delivered", "given_up"]
    calls: int = Field(description="How often it was called.")
    reason: str | None = Field(description="Why the last call failed, if it did.")


class JobAnswer(JobSummary):
    """A job with all that belongs to it."""

    result: dict[str, Any] | None
    result_lost: bool = Field(description="It had a result, which is missing or damaged where large ones are kept.")
    attempts: list[JobAttempt]
    inputs: list[JobInputFacts]
    needs: list[str] = Field(description="Ids of the jobs that it is to run after.")
    waits_because: str | None = Field(
        description="Why the server that was asked does not start it, if neither its time, its needs nor its turn tell."
    )
    after_rule: Literal["success", "end"]
    retry: RetryTerms | None
    webhook: str | None
    webhook_delivery: WebhookDelivery | None = Field(
        description="null if it has no webhook, or has not ended, so that nobody is to be called yet."
    )


class JobList(BaseModel):
    jobs: list[JobSummary]
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; null at the end.")


class JobCounts(BaseModel):
    """How many jobs there are, by status; every status is there."""

    counts: dict[JobStatusName, int]
    total: int


class Purged(BaseModel):
    removed: int


class BatchAnswer(BaseModel):
    """How far a batch has come. Jobs that retention has removed count as done."""

    id: str
    total: int
    done: int
    counts: dict[JobStatusName, int]
    created_at: str


class JobStatusEvent(BaseModel):
    """Data of an event `status`."""

    status: JobStatusName
    attempt: int
    at: str | None
    outcome: str | None = Field(description="Why it waits again: retried, interrupted or handed_back.")
    error_code: str | None


class Failure(BaseModel):
    """The end of a worker during a call: what is known of it."""

    code: str
    details: dict[str, Any]
    output: str = Field(description="The end of what the worker printed.")
    image_sha256: str
    versions: dict[str, str] = Field(description="Of the plugin, sightgate, python and the system.")
    at: str


class WorkerHealth(BaseModel):
    """The worker processes of a plugin since it was loaded."""

    running: int
    started: int
    ended_in_call: int
    ended_idle: int = Field(description="Those that ended by themselves between calls.")
    kept_ready: bool = Field(description="Whether one is started again before it is needed (`warm` in plugins.toml).")
    restarts: int = Field(description="Restarts in a row, of a plugin that is kept ready.")
    restart_in_s: float | None = Field(description="Seconds until the next restart; null if none is due.")
    given_up: bool = Field(description="Whether there were too many restarts: a call or a reload starts the next one.")


class Health(BaseModel):
    """What admission holds against a plugin, and how its workers are."""

    breaker: Literal["closed", "open", "half-open"]
    reason: str
    retry_after_s: float
    rests: int = Field(description="Rests of the breaker that followed on each other; each is twice as long.")
    workers: WorkerHealth | None = Field(description="Null for a plugin without processes of its own.")
    quarantined_inputs: list[str] = Field(description="SHA-256 of the images that are refused for this plugin.")


class PluginAnswer(BaseModel):
    """One plugin: what it is, whether it can run, and its figures since the server's start."""

    name: str
    state: StateName
    reason: str | None
    enabled: bool = Field(description="Whether the operator lets it run; one that is enabled may still be unable to.")
    version: str
    description: str
    limits: dict[str, float]
    permissions: dict[str, Any]
    options_schema: dict[str, Any] | None
    result_schema: dict[str, Any] | None
    origin: str
    place: str
    declared: dict[str, Any] = Field(description="What the plugin declared where the operator's limits are lower.")
    granted: dict[str, Any] = Field(description="What the operator has granted of the permissions.")
    isolation_level: Literal["none", "process", "sandbox"]
    isolation: dict[str, Any] = Field(description="What the worker tried and was denied, and what is missing.")
    failures: list[Failure] = Field(description="The last ends of a worker during a call, newest first.")
    success_count: int
    error_count: int
    cancelled_count: int
    in_flight: int
    last_execution_time_ms: float | None
    avg_execution_time_ms: float | None
    p50_execution_time_ms: float | None
    p95_execution_time_ms: float | None
    p99_execution_time_ms: float | None
    last_used: str | None
    instance: str
    since: str
    health: Health


class PluginList(BaseModel):
    plugins: list[PluginAnswer]


class Live(BaseModel):
    status: Literal["live"] = "live"


class Ready(BaseModel):
    ready: bool
    reasons: list[str] = Field(description="Why the server is not ready; empty if it is.")
    plugins: dict[str, bool] = Field(
        description="Whether each plugin can be called; a broken one makes nothing unready."
    )


class ServerAnswer(BaseModel):
    """The server's version, and the limits of what it takes."""

    version: str
    max_body_bytes: int = Field(description="Largest request body, bytes.")
    max_pixels: int = Field(description="Most pixels (width x height) of an image.")
    media_types: list[str] = Field(description="The images that are taken.")
