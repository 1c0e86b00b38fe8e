import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.storage.data_folder import LOCK_NAME, DataFolderLock, read_owner
from app.storage.errors import DataFolderInUse, StorageError

HOLDS = """
import subprocess, sys
from pathlib import Path
from app.storage.data_folder import DataFolderLock
DataFolderLock(Path(sys.argv[1])).acquire("http://127.0.0.1:8000")
worker = subprocess.Popen(["sleep", "60"], close_fds=False)
print(worker.pid, flush=True)
sys.stdin.read()
"""


def test_the_owner_is_known_while_the_lock_is_held(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    assert read_owner(folder) is None
    lock = DataFolderLock(folder)
    lock.acquire("http://127.0.0.1:8000")
    owner = read_owner(folder)
    assert owner is not None
    assert (owner.pid, owner.address) == (os.getpid(), "http://127.0.0.1:8000")
    assert owner.started is not None
    assert owner.started <= datetime.now(UTC)
    assert folder.stat().st_mode & 0o077 == 0
    lock.release()
    assert json.loads((folder / LOCK_NAME).read_bytes())["pid"] == os.getpid()
    assert read_owner(folder) is None
    lock.release()
    lock.acquire()
    lock.release()


def test_a_second_lock_is_refused_and_says_who_has_the_first(tmp_path: Path) -> None:
    first = DataFolderLock(tmp_path)
    first.acquire("http://127.0.0.1:8000")
    with pytest.raises(DataFolderInUse) as refused:
        DataFolderLock(tmp_path).acquire("http://127.0.0.1:9000")
    assert (refused.value.pid, refused.value.address) == (os.getpid(), "http://127.0.0.1:8000")
    assert str(tmp_path) not in str(refused.value)
    first.release()
    second = DataFolderLock(tmp_path)
    second.acquire()
    second.release()


def test_the_address_can_be_told_later(tmp_path: Path) -> None:
    lock = DataFolderLock(tmp_path)
    with pytest.raises(RuntimeError):
        lock.announce("http://127.0.0.1:1")
    lock.acquire("http://127.0.0.1:1/a/long/address/that/a/shorter/one/must/cover/wholly")
    lock.announce("http://127.0.0.1:2")
    owner = read_owner(tmp_path)
    assert owner is not None
    assert owner.address == "http://127.0.0.1:2"
    lock.announce("http://" + "x" * 1000)
    owner = read_owner(tmp_path)
    assert owner is not None
    assert (owner.pid, owner.address) == (os.getpid(), None)
    lock.release()


def test_a_killed_server_leaves_the_folder_free_though_its_worker_lives(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    with server.stdin, server.stdout:
        worker = int(server.stdout.readline())
        try:
            owner = read_owner(tmp_path)
            assert owner is not None
            assert owner.pid == server.pid
            with pytest.raises(DataFolderInUse):
                DataFolderLock(tmp_path).acquire()
            server.kill()
            server.wait()
            os.kill(worker, 0)
            assert read_owner(tmp_path) is None
            lock = DataFolderLock(tmp_path)
            lock.acquire()
            lock.release()
        finally:
            os.kill(worker, 9)


def test_an_unreadable_record_is_an_unknown_owner(tmp_path: Path) -> None:
    lock = DataFolderLock(tmp_path)
    lock.acquire()
    for rubbish in (b"", b"{", b"[]", b'{"pid": null}', b"\xff\xfe"):
        (tmp_path / LOCK_NAME).write_bytes(rubbish)
        owner = read_owner(tmp_path)
        assert owner is not None
        assert owner.pid is None
    with pytest.raises(DataFolderInUse, match="another process"):
        DataFolderLock(tmp_path).acquire()
    lock.release()


def test_readers_never_keep_a_server_from_starting(tmp_path: Path) -> None:
    DataFolderLock(tmp_path).release()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            read_owner(tmp_path)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(50):
            lock = DataFolderLock(tmp_path)
            lock.acquire("http://127.0.0.1:8000")
            lock.release()
    finally:
        stop.set()
        for reader in readers:
            reader.join()


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        DataFolderLock(tmp_path / "file" / "data").acquire()
    assert read_owner(tmp_path / "file" / "data") is None
