"""Where results lie: small ones in the job's row, large ones in the blob store."""

import dataclasses
from typing import Any

import msgspec

from app.storage.blobs import Blobs
from app.storage.records import Job, JsonObject

LARGE_RESULT_BYTES = 256 * 1024

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class JobResults:
    """Decides where a result is kept, and finds it again."""

    def __init__(self, blobs: Blobs, large_bytes: int = LARGE_RESULT_BYTES) -> None:
        """``large_bytes``: a result that is longer as JSON does not lie in the row."""
        self._blobs = blobs
        self._large_bytes = large_bytes

    def is_large(self, size: int) -> bool:
        """Tell whether a result of so many bytes as JSON lies in a blob."""
        return size > self._large_bytes

    async def put(self, result: JsonObject) -> str:
        """Store a large result and return the digest of its blob. Raises StorageError."""
        return await self._blobs.put(_encode(result))

    async def with_result(self, job: Job) -> Job:
        """Return the job with its result, wherever that lies. Raises StorageError if its blob is gone or damaged."""
        if job.result_blob is None:
            return job
        result: dict[str, Any] = _decode(await self._blobs.get(job.result_blob))
        return dataclasses.replace(job, result=result)
