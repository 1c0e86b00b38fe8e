"""Packs on disk: what a crash, a fault of the disk or another process may leave."""

import asyncio
import contextlib
import errno
import hashlib
import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.mounts import fill, small_disk

from app.storage.errors import BlobCorrupt, BlobMissing, StorageError, StorageFull
from app.storage.folder_blobs import FolderBlobs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "blobs"


@pytest.fixture
async def blobs(folder: Path) -> AsyncIterator[FolderBlobs]:
    store = FolderBlobs(folder)
    yield store
    await store.close()


def _file(folder: Path, digest: str) -> Path:
    return folder / "named" / digest


def _spoil(file: Path, data: bytes) -> None:
    """Change the last byte of a blob that lies alone in its pack."""
    whole = file.read_bytes()
    file.write_bytes(whole[: -len(data)] + data[:-1] + bytes([data[-1] ^ 1]))


async def test_nobody_else_may_read_and_nothing_stays_behind(blobs: FolderBlobs, folder: Path) -> None:
    digest = await blobs.put(b"x")
    assert _file(folder, digest).stat().st_mode & 0o077 == 0
    assert (folder / "named").stat().st_mode & 0o077 == 0
    assert list((folder / "incoming").iterdir()) == []


async def test_what_comes_together_lies_in_one_file_that_goes_with_its_last_blob(
    blobs: FolderBlobs, folder: Path
) -> None:
    digests = await blobs.put_many([os.urandom(100_000) for _ in range(5)])
    files = [_file(folder, digest) for digest in digests]
    assert len({file.stat().st_ino for file in files}) == 1
    before = files[0].stat().st_blocks
    for digest in digests[1:]:
        await blobs.delete(digest)
    assert files[0].stat().st_nlink == 1
    assert files[0].stat().st_blocks < before / 2  # their space is free already
    assert len(await blobs.get(digests[0])) == 100_000


async def test_a_blob_that_is_there_is_not_written_again(blobs: FolderBlobs, folder: Path) -> None:
    digest = await blobs.put(b"once")
    os.utime(_file(folder, digest), (1, 1))
    before = _file(folder, digest).stat()
    assert await blobs.put(b"once") == digest
    after = _file(folder, digest).stat()
    assert after.st_ino == before.st_ino
    assert after.st_mtime > before.st_mtime  # but it is seen to be wanted


@pytest.mark.parametrize("left", [0, 5, 30, 60])
async def test_a_blob_that_is_not_whole_is_written_again(blobs: FolderBlobs, folder: Path, left: int) -> None:
    digest = await blobs.put(b"a whole blob")
    with _file(folder, digest).open("r+b") as pack:
        pack.truncate(left)
    with pytest.raises(BlobCorrupt):
        await blobs.get(digest)
    await blobs.put(b"a whole blob")
    assert await blobs.get(digest) == b"a whole blob"


async def test_a_changed_blob_is_refused_until_it_is_put_again(blobs: FolderBlobs, folder: Path) -> None:
    digest = await blobs.put(b"right")
    _spoil(_file(folder, digest), b"right")
    with pytest.raises(BlobCorrupt):
        await blobs.get(digest)
    await blobs.put(b"right")
    assert await blobs.get(digest) == b"right"


