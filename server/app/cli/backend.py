"""Where a command gets its answers: from the server that runs on the data folder, or in this process.

Both go the same governed path; a caller sees no difference but the time to start.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol, TypeVar

from app.cli.failures import CliError, in_use, told_clearly
from app.services.job_filters import JobQuery
from app.settings import Settings
from app.storage.data_folder import Owner, read_owner

JsonObject = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Analysis:
    """How one analysis ended: exactly one of ``result`` and ``error`` (the envelope's) is non-empty. Milliseconds."""

    result: JsonObject = field(default_factory=dict)
    error: JsonObject = field(default_factory=dict)
    job_id: str | None = None
    running_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Jobs:
    """One page of jobs, without their results."""

    rows: Sequence[JsonObject]
    next_cursor: str | None


class JobsBackend(Protocol):
    """What commands ask of jobs. Raises as `Backend` does."""

    async def list(self, query: JobQuery, cursor: str | None, limit: int) -> Jobs: ...

    async def show(self, job_id: str) -> JsonObject: ...

    async def counts(self, query: JobQuery) -> Mapping[str, int]: ...

    async def submit(self, plugin: str, image: bytes, options: JsonObject, terms: JsonObject) -> JsonObject: ...

    async def submit_batch(
        self, plugins: Sequence[str], images: Sequence[Path], options: JsonObject, terms: JsonObject
    ) -> JsonObject: ...

    async def batch(self, batch_id: str) -> JsonObject: ...

    async def cancel(self, job_id: str) -> JsonObject: ...

    async def cancel_batch(self, batch_id: str) -> JsonObject: ...

    async def requeue(self, job_id: str, key: str | None) -> JsonObject: ...

    def export(self, query: JobQuery) -> AsyncIterator[JsonObject]: ...

    async def purge(self, query: JobQuery) -> int: ...

    def events(self, job_id: str) -> AsyncIterator[JsonObject]: ...

    def batch_events(self, batch_id: str) -> AsyncIterator[JsonObject]: ...


class Backend(Protocol):
    """What commands ask. Raises Refused for what Sightgate refuses, CliError if it cannot be asked at all."""

    @property
    def jobs(self) -> JobsBackend: ...

    async def analyze(self, plugin: str, image: bytes, options: JsonObject) -> Analysis: ...

    async def analyze_url(self, plugin: str, url: str, options: JsonObject) -> Analysis: ...

    async def list_plugins(self) -> Sequence[JsonObject]: ...

    async def show_plugin(self, name: str) -> JsonObject: ...


class Need(Enum):
    """What a command needs when no server runs: plugins that can be called, or only the stored jobs."""

    PLUGINS = "plugins"
    JOBS = "jobs"


@asynccontextmanager
async def open_backend(settings: Settings, need: Need, only: Collection[str] | None = None) -> AsyncIterator[Backend]:
    """Open the backend for the data folder of ``settings``; ``only`` names the plugins wanted. Raises CliError."""
    with told_clearly(settings.data_dir):
        owner = read_owner(settings.data_dir)
        async with _choose(settings, owner, need, only) as backend:
            yield backend


def ask(
    settings: Settings, need: Need, question: Callable[[Backend], Awaitable[T]], only: Collection[str] | None = None
) -> T:
    """Open the backend, as `open_backend` does, ask it one thing, and close it. Raises CliError, Refused."""

    async def asked() -> T:
        async with open_backend(settings, need, only) as backend:
            return await question(backend)

    return asyncio.run(asked())


def _choose(
    settings: Settings, owner: Owner | None, need: Need, only: Collection[str] | None
) -> AbstractAsyncContextManager[Backend]:
    # Imported when needed: each brings half of the libraries, and a command should answer at once.
    if owner is None:
        from app.cli import in_process

        return in_process.with_plugins(settings, only) if need is Need.PLUGINS else in_process.with_jobs(settings)
    if owner.address is None:
        raise CliError(in_use(settings.data_dir, owner.pid, None))
    from app.cli import over_http

    return over_http.connect(owner.address, settings.key)
