"""What every blob store promises, in a folder and in a real S3-compatible server on loopback."""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.s3_server import BUCKET, CREDENTIALS, S3Server, s3_server

from app.storage.blobs import Blobs, collect_garbage, open_blobs, try_out
from app.storage.errors import BlobLost, BlobMissing, StorageClosed, StorageError

LATER = timedelta(hours=1)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(params=["folder", "s3"])
async def blobs(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Blobs]:
    if request.param == "folder":
        store = open_blobs(tmp_path / "deep" / "blobs")
    else:
        _set_credentials(monkeypatch)
        store = open_blobs(request.getfixturevalue("s3").url(tmp_path.name))
    yield store
    await store.close()


def _set_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


async def _digests(blobs: Blobs, older_than: datetime) -> set[str]:
    return {digest async for digest in blobs.older_than(older_than)}


@pytest.mark.parametrize("data", [b"", b"x", os.urandom(300_000)])
async def test_what_was_put_comes_back(blobs: Blobs, data: bytes) -> None:
    digest = await blobs.put(data)
    assert digest == hashlib.sha256(data).hexdigest()
    assert await blobs.get(digest) == data


async def test_many_come_back_in_their_order(blobs: Blobs) -> None:
    many = [os.urandom(size) for size in range(250)] + [b"twice", b"twice"]
    digests = await blobs.put_many(many)
    assert digests == [hashlib.sha256(data).hexdigest() for data in many]
    assert await asyncio.gather(*map(blobs.get, digests)) == many
    assert await blobs.put_many([]) == []


async def test_callers_at_the_same_time_each_get_their_own(blobs: Blobs) -> None:
    many = [os.urandom(1000) for _ in range(200)]
    digests = await asyncio.gather(*map(blobs.put, many))
    assert await asyncio.gather(*map(blobs.get, digests)) == many


async def test_a_caller_that_leaves_takes_nobody_along(blobs: Blobs) -> None:
    leaving = [asyncio.create_task(blobs.put(b"leaving %d" % number)) for number in range(5)]
    staying = [asyncio.create_task(blobs.put(b"staying %d" % number)) for number in range(5)]
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    assert [await blobs.get(digest) for digest in await asyncio.gather(*staying)] == [
        b"staying %d" % number for number in range(5)
    ]


async def test_a_missing_blob_is_refused_and_deleting_it_is_no_fault(blobs: Blobs) -> None:
    digest, other = await blobs.put_many([b"here", b"beside it"])
    assert await blobs.delete(digest) is True
    assert await blobs.delete(digest) is False
    with pytest.raises(BlobMissing):
        await blobs.get(digest)
    assert await blobs.get(other) == b"beside it"
    assert await blobs.put(b"here") == digest
    assert await blobs.get(digest) == b"here"


