"""What the filter of system calls denies, without the kernel's other means; on the kernel that runs here."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightgate.sandbox import seccomp

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not seccomp.supported(), reason="there is no filter of system calls here"
)

# Under the filter, and nothing else: tries each call, and prints the name of its error, or "done".
FILTERED = """
import ctypes, errno, fcntl, json, os, platform, signal, sys, threading
from sightgate.sandbox import kernel, seccomp

victim, processes = int(sys.argv[1]), sys.argv[2] == "processes"
IOPRIO, MIGRATE, MOVE = {"x86_64": (251, 256, 279), "aarch64": (30, 238, 239)}[platform.machine()]
BEST_EFFORT, IDLE = 2 << 13 | 4, 3 << 13
NODE = (1).to_bytes(8, "little")
F_SETSIG, F_SETOWN_EX, SIOCSPGRP, FIOSETOWN = 10, 15, 0x8902, 0x8901

def tried(attempt):
    try:
        attempt()
    except OSError as failed:
        return errno.errorcode[failed.errno]
    return "done"

def kill_by_file():
    ready, end = os.pipe()
    fcntl.fcntl(ready, fcntl.F_SETOWN, victim)
    fcntl.fcntl(ready, F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(ready, fcntl.F_SETFL, fcntl.fcntl(ready, fcntl.F_GETFL) | os.O_ASYNC)
    os.write(end, b"x")

def in_a_thread(attempt):
    said = []
    thread = threading.Thread(target=lambda: said.append(tried(attempt)))
    thread.start()
    thread.join()
    return said[0]

def at(pid):
    return {
        "setpriority": tried(lambda: os.setpriority(os.PRIO_PROCESS, pid, 19)),
        "sched_setaffinity": tried(lambda: os.sched_setaffinity(pid, {min(os.sched_getaffinity(0))})),
        "ioprio_set": tried(lambda: kernel.syscall(IOPRIO, 1, pid, IDLE)),
        "migrate_pages": tried(lambda: kernel.syscall(MIGRATE, pid, 64, NODE, NODE)),
        "move_pages": tried(lambda: kernel.syscall(MOVE, pid, 0, 0, 0, 0, 0)),
    }

kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
seccomp.install(network=False, processes=processes)
NOBODYS = 54321
print(json.dumps({
    "victim": at(victim),
    "own number": at(os.getpid()),
    "0": at(0),
    "thread": in_a_thread(lambda: os.sched_setaffinity(0, os.sched_getaffinity(0))),
    "kinds": {
        "group": tried(lambda: os.setpriority(os.PRIO_PGRP, victim, 19)),
        "user": tried(lambda: os.setpriority(os.PRIO_USER, NOBODYS, 19)),
        "group's disk": tried(lambda: kernel.syscall(IOPRIO, 2, victim, IDLE)),
        "user's disk": tried(lambda: kernel.syscall(IOPRIO, 3, NOBODYS, IDLE)),
    },
    "files": {} if processes else {
        "F_SETOWN": tried(kill_by_file),
        "F_SETOWN_EX": tried(lambda: fcntl.fcntl(0, F_SETOWN_EX, bytes(8))),
        "SIOCSPGRP": tried(lambda: fcntl.ioctl(0, SIOCSPGRP, bytes(4))),
        "FIOSETOWN": tried(lambda: fcntl.ioctl(0, FIOSETOWN, bytes(4))),
    },
    "close_range": tried(lambda: kernel.syscall(436, 1000, 1001, 0)),
    "own descriptors": [tried(lambda: kernel.syscall(436, 1000, 1001, flags)) for flags in (2, 6)],
    "death signal": tried(lambda: kernel.prctl(kernel.PR_SET_PDEATHSIG, 0)),
    "dumpable": tried(lambda: kernel.prctl(kernel.PR_SET_DUMPABLE, 1)),
    "name": tried(lambda: kernel.prctl(15, ctypes.addressof(ctypes.create_string_buffer(b"worker")))),
}))
"""
PROBING = """
import json, sys
from sightgate.sandbox import probe
print(json.dumps(probe("", sys.argv[2], int(sys.argv[1]))))
"""


@pytest.fixture
def victim() -> Iterator["subprocess.Popen[bytes]"]:
    """A process of the same user, in a group of its own."""
    waiting = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, start_new_session=True
    )
    with waiting:
        yield waiting
        assert waiting.poll() is None, "it was ended"
        waiting.kill()


def run(program: str, *arguments: object) -> dict[str, object]:
    ended = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    told: dict[str, object] = json.loads(ended.stdout)
    return told


def scheduling(pid: int) -> tuple[int, set[int]]:
    return os.getpriority(os.PRIO_PROCESS, pid), os.sched_getaffinity(pid)


@pytest.mark.parametrize("granted", ["nothing", "processes"])
def test_a_worker_schedules_itself_and_nobody_else(victim: "subprocess.Popen[bytes]", granted: str) -> None:
    before = scheduling(victim.pid)
    told = run(FILTERED, victim.pid, granted)
    denied, itself, by_0 = told["victim"], told["own number"], told["0"]
    assert isinstance(denied, dict)
    assert denied == dict.fromkeys(denied, "EPERM")
    assert told["kinds"] == dict.fromkeys(("group", "user", "group's disk", "user's disk"), "EPERM")
    assert scheduling(victim.pid) == before
    for own in (itself, by_0):
        assert isinstance(own, dict)
        assert [own[name] for name in ("setpriority", "sched_setaffinity", "ioprio_set")] == ["done"] * 3
    assert told["thread"] == "done"


def test_a_worker_stays_bound_to_its_server_and_closed_to_others(victim: "subprocess.Popen[bytes]") -> None:
    told = run(FILTERED, victim.pid, "nothing")
    assert (told["death signal"], told["dumpable"], told["name"]) == ("EPERM", "EPERM", "done")


def test_no_thread_has_descriptors_that_the_server_does_not_see(victim: "subprocess.Popen[bytes]") -> None:
    told = run(FILTERED, victim.pid, "nothing")
    assert (told["close_range"], told["own descriptors"]) == ("done", ["EPERM", "EPERM"])


def test_a_worker_that_may_start_processes_can_bind_them_to_itself(victim: "subprocess.Popen[bytes]") -> None:
    told = run(FILTERED, victim.pid, "processes")
    assert (told["death signal"], told["dumpable"]) == ("done", "EPERM")


def test_no_file_that_is_ready_sends_a_signal_to_another(victim: "subprocess.Popen[bytes]") -> None:
    told = run(FILTERED, victim.pid, "nothing")
    assert told["files"] == dict.fromkeys(("F_SETOWN", "F_SETOWN_EX", "SIOCSPGRP", "FIOSETOWN"), "EPERM")


def test_the_probe_finds_what_is_open_and_changes_nothing(victim: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    before = scheduling(victim.pid)
    told = run(PROBING, victim.pid, tmp_path)
    assert (told["scheduling"], told["signals"]) == ("open", "open")
    assert scheduling(victim.pid) == before


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("processes", [False, True])
def test_the_filter_is_well_formed_for_either_machine(machine: str, processes: bool) -> None:
    program = seccomp.build(machine, 4711, network=False, processes=processes)
    lines = len(program) // 8
    assert len(program) == lines * 8
    assert lines <= 4096
    for at in range(lines):
        code, if_true, if_false = program[at * 8], program[at * 8 + 2], program[at * 8 + 3]
        assert code == 0x06 or at + 1 + max(if_true, if_false) < lines
