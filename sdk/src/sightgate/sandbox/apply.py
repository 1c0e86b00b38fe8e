"""Apply a policy to this process: limits, user, and the kernel's access control, in the order that they need."""

import contextlib
import os
import resource
import signal
import sys
import sysconfig
import threading
import time
from pathlib import Path

from sightgate.sandbox.policy import Policy

# Room above the memory limit before the kernel refuses memory: the server's own measure is exact, this one is not.
DATA_HEADROOM_MB = 300
MIB = 1024 * 1024
OPEN_FILES = 1024
# CAP_DAC_OVERRIDE: the plugin's files may be another user's. Landlock says which files, whoever owns them.
_KEPT_CAPABILITIES = 1 << 1

_SYSTEM_READ = (
    "/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/usr/share/zoneinfo", "/usr/share/fonts",
    "/etc/ld.so.cache", "/etc/localtime", "/etc/ssl/certs", "/etc/fonts",
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu", "/sys/devices/system/node",
    "/dev/urandom", "/dev/random", "/dev/zero",
)  # fmt: skip
_SYSTEM_WRITE = ("/dev/null",)
_NETWORK_READ = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/services",
    "/etc/ssl",
    "/usr/share/ca-certificates",
)
_PROCESS_READ = ("/bin", "/usr/bin", "/usr/local/bin")


def apply(policy: Policy, server_pid: int) -> list[str]:
    """Apply ``policy``; return what could not be applied, in words. Never returns in a worker whose server is gone."""
    _limit(policy)
    missing: list[str] = []
    if policy.user is not None:
        _become(policy.user)
    _die_with(server_pid)  # after the change of user, which would clear it
    if not policy.enforce:
        return ["the sandbox is switched off"]
    if sys.platform != "linux":
        return [f"no sandbox on {sys.platform}"]
    from sightgate.sandbox import kernel, landlock, seccomp

    if os.geteuid() == 0:  # no other user can reach what it needs: root, without root's powers
        kernel.keep_capabilities(_KEPT_CAPABILITIES)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    if landlock.abi():
        read = [*_SYSTEM_READ, *interpreter_paths(), *policy.read]
        read += _NETWORK_READ if policy.network else ()
        read += _PROCESS_READ if policy.processes else ()
        landlock.restrict(read, [*_SYSTEM_WRITE, *policy.write], network=policy.network, execute=policy.processes)
    else:
        missing.append("the kernel has no Landlock")
    if seccomp.supported():
        try:
            seccomp.install(network=policy.network, processes=policy.processes)
        except OSError as refused:
            missing.append(f"the kernel has no seccomp filters: {refused.strerror}")
    else:
        missing.append("there is no table of system calls for this machine")
    return missing


def interpreter_paths() -> list[str]:
    """Return the folders that the interpreter and its libraries lie in."""
    roots = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *sysconfig.get_paths().values()}
    roots.update(entry for entry in sys.path if entry)
    roots.add(str(Path(sys.executable).resolve().parent.parent))
    return sorted(path for path in roots if path != "/")


def _limit(policy: Policy) -> None:
    limits = [(resource.RLIMIT_CORE, 0)]
    if policy.enforce:
        limits.append((resource.RLIMIT_FSIZE, policy.file_mb * MIB))
        limits.append((resource.RLIMIT_NOFILE, OPEN_FILES))
    if policy.memory_mb and sys.platform == "linux":
        limits.append((resource.RLIMIT_DATA, (policy.memory_mb + DATA_HEADROOM_MB) * MIB))
    for which, most in limits:
        _, hard = resource.getrlimit(which)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (allowed, allowed))


def _become(user: int) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _die_with(server_pid: int) -> None:
    if sys.platform == "linux":
        from sightgate.sandbox import kernel

        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(server_pid,), daemon=True).start()
    if os.getppid() != server_pid:  # it died before the kernel was asked to tell
        os._exit(1)


def _watch(server_pid: int) -> None:
    with contextlib.suppress(OSError):
        while os.getppid() == server_pid:
            time.sleep(0.5)
    os._exit(1)
