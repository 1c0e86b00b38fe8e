"""The few system calls that Python has no function for, by ctypes. No package is needed."""

import ctypes
import os
import struct

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def syscall(number: int, *arguments: int | bytes) -> int:
    """Make a system call; ``bytes`` are passed by address. Raises OSError."""
    passed = [
        ctypes.c_char_p(argument) if isinstance(argument, bytes) else ctypes.c_long(argument) for argument in arguments
    ]
    result: int = _libc.syscall(ctypes.c_long(number), *passed)
    return _checked(result)


def prctl(option: int, second: int = 0, third: int = 0) -> None:
    """Call prctl(2); ``third`` may be an address. Raises OSError."""
    rest = (ctypes.c_ulong(value) for value in (second, third, 0, 0))
    _checked(_libc.prctl(option, *rest))


def keep_capabilities(wanted: int) -> None:
    """Give up every capability but those of the bit mask ``wanted`` that this process has, for good. Raises OSError."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    current = ctypes.create_string_buffer(24)
    _checked(_libc.capget(header, current))
    _, low, _, _, high, _ = struct.unpack("=6I", current.raw)
    low, high = low & wanted, high & wanted >> 32
    _checked(_libc.capset(header, struct.pack("=6I", low, low, 0, high, high, 0)))


def give_back_memory() -> None:
    """Return to the kernel what the C library keeps of freed memory, where it is one that can be asked to."""
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