async def test_a_blob_that_the_disk_cannot_read_is_written_again(
    blobs: FolderBlobs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = await blobs.put(b"on a bad sector")
    bad, read = _file(folder, digest).stat(), os.pread

    def pread(handle: int, length: int, offset: int) -> bytes:
        if os.path.samestat(os.fstat(handle), bad):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(handle, length, offset)

    spare = os.open(_file(folder, digest), os.O_RDONLY)  # else its number is given to the file that replaces it
    try:
        monkeypatch.setattr(os, "pread", pread)
        with pytest.raises(StorageError, match="the disk failed"):
            await blobs.get(digest)
        await blobs.put(b"on a bad sector")
        assert await blobs.get(digest) == b"on a bad sector"
    finally:
        os.close(spare)


async def test_a_blob_that_looks_like_a_pack_is_only_a_blob(blobs: FolderBlobs, folder: Path) -> None:
    inner = await blobs.put(b"inner")
    pack = _file(folder, inner).read_bytes()
    outer = await blobs.put(pack)
    assert await blobs.get(outer) == pack
    await blobs.delete(inner)
    with pytest.raises(BlobMissing):
        await blobs.get(inner)


async def test_many_put_the_same_at_once(folder: Path) -> None:
    stores = [FolderBlobs(folder) for _ in range(3)]
    digests = await asyncio.gather(*(store.put(b"same" * 1000) for store in stores for _ in range(10)))
    assert len(set(digests)) == 1
    assert await stores[0].get(digests[0]) == b"same" * 1000
    for store in stores:
        await store.close()


async def test_whoever_puts_while_another_collects_keeps_his_blob(folder: Path) -> None:
    """Two stores on one folder: one makes blobs old and removes what is old, the other puts them again and again."""
    putting, collecting = FolderBlobs(folder), FolderBlobs(folder)
    data = [b"%d" % number for number in range(20)]
    digests = [await putting.put(one) for one in data]
    hour_ago = datetime.fromtimestamp(time.time() - 3600, UTC)
    removed = 0

    async def collect(stop: asyncio.Event) -> None:
        nonlocal removed
        while not stop.is_set():
            for digest in digests:
                removed += await collecting.delete(digest, unless_put_since=hour_ago)

    stop = asyncio.Event()
    collector = asyncio.create_task(collect(stop))
    while removed < 100:
        for digest in digests:
            with contextlib.suppress(FileNotFoundError):
                os.utime(_file(folder, digest), (1, 1))
        await asyncio.sleep(0)
        assert await putting.put_many(data) == digests
        assert await asyncio.gather(*map(putting.get, digests)) == data
    stop.set()
    await collector
    await putting.close()
    await collecting.close()


async def test_what_a_dead_server_left_half_written_is_removed_after_an_hour(folder: Path) -> None:
    (folder / "incoming").mkdir(parents=True)
    (folder / "incoming" / "half").touch()
    for hours, left in ((0, ["half"]), (2, [])):
        blobs = FolderBlobs(folder, clock=lambda hours=hours: time.time() + hours * 3600)  # type: ignore[misc]
        await blobs.put(b"x")
        await blobs.close()
        assert [file.name for file in (folder / "incoming").iterdir()] == left


async def test_blobs_of_a_version_without_packs_are_found_and_collected(blobs: FolderBlobs, folder: Path) -> None:
    digest = hashlib.sha256(b"old").hexdigest()
    file = folder / digest[:2] / digest[2:4] / digest
    file.parent.mkdir(parents=True)
    file.write_bytes(b"old")
    os.utime(file, (1, 1))
    assert await blobs.get(digest) == b"old"
    moment = datetime.fromtimestamp(100, UTC)
    assert [found async for found in blobs.older_than(moment)] == [digest]
    assert await blobs.delete(digest, unless_put_since=moment) is True
    assert not file.exists()


async def test_a_disk_that_fails_fails_every_caller_and_is_asked_again(tmp_path: Path) -> None:
    place = tmp_path / "blobs"
    place.touch()  # a file where the folder should be
    blobs = FolderBlobs(place)
    ends = await asyncio.gather(*(blobs.put(b"%d" % number) for number in range(50)), return_exceptions=True)
    assert {type(end) for end in ends} == {StorageError}
    assert "it is a file" in str(ends[0])
    assert str(tmp_path) not in str(ends[0])
    place.unlink()
    assert await blobs.get(await blobs.put(b"x")) == b"x"
    await blobs.close()


async def test_a_disk_that_refuses_is_told_until_it_takes_as_much_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", mib=4) as disk:
        blobs = FolderBlobs(disk / "blobs")
        await blobs.put(b"first")
        assert await blobs.check() is None
        ballast = fill(disk)
        with pytest.raises(StorageFull):
            await blobs.put(os.urandom(200_000))
        assert await blobs.check() == "the blob store: The disk is full"
        os.truncate(ballast, ballast.stat().st_size - 100_000)
        assert await blobs.check() is not None
        ballast.unlink()
        assert await blobs.check() is None
        await blobs.close()


async def test_a_folder_that_was_taken_away_is_told_until_it_is_back(blobs: FolderBlobs, folder: Path) -> None:
    await blobs.put(b"first")
    away = folder.rename(folder.with_name("away"))
    with pytest.raises(StorageError):
        await blobs.put(b"second")
    assert await blobs.check() is not None
    away.rename(folder)
    assert await blobs.check() is None
    assert await blobs.get(await blobs.put(b"second")) == b"second"


@pytest.mark.parametrize("left", ["nothing", "a mount point"])
async def test_a_folder_that_is_not_there_is_no_lost_blob_and_is_not_made_anew_where_it_is_expected(
    folder: Path, left: str
) -> None:
    if left == "a mount point":
        folder.mkdir(parents=True)
    blobs = FolderBlobs(folder)
    blobs.expect()
    for question in (blobs.get("a" * 64), blobs.put(b"x"), blobs.put_many([b"x", b"y"])):
        with pytest.raises(StorageError, match="the folder of the blobs is not there"):
            await question
    assert await blobs.check() is not None
    assert list(folder.glob("*")) == []
    (folder / "named").mkdir(parents=True)
    with pytest.raises(BlobMissing):
        await blobs.get("a" * 64)
    assert await blobs.get(await blobs.put(b"x")) == b"x"
    await blobs.close()


async def test_of_a_batch_that_has_no_room_nothing_is_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", mib=8) as disk:
        blobs = FolderBlobs(disk / "blobs")
        batch = [os.urandom(40_000) for _ in range(150)]
        kept = await blobs.put_many(batch)
        with pytest.raises(StorageFull):
            await blobs.put_many([os.urandom(40_000) for _ in range(150)])
        assert {file.name for file in (disk / "blobs" / "named").iterdir()} == set(kept)
        assert await blobs.check() is None  # it has room for others
        assert await blobs.put_many(batch) == kept  # which takes none
        await blobs.close()
