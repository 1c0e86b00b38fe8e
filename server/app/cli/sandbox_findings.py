"""What this machine has of the means that confine workers. What was really denied, `plugins show` tells of each."""

import shutil
import sys
from collections.abc import Iterator

from app.cli.findings import Finding, Verdict
from app.settings import Settings

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


def _control_groups() -> Finding:
    from app.plugins.sandbox.cgroups import Cgroups

    found = Cgroups.detect()
    if found is not None:
        return Finding("control groups", Verdict.OK, f"version {found.version}")
    said = "none may be made here: memory is limited by a data limit and a watch, and `processes` cannot be granted"
    mend = _DELEGATE if shutil.which("systemd-run") else ""
    return Finding("control groups", Verdict.LACKING, said, mend)
