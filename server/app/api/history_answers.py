"""The figures of the last hour as the routes give them: columns, one value for each time."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from app.governance.errors import ErrorType
from app.observability.history import CallSample, PluginSeries, ServerSample


class CallColumns(BaseModel):
    """Executions and refusals. Times within the gate are told from the histogram of the metrics, so they are near."""

    times: list[float] = Field(description="When each sample was taken, Unix seconds, oldest first.")
    calls: list[float] = Field(description="Executions and refusals a second, since the sample before.")
    errors: dict[str, list[float]] = Field(
        description="Failures and refusals a second, by the error's type. What was cancelled is none."
    )
    p50_ms: list[float | None] = Field(description="Time inside the gate; null where nothing ran.")
    p95_ms: list[float | None]
    p99_ms: list[float | None]


class PluginHistory(CallColumns):
    """A plugin's calls in the last hour, in this server process."""

    plugin: str
    every_s: float = Field(description="Seconds between two samples.")


class ServerHistory(CallColumns):
    """The calls and the load of this server process in the last hour."""

    every_s: float = Field(description="Seconds between two samples.")
    instance: str = Field(description="Another one after a restart; the figures begin anew then.")
    since: str = Field(description="The server's start, ISO 8601, UTC.")
    waiting_calls: list[int] = Field(description="Calls that waited for a plugin, at each time.")
    waiting_jobs: list[int | None] = Field(description="Accepted jobs that had not begun.")
    in_flight: list[int] = Field(description="Calls inside the gate.")
    workers: list[int] = Field(description="Worker processes.")
    server_memory_bytes: list[int | None] = Field(description="Resident; null where the system does not tell.")
    worker_memory_bytes: list[int | None] = Field(description="Resident, of all workers together.")


def server_columns(samples: Sequence[ServerSample]) -> dict[str, Any]:
    """Return the columns of ``ServerHistory`` that stand in the samples."""
    loads = [sample.load for sample in samples]
    return {
        **_call_columns([sample.time for sample in samples], [sample.calls for sample in samples]),
        "waiting_calls": [load.waiting_calls for load in loads],
        "waiting_jobs": [load.waiting_jobs for load in loads],
        "in_flight": [load.in_flight for load in loads],
        "workers": [load.workers for load in loads],
        "server_memory_bytes": [load.server_memory for load in loads],
        "worker_memory_bytes": [load.worker_memory for load in loads],
    }


def plugin_columns(series: PluginSeries) -> dict[str, Any]:
    """Return the columns of ``PluginHistory`` that stand in the series."""
    return _call_columns(series.times, series.calls)


def _call_columns(times: Sequence[float], calls: Sequence[CallSample]) -> dict[str, Any]:
    return {
        "times": [round(at, 3) for at in times],
        "calls": [round(sample.calls, 3) for sample in calls],
        "errors": {
            kind.value: [round(sample.errors.get(kind.value, 0.0), 3) for sample in calls] for kind in ErrorType
        },
        "p50_ms": [_rounded(sample.p50_ms) for sample in calls],
        "p95_ms": [_rounded(sample.p95_ms) for sample in calls],
        "p99_ms": [_rounded(sample.p99_ms) for sample in calls],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
