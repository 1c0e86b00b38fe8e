"""Sightgate within this process: jobs are handed to the service, and run in two sandboxed workers."""

import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.governance.job_lifecycle import JobStatus
from app.observability.logs import configure_logs
from app.plugins.loader.plugin_registry import PluginRegistry
from app.settings import Settings
from app.storage.records import JobFilter
from app.wiring import Sightgate, build

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
PLUGIN = "stamped"
DATABASE = "database_url"


class Submitter:
    at_once = 64

    def __init__(self, services: Sightgate) -> None:
        self._services = services
        self._ids: dict[int, str] = {}

    async def enqueue(self, number: int, image: bytes) -> None:
        payload = {"image": image, "mime_type": "image/jpeg", "options": {}}
        self._ids[number] = await self._services.job_execution.create_job_async(PLUGIN, payload)

    async def all_done(self, jobs: int) -> bool:
        for status in (JobStatus.PENDING, JobStatus.RUNNING):
            if (await self._services.store.list(JobFilter(status=status), limit=1)).jobs:
                return False
        if (failed := await self._services.store.list(JobFilter(status=JobStatus.FAILED), limit=1)).jobs:
            raise ValueError(f"a job failed: {failed.jobs[0].error}")
        return True

    async def started_ns(self, number: int) -> int | None:
        job = await self._services.store.get(self._ids[number])
        return None if job is None or job.result is None else int(job.result["started_ns"])

    async def ran_twice(self) -> int:
        """Every start of a job is counted in its row."""
        jobs = [await self._services.store.get(one) for one in self._ids.values()]
        return sum(job.attempt - 1 for job in jobs if job is not None)


def build_services() -> Sightgate:
    """Build Sightgate as the benchmark's environment says: which folder, which database. Raises ValueError."""
    database: dict[str, Any] = {DATABASE: url} if (url := os.environ.get("BENCHMARK_URL")) else {}
    if database and DATABASE not in Settings.model_fields:
        raise ValueError("this version knows no PostgreSQL")
    folder = Path(os.environ["BENCHMARK_FOLDER"])
    settings = Settings(data_dir=folder, plugins_dir=PLUGINS, installed_plugins=False, **database)
    return build(settings, PluginRegistry())


@asynccontextmanager
async def submitter() -> AsyncIterator[Submitter]:
    # As the server does: a line an execution, into a file.
    with (Path(os.environ["BENCHMARK_FOLDER"]) / "log").open("w") as log:
        configure_logs("json", "info", log)
        services = build_services()
        await services.start(only=(PLUGIN,))
        # As the server does: what the start made is not walked by each full collection, 80 ms every 2,500 jobs.
        gc.collect()
        gc.freeze()
        try:
            yield Submitter(services)
        finally:
            await services.stop()
