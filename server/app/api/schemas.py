"""What the routes take and give, for the OpenAPI document and for the clients made from it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Milliseconds = Annotated[float, Field(description="Milliseconds.")]
JobStatusName = Literal["PENDING", "RUNNING", "SUCCESS", "FAILED", "CANCELLED"]
StateName = Literal["IDLE", "RUNNING", "SUCCESS", "ERROR", "FAILED", "UNAVAILABLE"]


class AnalyzeBody(BaseModel):
    """An image as base64, and the plugin that is to analyze it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "plugin": "image-info",
                "image": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC",
                "mime_type": "image/png",
                "options": {},
            }
        },
    )

    plugin: str = Field(description="The plugin's name.")
    image: str = Field(description="The image file's bytes as base64.")
    mime_type: str = Field(description="image/jpeg, image/png, image/webp, image/bmp, image/gif or image/tiff.")
    options: dict[str, Any] = Field(default_factory=dict, description="The plugin's options, as its schema says.")
    timeout_s: float | None = Field(
        None, gt=0, le=86_400, description="Seconds the call may wait and run in all, within the plugin's own limit."
    )


class UploadBody(BaseModel):
    """An image as a file upload."""

    plugin: str
    image: bytes = Field(json_schema_extra={"format": "binary"})
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


class Accepted(BaseModel):
    """A job that is on disk and will run."""

    id: str
    status: Literal["PENDING"] = "PENDING"


class JobSummary(BaseModel):
    id: str
    plugin: str
    status: JobStatusName
    options: dict[str, Any]
    error: Error | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    waiting_ms: float | None
    running_ms: float | None
    attempt: int
    priority: int


class JobAnswer(JobSummary):
    result: dict[str, Any] | None


class JobList(BaseModel):
    jobs: list[JobSummary]
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; null at the end.")


class Failure(BaseModel):
    """The end of a worker during a call: what is known of it."""

    code: str
    details: dict[str, Any]
    output: str = Field(description="The end of what the worker printed.")
    image_sha256: str
    version: str
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
