"""What lies in the stores when all servers have ended: no blob is missing, and after a collection none is left over."""

from datetime import UTC, datetime, timedelta

from app.storage.blobs import Blobs, collect_garbage, open_blobs
from app.storage.errors import StorageError
from app.storage.opening import open_store
from app.storage.records import JobFilter
from app.storage.store import JobStore
from kill.cluster import Cluster


async def faults_of_store(cluster: Cluster) -> list[str]:
    """Read each blob that a job names; then collect without grace, and look for what nobody names."""
    store = open_store(cluster.database)
    blobs = open_blobs(cluster.blobs)
    await store.start()
    try:
        named = await _named(store)
        faults = [fault for digest in sorted(named) if (fault := await _fault_of_blob(blobs, digest))]
        later = datetime.now(UTC) + timedelta(hours=1)
        await collect_garbage(blobs, store.unreferenced, later)
        left = {digest async for digest in blobs.older_than(later)}
        faults += [f"the blob {digest} is named by no job, and was not collected" for digest in sorted(left - named)]
        faults += [f"the blob {digest} was collected, and a job names it" for digest in sorted(named - left)]
    finally:
        await store.close()
        await blobs.close()
    return faults


async def _named(store: JobStore) -> set[str]:
    named = set()
    async for job in store.export(JobFilter(durable=True)):
        inputs = await store.inputs(job.id)
        named |= {one.blob for one in inputs} | ({job.result_blob} if job.result_blob else set())
    return named


async def _fault_of_blob(blobs: Blobs, digest: str) -> str | None:
    try:
        await blobs.get(digest)
    except StorageError as failure:
        return f"the blob {digest} cannot be read: {failure!r}"
    return None
