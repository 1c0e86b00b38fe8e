"""A job whose stored input cannot be read: it waits for a place that is away, and ends if its own blob alone is bad."""

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.postgres_server import PostgresServer
from support.stores import NOW, Place, PostgresPlace, SqlitePlace, add

from app.governance.job_lifecycle import JobStatus
from app.plugins.loader.plugin_registry import PluginRegistry
from app.services.execution import storage_rest, unreadable_inputs
from app.services.execution.job_inputs import InputUnreadable, JobInputs
from app.services.execution.job_terms import JobTerms, Submission
from app.services.execution.unreadable_inputs import RESTS_S, UNREAD, UnreadableInputs
from app.storage.folder_blobs import FolderBlobs
from app.storage.job_ids import new_job_id
from app.storage.records import Job
from app.storage.store import JobStore
from app.wiring import Sightgate
from sightgate.check import sample_png

PATIENCE_S = 60
UNREADABLE, AWAY = ("interrupted", "internal_error"), ("interrupted", "storage_unavailable")
# What lies at its first byte cannot be read: EIO, as of a bad sector.
UNREADABLE_FILE = "/proc/self/mem"


def spoil(named: Path) -> None:
    """Let the disk fail for one blob."""
    named.unlink()
    named.symlink_to(UNREADABLE_FILE)


