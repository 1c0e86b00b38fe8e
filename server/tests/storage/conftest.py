from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from support.stores import NOW, Place, PostgresPlace, SqlitePlace

from app.governance.job_lifecycle import JobStatus
from app.storage.job_ids import new_job_id
from app.storage.records import Job
from app.storage.store import JobStore


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sightgate.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, database: Path) -> Place:
    """Where each kind of store can keep its database."""
    if request.param == "sqlite":
        return SqlitePlace(database)
    return PostgresPlace(request.getfixturevalue("postgres"))


@pytest.fixture
async def store(place: Place) -> AsyncIterator[JobStore]:
    async with await place.open() as opened:
        yield opened


@pytest.fixture
def waiting() -> Callable[..., Job]:
    """Makes durable jobs that wait."""

    def make(plugin: str = "ocr", **fields: Any) -> Job:
        given: dict[str, Any] = {
            "id": new_job_id(),
            "status": JobStatus.PENDING,
            "created_at": NOW,
            "durable": True,
        } | fields
        return Job(plugin=plugin, **given)

    return make


@pytest.fixture
def running() -> Callable[..., Job]:
    """Makes jobs as a call that somebody waits for has them."""

    def make(plugin: str = "ocr", **fields: Any) -> Job:
        given: dict[str, Any] = {
            "id": new_job_id(),
            "status": JobStatus.RUNNING,
            "created_at": NOW,
            "started_at": NOW,
        } | fields
        return Job(plugin=plugin, **given)

    return make
