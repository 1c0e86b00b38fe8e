"""A plugin that fills its scratch folder, in ways that are easy to see and in ways that are not."""

import os
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

MIB = 1024 * 1024


def _write(path: str, mib: int) -> None:
    with Path(path).open("wb") as file:
        file.writelines(os.urandom(MIB) for _ in range(mib))


def _many_files() -> None:
    for number in range(200):
        _write(f"part-{number}", 1)


def _many_files_later() -> None:
    while not Path("go").exists():
        time.sleep(0.01)
    _many_files()


def _many_names() -> None:
    for number in range(200_000):
        Path(f"empty-{number}").touch()


def _deleted_files() -> None:
    for _ in range(200):
        _write("gone", 1)
        os.open("gone", os.O_RDONLY)  # never closed
        Path("gone").unlink()


def _filled_later() -> None:
    held = []
    for _ in range(8):
        held.append(os.open("gone", os.O_CREAT | os.O_RDWR))
        Path("gone").unlink()
    time.sleep(1)  # all is seen, and all is empty
    _write_into(held)


def _unnamed_files() -> None:
    time.sleep(1)  # the folder is seen, and it will not change
    try:
        held = [os.open(".", os.O_TMPFILE | os.O_RDWR) for _ in range(8)]
    except OSError:  # not every file system has them
        _filled_later()
    else:
        _write_into(held)


def _write_into(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        for _ in range(8):
            os.write(descriptor, os.urandom(MIB))


def _unlistable_folder() -> None:
    Path("locked").mkdir(0o300)
    for number in range(200):
        _write(f"locked/part-{number}", 1)


def _deep_folders() -> None:
    for _ in range(3_000):
        Path("down").mkdir()
        os.chdir("down")
    _many_files()


def _fill() -> None:
    number = 0
    while True:
        _write(f"fill-{number}", 1)
        number += 1


class Writing:
    name = "writing"
    limits: ClassVar[dict[str, Any]] = {"scratch_mb": 16, "timeout_s": 60}

    def __init__(self) -> None:
        self.calls = 0

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        how = payload["options"].get("how", "")
        if how == "later":
            threading.Thread(target=_many_files_later).start()
        elif how == "mib":
            _write("kept", payload["options"]["mib"])
        elif how:
            _WAYS[how]()
            time.sleep(60)
        return {"calls": self.calls, "files": len(list(Path().iterdir()))}


class Filling(Writing):
    """With a limit far above the disk that a test gives it."""

    name = "filling"
    limits: ClassVar[dict[str, Any]] = {"timeout_s": 60}


_WAYS: dict[str, Any] = {
    "many files": _many_files,
    "many names": _many_names,
    "deleted files": _deleted_files,
    "deleted files that are filled later": _filled_later,
    "files that never had a name": _unnamed_files,
    "unlistable folder": _unlistable_folder,
    "deep folders": _deep_folders,
    "all there is": _fill,
}
