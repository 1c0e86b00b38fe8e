import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.storage.blobs import BlobStore
from app.storage.errors import BlobCorrupt, BlobMissing, StorageClosed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "blobs"


@pytest.fixture
async def blobs(folder: Path) -> AsyncIterator[BlobStore]:
    store = BlobStore(folder)
    yield store
    await store.close()


def _file(folder: Path, digest: str) -> Path:
    return folder / digest[:2] / digest[2:4] / digest


@pytest.mark.parametrize("data", [b"", b"x", os.urandom(300_000)])
async def test_what_was_put_comes_back(blobs: BlobStore, folder: Path, data: bytes) -> None:
    digest = await blobs.put(data)
    assert digest == hashlib.sha256(data).hexdigest()
    assert await blobs.get(digest) == data
    assert _file(folder, digest).stat().st_mode & 0o077 == 0
    assert list((folder / "incoming").iterdir()) == []


async def test_a_blob_that_is_there_is_not_written_again(blobs: BlobStore, folder: Path) -> None:
    digest = await blobs.put(b"once")
    os.utime(_file(folder, digest), (1, 1))
    before = _file(folder, digest).stat()
    assert await blobs.put(b"once") == digest
    after = _file(folder, digest).stat()
    assert after.st_ino == before.st_ino
    assert after.st_mtime > before.st_mtime  # but it is seen to be wanted


async def test_a_blob_of_another_length_is_written_again(blobs: BlobStore, folder: Path) -> None:
    digest = await blobs.put(b"whole")
    _file(folder, digest).write_bytes(b"wh")
    await blobs.put(b"whole")
    assert await blobs.get(digest) == b"whole"


async def test_a_changed_blob_is_refused(blobs: BlobStore, folder: Path) -> None:
    digest = await blobs.put(b"right")
    _file(folder, digest).write_bytes(b"wrong")
    with pytest.raises(BlobCorrupt):
        await blobs.get(digest)


async def test_a_missing_blob_is_refused_and_deleting_it_is_no_fault(blobs: BlobStore) -> None:
    digest = await blobs.put(b"here")
    await blobs.delete(digest)
    await blobs.delete(digest)
    with pytest.raises(BlobMissing):
        await blobs.get(digest)


@pytest.mark.parametrize(
    "digest",
    ["", "../../etc/passwd", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n", "/" + "a" * 63, "٣" * 64],
)
async def test_what_is_no_digest_never_becomes_a_path(blobs: BlobStore, digest: str) -> None:
    with pytest.raises(ValueError, match="64 lower-case"):
        await blobs.get(digest)
    with pytest.raises(ValueError, match="64 lower-case"):
        await blobs.delete(digest)


async def test_many_put_the_same_at_once(folder: Path) -> None:
    stores = [BlobStore(folder) for _ in range(3)]
    digests = await asyncio.gather(*(store.put(b"same" * 1000) for store in stores for _ in range(10)))
    assert len(set(digests)) == 1
    assert await stores[0].get(digests[0]) == b"same" * 1000
    for store in stores:
        await store.close()


async def test_what_a_dead_server_left_half_written_is_removed(folder: Path) -> None:
    (folder / "incoming").mkdir(parents=True)
    old, young = folder / "incoming" / "old", folder / "incoming" / "young"
    old.touch()
    young.touch()
    os.utime(old, (1, 1))
    blobs = BlobStore(folder)
    await blobs.put(b"x")
    await blobs.close()
    assert [file.name for file in (folder / "incoming").iterdir()] == ["young"]


async def test_a_closed_store_refuses(folder: Path) -> None:
    blobs = BlobStore(folder)
    await blobs.close()
    with pytest.raises(StorageClosed):
        await blobs.put(b"x")
