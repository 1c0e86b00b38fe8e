"""A server that dies without warning: what it had acknowledged is there."""

import asyncio
import subprocess
import sys
from pathlib import Path

from app.governance.job_lifecycle import JobStatus
from app.storage.folder_blobs import FolderBlobs
from app.storage.sqlite_store import SqliteJobStore

ADDS_UNTIL_KILLED = """
import asyncio, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from app.governance.job_lifecycle import JobStatus
from app.storage.folder_blobs import FolderBlobs
from app.storage.job_ids import new_job_id
from app.storage.records import Job, JobEnd, JobInput, NewJob
from app.storage.sqlite_store import SqliteJobStore

async def client(store, blobs):
    while True:
        job = Job(new_job_id(), "ocr", JobStatus.PENDING, datetime.now(UTC), True, {"n": 1})
        blob = await blobs.put(job.id.encode())
        await store.add([NewJob(job, [JobInput("image", "image/png", blob, 32)])])
        print("added", job.id, blob, flush=True)
        for claimed in await store.claim({"ocr": 1}, datetime.now(UTC) + timedelta(hours=1)):
            if claimed.id[-1] in "01234567":
                result, now = {"id": claimed.id}, datetime.now(UTC)
                await store.end(JobEnd(claimed.id, JobStatus.SUCCESS, result, None, now, 1, 2, attempt=1))
                print("ended", claimed.id, flush=True)
        call = Job(new_job_id(), "ocr", JobStatus.RUNNING, datetime.now(UTC))
        store.record(call)

async def main():
    store = await SqliteJobStore.open(sys.argv[1] + "/sightgate.db")
    blobs = FolderBlobs(Path(sys.argv[1]) / "blobs")
    await asyncio.gather(*(client(store, blobs) for _ in range(8)))

asyncio.run(main())
"""


def _run_until_killed(folder: Path) -> tuple[dict[str, str], set[str]]:
    """Return the blob of each job whose adding was acknowledged, and the jobs whose end was."""
    added: dict[str, str] = {}
    ended: set[str] = set()
    child = subprocess.Popen([sys.executable, "-c", ADDS_UNTIL_KILLED, str(folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout as lines:
        for line in lines:
            if not line.endswith("\n"):
                continue
            word, job_id, *blob = line.split()
            if word == "added":
                added[job_id] = blob[0]
            else:
                ended.add(job_id)
            if len(added) == 300:
                child.kill()
    child.wait()
    return added, ended


async def test_every_acknowledged_job_and_input_survives_a_kill(tmp_path: Path) -> None:
    added, ended = await asyncio.to_thread(_run_until_killed, tmp_path)
    assert len(added) >= 300
    assert ended

    blobs = FolderBlobs(tmp_path / "blobs")
    async with await SqliteJobStore.open(tmp_path / "sightgate.db") as store:
        recovery = await store.recover(lambda job: {"code": "interrupted", "job_id": job.id})
        assert recovery.interrupted
        for job_id, blob in added.items():
            job = await store.get(job_id)
            assert job is not None
            assert [one.blob for one in await store.inputs(job_id)] == [blob]
            assert await blobs.get(blob) == job_id.encode()
            if job_id in ended:
                assert (job.status, job.result) == (JobStatus.SUCCESS, {"id": job_id})
            else:
                assert job.status in (JobStatus.PENDING, JobStatus.SUCCESS)
        assert (await store.list()).jobs
    await blobs.close()
