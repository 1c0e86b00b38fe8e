"""A plugin that fills its scratch folder, in ways that are easy to see and in ways that are not."""

import os
import threading
import time
from typing import Any, ClassVar

MIB = 1024 * 1024


def _write(path: str, mib: int) -> None:
    with open(path, "wb") as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))


def _many_files() -> None:
    for number in range(200):
        _write(f"part-{number}", 1)


def _many_names() -> None:
    for number in range(200_000):
        open(f"empty-{number}", "wb").close()


def _deleted_files() -> None:
    kept = []
    for _ in range(200):
        file = open("gone", "wb")
        file.write(os.urandom(MIB))
        file.flush()
        os.unlink("gone")
        kept.append(file)
    time.sleep(60)


def _unlistable_folder() -> None:
    os.mkdir("locked", 0o300)
    for number in range(200):
        _write(f"locked/part-{number}", 1)


def _deep_folders() -> None:
    for _ in range(3_000):
        os.mkdir("down")
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
            threading.Thread(target=_many_files).start()
        elif how == "mib":
            _write("kept", payload["options"]["mib"])
        elif how:
            _WAYS[how]()
            time.sleep(60)
        return {"calls": self.calls, "files": len(os.listdir("."))}


class Filling(Writing):
    """With a limit far above the disk that a test gives it."""

    name = "filling"
    limits: ClassVar[dict[str, Any]] = {"timeout_s": 60}


_WAYS: dict[str, Any] = {
    "many files": _many_files,
    "many names": _many_names,
    "deleted files": _deleted_files,
    "unlistable folder": _unlistable_folder,
    "deep folders": _deep_folders,
    "all there is": _fill,
}