class Judged:
    """Attempts at one job, on a clock that goes on as long as each is to rest."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.named = folder / "named"
        self.blobs = FolderBlobs(folder)

    def clock(self) -> datetime:
        return self.now

    def use(self, store: JobStore) -> None:
        self.store, self.inputs = store, JobInputs(store, self.blobs)
        self.judge = UnreadableInputs(store, self.inputs, self.clock)

    async def begin(self, store: JobStore) -> None:
        self.use(store)
        self.kept = await self.inputs.keep({"image": b"an image", "mime_type": "image/png"})
        self.id = new_job_id()
        await add(store, Job(self.id, "ocr", JobStatus.PENDING, NOW, durable=True), [self.kept])

    async def attempt(self) -> str | None:
        """Run the job once. Return the code with which it waits again, or None if its input is lost."""
        job = await self.store.claim_job(self.id, self.now + timedelta(hours=1))
        assert job is not None
        with pytest.raises(InputUnreadable) as unread:
            await self.inputs.payload_of(job)
        later = await self.judge.after(job, unread.value)
        if later is None:
            return None
        put_back: dict[str, Any] = {"outcome": UNREAD, "error_code": later.code, "not_before": later.not_before}
        assert await self.store.put_back(job.id, job.attempt, **put_back) is None
        assert await self.store.claim_job(self.id, self.now + timedelta(hours=1)) is None, "it rests"
        self.now = later.not_before
        return later.code


@pytest.fixture
async def judged(tmp_path: Path) -> Any:
    made = Judged(tmp_path / "blobs")
    yield made
    await made.blobs.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Place:
    return SqlitePlace(tmp_path / "jobs.sqlite3")


async def test_an_input_that_alone_cannot_be_read_is_lost_after_the_stated_time(judged: Judged, sqlite: Place) -> None:
    async with await sqlite.open(clock=judged.clock) as store:
        await judged.begin(store)
        spoil(judged.named / judged.kept.blob)
        began = judged.now
        assert [await judged.attempt() for _ in RESTS_S] == ["internal_error"] * len(RESTS_S)
        assert judged.now - began == timedelta(seconds=155)
    async with await sqlite.open(clock=judged.clock) as store:  # a restart does not begin anew
        judged.use(store)
        assert await judged.attempt() is None


async def test_attempts_while_the_whole_place_is_away_never_count(judged: Judged, sqlite: Place) -> None:
    async with await sqlite.open(clock=judged.clock) as store:
        await judged.begin(store)
        away = judged.named.parent.rename(judged.named.parent.with_name("away"))
        for _ in range(2):
            assert [await judged.attempt() for _ in range(10)] == ["storage_unavailable"] * 10
            judged.named.parent.mkdir(exist_ok=True)  # what a mount leaves behind is an empty folder
        judged.named.parent.rmdir()
        away.rename(judged.named.parent)
        spoil(judged.named / judged.kept.blob)
        await asyncio.sleep(1.0)  # until it is looked again whether the place works
        assert [await judged.attempt() for _ in range(6)] == ["internal_error"] * 5 + [None]


async def test_what_is_certainly_lost_ends_at_once_on_one_server_and_is_left_to_others_where_there_are_some(
    judged: Judged, sqlite: Place, postgres: PostgresServer
) -> None:
    async with await sqlite.open(clock=judged.clock) as store:
        await judged.begin(store)
        (judged.named / judged.kept.blob).unlink()
        assert await judged.attempt() is None
    async with await PostgresPlace(postgres).open() as store:
        await judged.begin(store)
        (judged.named / judged.kept.blob).unlink()
        assert await store.claim_job(judged.id, NOW) is not None
        job = await store.get(judged.id)
        assert job is not None
        with pytest.raises(InputUnreadable) as unread:
            await judged.inputs.payload_of(job)
        later = await judged.judge.after(job, unread.value)
        assert later is not None
        assert later.code == "internal_error"


class Sizes:
    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"bytes": len(payload["image"])}


def sizes() -> PluginRegistry:
    registry = PluginRegistry()
    registry.register("sizes", Sizes())
    return registry


def image(number: int) -> dict[str, Any]:
    return {"image": sample_png(4, 4 + number), "mime_type": "image/png", "options": {}}


async def accepted(server: Sightgate, number: int, delay_s: float = 0.5) -> str:
    """Accept a job that reads its input from the disk: one with a delay is not held in memory."""
    asked = Submission.of_one("sizes", {}, JobTerms(delay_s=delay_s))
    return (await server.job_execution.accept(asked, image(number))).job_id


async def outcomes(server: Sightgate, job_id: str) -> list[tuple[str, str | None]]:
    job = await server.job_execution.get_job_async(job_id)
    return [(attempt["outcome"], attempt["error_code"]) for attempt in job["attempts"]]


async def until_ended(server: Sightgate, job_id: str) -> dict[str, Any]:
    give_up = time.monotonic() + PATIENCE_S
    while (job := await server.job_execution.get_job_async(job_id))["status"] in ("PENDING", "RUNNING"):
        assert time.monotonic() < give_up
        await asyncio.sleep(0.01)
    return job


async def until_tried(server: Sightgate, job_id: str, outcome: tuple[str, str], times: int = 1) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while (await outcomes(server, job_id)).count(outcome) < times:
        assert time.monotonic() < give_up
        await asyncio.sleep(0.01)


@pytest.fixture
def short_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_rest, "FIRST_S", 0.2)


def blob_of(job: dict[str, Any], folder: Path) -> Path:
    return folder / "named" / str(job["inputs"][0]["sha256"])


async def test_a_job_on_a_bad_sector_ends_with_every_attempt_on_record_and_others_run(
    home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unreadable_inputs, "RESTS_S", (0.05, 0.1))
    server = await home.start(sizes())
    bad, good = await accepted(server, 1), await accepted(server, 2)
    spoil(blob_of(await server.job_execution.get_job_async(bad), home.data / "blobs"))
    ended = await until_ended(server, bad)
    assert (ended["status"], ended["error_code"], ended["attempt"]) == ("FAILED", "internal_error", 3)
    assert await outcomes(server, bad) == [UNREADABLE, UNREADABLE, ("FAILED", "internal_error")]
    assert (await until_ended(server, good))["status"] == "SUCCESS"


async def test_a_job_on_a_bad_sector_runs_when_the_same_image_is_sent_again(
    home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unreadable_inputs, "RESTS_S", (1.0,) * 5)
    server = await home.start(sizes())
    bad = await accepted(server, 1)
    spoil(blob_of(await server.job_execution.get_job_async(bad), home.data / "blobs"))
    await until_tried(server, bad, UNREADABLE)
    again = await accepted(server, 1)
    assert (await until_ended(server, bad))["status"] == "SUCCESS"
    assert (await until_ended(server, again))["status"] == "SUCCESS"


async def test_jobs_wait_while_the_folder_is_away_over_a_restart_and_it_is_not_made_anew(
    home: Any, short_rest: None
) -> None:
    server = await home.start(sizes())
    job_id = await accepted(server, 1)
    blobs = home.data / "blobs"
    away = blobs.rename(blobs.with_name("away"))
    blobs.mkdir()
    await until_tried(server, job_id, AWAY)
    assert "the blob store" in str((await server.readiness()).reasons)
    tried = len(await outcomes(server, job_id))
    await home.stop()
    server = await home.start(sizes())
    await until_tried(server, job_id, AWAY, tried + 1)
    with pytest.raises(Exception, match="the folder of the blobs is not there"):
        await accepted(server, 2)
    assert list(blobs.iterdir()) == []
    assert (await server.job_execution.get_job_async(job_id))["status"] in ("PENDING", "RUNNING")
    blobs.rmdir()
    away.rename(blobs)
    assert (await until_ended(server, job_id))["status"] == "SUCCESS"
    assert set((await outcomes(server, job_id))[:-1]) == {AWAY}


async def test_a_job_that_one_server_cannot_read_is_run_by_the_one_that_can(
    home: Any, tmp_path: Path, postgres: PostgresServer
) -> None:
    shared = {"database_url": PostgresPlace(postgres).url}
    here = await home.start(sizes(), **shared)
    job_id = await accepted(here, 1, delay_s=2)
    await home.stop()
    # The other one knows the same folder by a name under which nothing is mounted, and is the first to take the job up.
    (elsewhere := tmp_path / "elsewhere").mkdir()
    not_mounted = tmp_path / "not mounted" / "blobs"
    other = await home.start(sizes(), **shared, data_dir=elsewhere, blob_url=str(not_mounted))
    await until_tried(other, job_id, AWAY)
    with pytest.raises(Exception, match="the folder of the blobs is not there"):
        await accepted(other, 2)
    here = await home.start(sizes(), **shared)
    assert (await until_ended(here, job_id))["status"] == "SUCCESS"
    assert set((await outcomes(here, job_id))[:-1]) == {AWAY}
    assert not not_mounted.exists()
