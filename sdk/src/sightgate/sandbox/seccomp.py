"""Which system calls a worker can make: a seccomp filter in classic BPF.

Denied calls fail with EPERM, so that libraries can go another way; a wrong architecture ends the process.
Numbers: the kernel's tables for x86_64 and aarch64.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Mapping, Sequence

from sightgate.sandbox.kernel import PR_SET_DUMPABLE, PR_SET_PDEATHSIG, PR_SET_SECCOMP, prctl

MODE_FILTER = 2
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _GREATER_EQUAL, _SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_CLONE_FILES, _CLONE_THREAD = 0x400, 0x10000
_X32_BIT = 0x40000000
# Offsets in struct seccomp_data: number, architecture, low halves of the first three arguments (little endian).
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND, _THIRD = 0, 4, 16, 24, 32
_PRIO_PROCESS, _IOPRIO_WHO_PROCESS = 0, 1

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

NETWORK = {
    "x86_64": {"socket": 41, "connect": 42, "bind": 49, "listen": 50},
    "aarch64": {"socket": 198, "connect": 203, "bind": 200, "listen": 201},
}
PROCESSES = {
    "x86_64": {"fork": 57, "vfork": 58, "execve": 59, "execveat": 322},
    "aarch64": {"execve": 221, "execveat": 281},
}
# Never allowed, whatever is granted: reaching into other processes, changing what the kernel or the system is,
# changing the owner, mode or times of files (Landlock does not cover them), leaving the process group, making memory
# and queues that outlive the process or count as nobody's, and real-time priority.
ALWAYS: Mapping[str, Mapping[str, int]] = {
    "x86_64": {
        "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "process_madvise": 440, "kcmp": 312,
        "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "tkill": 200,
        "pidfd_open": 434, "pidfd_send_signal": 424, "pidfd_getfd": 438,
        "bpf": 321, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
        "perf_event_open": 298, "userfaultfd": 323, "keyctl": 250, "add_key": 248, "request_key": 249,
        "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308,
        "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
        "mount_setattr": 442, "init_module": 175, "finit_module": 313, "delete_module": 176,
        "kexec_load": 246, "kexec_file_load": 320, "reboot": 169, "swapon": 167, "swapoff": 168,
        "settimeofday": 164, "clock_settime": 227, "clock_adjtime": 305, "adjtimex": 159, "acct": 163,
        "quotactl": 179, "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173,
        "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452,
        "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260,
        "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280,
        "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190,
        "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199,
        "setuid": 105, "setgid": 106, "setreuid": 113, "setregid": 114, "setresuid": 117, "setresgid": 119,
        "setgroups": 116, "setfsuid": 122, "setfsgid": 123, "capset": 126, "personality": 135,
        "setsid": 112, "setpgid": 109, "name_to_handle_at": 303, "open_by_handle_at": 304,
        "fanotify_init": 300, "syslog": 103, "vhangup": 153, "mknod": 133, "mknodat": 259,
        "shmget": 29, "semget": 64, "msgget": 68, "mq_open": 240, "memfd_create": 319, "memfd_secret": 447,
        "sched_setparam": 142, "sched_setscheduler": 144, "sched_setattr": 314,
    },
    "aarch64": {
        "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "process_madvise": 440, "kcmp": 272,
        "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240, "tkill": 130,
        "pidfd_open": 434, "pidfd_send_signal": 424, "pidfd_getfd": 438,
        "bpf": 280, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
        "perf_event_open": 241, "userfaultfd": 282, "keyctl": 219, "add_key": 217, "request_key": 218,
        "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "unshare": 97, "setns": 268,
        "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
        "mount_setattr": 442, "init_module": 105, "finit_module": 273, "delete_module": 106,
        "kexec_load": 104, "kexec_file_load": 294, "reboot": 142, "swapon": 224, "swapoff": 225,
        "settimeofday": 170, "clock_settime": 112, "clock_adjtime": 266, "adjtimex": 171, "acct": 89,
        "quotactl": 60, "sethostname": 161, "setdomainname": 162,
        "fchmod": 52, "fchmodat": 53, "fchmodat2": 452, "fchown": 55, "fchownat": 54, "utimensat": 88,
        "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
        "setuid": 146, "setgid": 144, "setreuid": 145, "setregid": 143, "setresuid": 147, "setresgid": 149,
        "setgroups": 159, "setfsuid": 151, "setfsgid": 152, "capset": 91, "personality": 92,
        "setsid": 157, "setpgid": 154, "name_to_handle_at": 264, "open_by_handle_at": 265,
        "fanotify_init": 262, "syslog": 116, "vhangup": 58, "mknodat": 33,
        "shmget": 194, "semget": 190, "msgget": 186, "mq_open": 180, "memfd_create": 279, "memfd_secret": 447,
        "sched_setparam": 118, "sched_setscheduler": 119, "sched_setattr": 274,
    },
}  # fmt: skip
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
# With a flag that gives the calling thread descriptors of its own, where the server would not see what it holds open.
_CLOSE_RANGE, _OWN_DESCRIPTORS = 436, (2, 2 | 4)
_KILL = {"x86_64": (62, 234), "aarch64": (129, 131)}  # kill, tgkill: to the process itself only
# What takes a process by its number, to slow it or to bind it: the process itself only, as 0 or by its number. A filter
# cannot tell the numbers of its own threads from those of other processes: a thread names itself by 0.
_BY_NUMBER: Mapping[str, Mapping[str, int]] = {
    "x86_64": {"prlimit64": 302, "sched_setaffinity": 203, "migrate_pages": 256, "move_pages": 279},
    "aarch64": {"prlimit64": 261, "sched_setaffinity": 122, "migrate_pages": 238, "move_pages": 239},
}
# The same, where the first argument tells whether the second is a process, a group or a user: processes only.
_BY_KIND: Mapping[str, Mapping[int, int]] = {
    "x86_64": {141: _PRIO_PROCESS, 251: _IOPRIO_WHO_PROCESS},  # setpriority, ioprio_set
    "aarch64": {140: _PRIO_PROCESS, 30: _IOPRIO_WHO_PROCESS},
}
_PRCTL = {"x86_64": 157, "aarch64": 167}
# Who is told by a signal, of the caller's choice, when a file is ready: another way to kill.
_OWNER_OF_A_FILE: Mapping[str, Mapping[int, tuple[int, int]]] = {
    "x86_64": {72: (8, 15), 16: (0x8901, 0x8902)},  # fcntl F_SETOWN, F_SETOWN_EX; ioctl FIOSETOWN, SIOCSPGRP
    "aarch64": {25: (8, 15), 29: (0x8901, 0x8902)},
}


def supported() -> bool:
    """Tell whether there are tables for this machine."""
    return platform.machine() in _AUDIT


def install(*, network: bool, processes: bool) -> None:
    """Filter the system calls of this process, for good. Needs no_new_privs. Raises OSError where it is missing."""
    program = build(platform.machine(), os.getpid(), network=network, processes=processes)
    buffer = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer)))
    prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.addressof(header))


def build(machine: str, pid: int, *, network: bool, processes: bool) -> bytes:
    """Return the filter as an array of ``struct sock_filter``."""
    denied = dict(ALWAYS[machine])
    if not network:
        denied |= NETWORK[machine]
    if not processes:
        denied |= PROCESSES[machine]
    lines = [_line(_LOAD, _ARCHITECTURE), _line(_EQUAL, _AUDIT[machine], 1, 0), _line(_RETURN, _KILL_PROCESS)]
    lines.append(_line(_LOAD, _NUMBER))
    if machine == "x86_64":
        lines += [_line(_GREATER_EQUAL, _X32_BIT, 0, 1), _line(_RETURN, _KILL_PROCESS)]
    for number in sorted(denied.values()):
        lines += [_line(_EQUAL, number, 0, 1), _fail(errno.EPERM)]
    itself = (0, pid)
    if not processes:
        # The C library falls back to clone, whose flags a filter can see: threads yes, processes no.
        lines += [_line(_EQUAL, _CLONE3, 0, 1), _fail(errno.ENOSYS)]
        needed = [
            _line(_SET, _CLONE_THREAD, 1, 0),
            _fail(errno.EPERM),
            _line(_SET, _CLONE_FILES, 1, 0),
            _fail(errno.EPERM),
        ]
        lines += _where(_CLONE[machine], [_line(_LOAD, _FIRST), *needed])
        lines += _where(_CLOSE_RANGE, _none_of(_THIRD, _OWN_DESCRIPTORS))
        for number in _KILL[machine]:
            lines += _where(number, _only(_FIRST, (pid,)))
        for number, commands in _OWNER_OF_A_FILE[machine].items():
            lines += _where(number, _none_of(_SECOND, commands))
    for number in _BY_NUMBER[machine].values():
        lines += _where(number, _only(_FIRST, itself))
    for number, process in _BY_KIND[machine].items():
        lines += _where(number, _only(_FIRST, (process,)) + _only(_SECOND, itself))
    # A worker dies with the server. Where it may start processes it can leave some behind anyhow, and libraries bind
    # those to the worker by the same call.
    kept = (PR_SET_DUMPABLE,) if processes else (PR_SET_DUMPABLE, PR_SET_PDEATHSIG)
    lines += _where(_PRCTL[machine], _none_of(_FIRST, kept))
    lines.append(_line(_RETURN, _ALLOW))
    return b"".join(lines)


def _where(number: int, body: list[bytes]) -> list[bytes]:
    """Return lines that do ``body`` for call ``number``."""
    body = [*body, _line(_LOAD, _NUMBER)]
    return [_line(_EQUAL, number, 0, len(body)), *body]


def _only(argument: int, allowed: Sequence[int]) -> list[bytes]:
    """Return lines that fail with EPERM unless the argument is one of ``allowed``."""
    tests = [_line(_EQUAL, value, len(allowed) - index, 0) for index, value in enumerate(allowed)]
    return [_line(_LOAD, argument), *tests, _fail(errno.EPERM)]


def _none_of(argument: int, denied: Sequence[int]) -> list[bytes]:
    """Return lines that fail with EPERM if the argument is one of ``denied``."""
    tests = [line for value in denied for line in (_line(_EQUAL, value, 0, 1), _fail(errno.EPERM))]
    return [_line(_LOAD, argument), *tests]


def _fail(code: int) -> bytes:
    return _line(_RETURN, _ERRNO | code)


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
