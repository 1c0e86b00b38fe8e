"""Which system calls a worker can make: a seccomp filter in classic BPF.

Denied calls fail with EPERM, so that libraries can go another way; a wrong architecture ends the process.
Numbers: the kernel's tables for x86_64 and aarch64.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Mapping

from sightgate.sandbox.kernel import PR_SET_SECCOMP, prctl

MODE_FILTER = 2
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _GREATER_EQUAL, _SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_CLONE_THREAD = 0x10000
_X32_BIT = 0x40000000
# Offsets in struct seccomp_data: number, architecture, low halves of the first two arguments (little endian).
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24

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
_KILL = {"x86_64": (62, 234), "aarch64": (129, 131)}  # kill, tgkill: to the process itself only
_PRLIMIT = {"x86_64": 302, "aarch64": 261}


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
    if not processes:
        # The C library falls back to clone, whose flags a filter can see: threads yes, processes no.
        lines += [_line(_EQUAL, _CLONE3, 0, 1), _fail(errno.ENOSYS)]
        lines += _unless(_CLONE[machine], _FIRST, [_line(_SET, _CLONE_THREAD, 1, 0)])
        for number in _KILL[machine]:
            lines += _unless(number, _FIRST, [_line(_EQUAL, pid, 1, 0)])
    lines += _unless(_PRLIMIT[machine], _FIRST, [_line(_EQUAL, 0, 2, 0), _line(_EQUAL, pid, 1, 0)])
    lines.append(_line(_RETURN, _ALLOW))
    return b"".join(lines)


def _unless(number: int, argument: int, tests: list[bytes]) -> list[bytes]:
    """Return lines that fail call ``number`` with EPERM unless a test on its argument jumps over the failure."""
    body = [_line(_LOAD, argument), *tests, _fail(errno.EPERM), _line(_LOAD, _NUMBER)]
    return [_line(_EQUAL, number, 0, len(body)), *body]


def _fail(code: int) -> bytes:
    return _line(_RETURN, _ERRNO | code)


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