@pytest.mark.parametrize(
    "digest",
    ["", "../../etc/passwd", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n", "/" + "a" * 63, "٣" * 64],
)
async def test_what_is_no_digest_never_becomes_a_path(blobs: Blobs, digest: str) -> None:
    with pytest.raises(ValueError, match="64 lower-case"):
        await blobs.get(digest)
    with pytest.raises(ValueError, match="64 lower-case"):
        await blobs.delete(digest)


async def test_blobs_are_found_by_their_age(blobs: Blobs) -> None:
    digests = await blobs.put_many([b"1", b"2", b"3"])
    now = datetime.now(UTC)
    assert await _digests(blobs, now - LATER) == set()
    assert await _digests(blobs, now + LATER) == set(digests)


async def test_a_blob_that_was_put_again_is_not_deleted_as_old(blobs: Blobs) -> None:
    digest = await blobs.put(b"wanted")
    assert await blobs.delete(digest, unless_put_since=datetime.now(UTC) - LATER) is False
    assert await blobs.get(digest) == b"wanted"
    assert await blobs.delete(digest, unless_put_since=datetime.now(UTC) + LATER) is True


async def test_garbage_is_what_is_old_and_needed_by_nothing(blobs: Blobs) -> None:
    digests = await blobs.put_many([b"%d" % number for number in range(700)])
    needed = set(digests[::7])

    async def unreferenced(asked: Collection[str]) -> frozenset[str]:
        return frozenset(asked) - needed

    now = datetime.now(UTC)
    assert await collect_garbage(blobs, unreferenced, now - LATER) == 0
    assert await collect_garbage(blobs, unreferenced, now + LATER) == 600
    assert await _digests(blobs, now + LATER) == needed
    assert await blobs.get(digests[0]) == b"0"


async def test_a_closed_store_refuses(blobs: Blobs) -> None:
    digest = await blobs.put(b"x")
    await blobs.close()
    for question in (blobs.put(b"x"), blobs.put_many([b"x"]), blobs.get(digest), blobs.delete(digest)):
        with pytest.raises(StorageClosed):
            await question


@pytest.mark.parametrize("url", ["s3://", "s3:///prefix", "s3://key:secret@bucket", "s3://bucket?secret=x"])
def test_a_url_that_names_no_bucket_or_holds_a_secret_is_refused(url: str) -> None:
    with pytest.raises(StorageError, match="must be s3://"):
        open_blobs(url)


async def test_a_bucket_that_is_not_there_is_a_failure_of_the_storage(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set_credentials(monkeypatch)
    store = open_blobs(f"s3://other?endpoint={s3.endpoint}")
    with pytest.raises(StorageError, match="no such bucket"):
        await store.put(b"x")
    with pytest.raises(StorageError) as unread:
        await store.get("a" * 64)
    assert not isinstance(unread.value, BlobLost)
    assert await try_out(store) is not None
    await store.close()


async def test_a_place_is_tried_out_and_left_as_it_was(blobs: Blobs) -> None:
    digest = await blobs.put(b"x")
    blobs.expect()
    assert await try_out(blobs) is None
    assert await _digests(blobs, LATEST) == {digest}


SILENT = "does not answer"


async def test_a_store_that_hangs_fails_each_question_in_time_however_many_wait(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set_credentials(monkeypatch)
    digest = await open_blobs(s3.url(tmp_path.name)).put(b"before")
    store = open_blobs(s3.url(tmp_path.name), timeout_s=1)
    with s3.paused():
        # Each round of those that find room takes a second: one after the other they would take half a minute.
        async with asyncio.timeout(25):
            questions = [store.put(b"%d" % number) for number in range(1000)]
            answers = await asyncio.gather(
                *questions,
                store.get(digest),
                store.delete(digest),
                store.put_many([b"a", b"b"]),
                return_exceptions=True,
            )
        assert {(type(answer), SILENT in str(answer)) for answer in answers} == {(StorageError, True)}
        assert SILENT in (await store.check() or "")
    assert await _put_at_last(store, b"after") == hashlib.sha256(b"after").hexdigest()
    assert await store.check() is None
    await store.close()


async def _put_at_last(store: Blobs, data: bytes) -> str:
    """Put it when the server has caught up with what was asked of it while it hung."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(StorageError):
                return await store.put(data)


async def test_whoever_waits_for_room_waits_as_long_as_others_are_answered(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set_credentials(monkeypatch)
    # Together they take the store longer than each alone may.
    store = open_blobs(s3.url(tmp_path.name), timeout_s=3.0)
    many = [b"%d" % number for number in range(1500)]
    assert len(await store.put_many(many)) == len(many)
    await store.close()


async def test_a_store_that_refuses_says_so_when_it_is_checked(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    _set_credentials(monkeypatch)
    reachable, away = open_blobs(s3.url()), open_blobs("s3://bucket?endpoint=http://127.0.0.1:1", timeout_s=0.5)
    assert await reachable.check() is None
    assert "blob store" in (await away.check() or "")
    await reachable.close()
    await away.close()


@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Slow Down", "403 Forbidden"])
async def test_a_store_that_answers_with_faults_is_a_failure_of_the_storage(
    status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set_credentials(monkeypatch)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        store = open_blobs(f"s3://{BUCKET}?endpoint=http://127.0.0.1:{port}", timeout_s=3)
        for question in (store.put(b"x"), store.get("a" * 64), store.delete("a" * 64), anext(store.older_than(LATEST))):
            with pytest.raises(StorageError, match="the blob store"):
                await question
        assert "the blob store" in (await store.check() or "")
        await store.close()
