"""What this machine has of the means that confine workers. What was really denied, `plugins show` tells of each."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from app.cli.findings import Finding, Verdict
from app.settings import Settings

# Alone in a scope, the server can make groups below its own; beside a shell it cannot.
_DELEGATE = "systemd-run --user --scope -p Delegate=yes sightgate serve"


def sandbox_findings(settings: Settings) -> Iterator[Finding]:
    """Look at each means. One that is not there is missing only if the operator demands the sandbox."""
    lacking = Verdict.MISSING if settings.min_isolation == "sandbox" else Verdict.LACKING
    if settings.sandbox == "off":
        yield Finding("sandbox", lacking, "switched off", "unset SIGHTGATE_SANDBOX")
        return
    if sys.platform != "linux":
        yield Finding("sandbox", lacking, f"none on {sys.platform}; workers are separate processes only")
        return
    yield _landlock(lacking)
    yield _seccomp(lacking)
    yield _control_groups()
    yield _user(settings.data_dir)


def _landlock(lacking: Verdict) -> Finding:
    from sightgate.sandbox import landlock

    version = landlock.abi()
    if version:
        return Finding("Landlock", Verdict.OK, f"version {version}")
    said = (
        "the kernel has none: workers can read what the server can; Linux 5.13 or newer has it, where it is switched on"
    )
    return Finding("Landlock", lacking, said, "cat /sys/kernel/security/lsm")


def _seccomp(lacking: Verdict) -> Finding:
    from sightgate.sandbox import seccomp

    if seccomp.supported():
        return Finding("seccomp", Verdict.OK, "system calls of this machine are known")
    return Finding(
        "seccomp", lacking, "there is no table of system calls for this machine: workers can use the network"
    )


def _user(data_dir: Path) -> Finding:
    from app.plugins.sandbox.confinement import needed_by_all_workers, nobody_here, reachable_by_all

    what = "workers' user"
    if os.geteuid() != 0:
        return Finding(what, Verdict.FACT, "the server's own; only root can give workers another")
    if nobody_here() is None:
        return Finding(what, Verdict.LACKING, "root without root's powers: there is no user nobody")
    closed = next((path for path in needed_by_all_workers(data_dir) if not reachable_by_all(path)), None)
    if closed is None:
        return Finding(what, Verdict.OK, "nobody")
    said = f"root without root's powers: the user nobody cannot reach {closed}"
    mend = f"install -d -m 711 {shlex.quote(str(data_dir))}" if closed == data_dir else ""
    return Finding(what, Verdict.LACKING, said, mend)


def _control_groups() -> Finding:
    from app.plugins.sandbox.cgroups import Cgroups

    found = Cgroups.detect()
    if found is not None:
        return Finding("control groups", Verdict.OK, f"version {found.version}")
    said = "none may be made here: memory is limited by a data limit and a watch, and `processes` cannot be granted"
    mend = _DELEGATE if shutil.which("systemd-run") else ""
    return Finding("control groups", Verdict.LACKING, said, mend)
