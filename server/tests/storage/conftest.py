from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.governance.job_lifecycle import JobStatus
from app.storage.jobs import Job, JobStore, new_job_id

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sightgate.db"


@pytest.fixture
async def store(database: Path) -> AsyncIterator[JobStore]:
    async with await JobStore.open(database) as opened:
        yield opened


@pytest.fixture
def waiting() -> Callable[..., Job]:
    """Makes durable jobs that wait."""

    def make(plugin: str = "ocr", **fields: object) -> Job:
        given = {"id": new_job_id(), "status": JobStatus.PENDING, "created_at": NOW, "durable": True} | fields
        return Job(plugin=plugin, **given)

    return make


@pytest.fixture
def running() -> Callable[..., Job]:
    """Makes jobs as a call that somebody waits for has them."""

    def make(plugin: str = "ocr", **fields: object) -> Job:
        given = {"id": new_job_id(), "status": JobStatus.RUNNING, "created_at": NOW, "started_at": NOW} | fields
        return Job(plugin=plugin, **given)

    return make
