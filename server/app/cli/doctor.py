"""What is installed, what is missing, and the command that mends each. Imports nothing of what it looks for."""

import os
import platform
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from app.cli.failures import CliError, told_clearly
from app.cli.findings import Finding, Verdict
from app.cli.listening import listen
from app.cli.options import check_plugins_dir
from app.cli.sandbox_findings import sandbox_findings
from app.settings import Settings, UnsafeSettings, check_safe, unknown_variables
from app.storage.data_folder import Owner, read_owner
from sightgate.errors import counted

BUNDLED = ("image-info", "quality", "barcodes", "ocr", "faces", "fingerprint", "objects")
SERVER = "sightgate-server"
LOW_DISK_BYTES = 1024**3


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, in the order in which it is needed."""
    yield Finding("Python", Verdict.OK, f"{platform.python_version()} at {sys.executable}")
    yield Finding("platform", Verdict.FACT, platform.platform())
    yield from _packages()
    yield _uvloop()
    for name in BUNDLED:
        yield _bundled(name)
    yield from _variables()
    yield _safe(settings)
    yield _data_folder(settings.data_dir)
    yield _disk(settings.data_dir)
    owner = _owner(settings.data_dir)
    yield owner if isinstance(owner, Finding) else _lock(owner)
    yield _port(settings, owner if isinstance(owner, Owner) else None)
    yield _operator_file(settings.data_dir)
    yield _plugins_dir(settings.plugins_dir)
    yield from sandbox_findings(settings)


def _packages() -> Iterator[Finding]:
    lacking = [text for text in _requirements(SERVER) if "uvloop" not in text and not _installed(text)]
    if not lacking:
        yield Finding("server packages", Verdict.OK, "all installed")
    for text in lacking:
        yield Finding(text, Verdict.MISSING, "a package of the server is not installed", _install(text))


def _uvloop() -> Finding:
    if find_spec("uvloop") is not None:
        return Finding("uvloop", Verdict.OK, metadata.version("uvloop"))
    return Finding("uvloop", Verdict.LACKING, "not installed; the server is slower without it", _install("uvloop"))


def _bundled(name: str) -> Finding:
    what, package = f"plugin {name}", f"sightgate-plugin-{name}"
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        return Finding(what, Verdict.LACKING, "not installed", _install(f"./plugins/{name}", from_checkout=True))
    lacking = [text for text in _requirements(package) if not _installed(text)]
    if lacking:
        return Finding(what, Verdict.LACKING, f"{version} lacks {', '.join(lacking)}", _install(*lacking))
    modules = {point.module.partition(".")[0] for point in _entry_points(package)}
    if not modules or any(find_spec(module) is None for module in modules):
        again = _install(f"./plugins/{name}", from_checkout=True)
        return Finding(what, Verdict.LACKING, f"{version} is installed but its code is not there", again)
    return Finding(what, Verdict.OK, version)


def _variables() -> Iterator[Finding]:
    for name, nearest in unknown_variables(os.environ).items():
        said = f"there is no such setting{f'; is {nearest} meant?' if nearest else ''}"
        yield Finding(name, Verdict.LACKING, said, f"unset {name}")


def _safe(settings: Settings) -> Finding:
    try:
        check_safe(settings)
    except UnsafeSettings as unsafe:
        said, _, mend = str(unsafe).rpartition("\n")
        return Finding("API key", Verdict.MISSING, said.splitlines()[0], mend.strip())
    said = "set" if settings.key is not None else f"none is needed on {settings.host}"
    return Finding("API key", Verdict.OK, said)


def _data_folder(folder: Path) -> Finding:
    place = _nearest(folder)
    elsewhere = f"sightgate serve --data-dir {shlex.quote(str(Path.home() / 'sightgate'))}"
    if folder.exists() and not folder.is_dir():
        return Finding("data folder", Verdict.MISSING, f"{folder} is a file", elsewhere)
    said = str(folder.resolve()) if place == folder else f"{folder.resolve()} will be made"
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as refused:
        return Finding("data folder", Verdict.MISSING, f"{place} cannot be written: {refused.strerror}", elsewhere)
    return Finding("data folder", Verdict.OK, said)


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(_nearest(folder)).free
    said = f"{free / 1024**3:.1f} GiB free"
    if free < LOW_DISK_BYTES:
        return Finding(
            "disk", Verdict.LACKING, f"{said}; inputs of jobs need room", f"du -sh {shlex.quote(str(folder))}"
        )
    return Finding("disk", Verdict.OK, said)


def _owner(folder: Path) -> Owner | Finding | None:
    try:
        with told_clearly(folder):
            return read_owner(folder)
    except CliError as refused:
        return Finding("data folder's lock", Verdict.MISSING, refused.message, f"ls -l {shlex.quote(str(folder))}")


def _lock(owner: Owner | None) -> Finding:
    if owner is None:
        return Finding("data folder's lock", Verdict.OK, "free; no server runs on it")
    who = f"process {owner.pid}" if owner.pid is not None else "another process"
    where = f", a server at {owner.address}" if owner.address else ""
    return Finding("data folder's lock", Verdict.FACT, f"held by {who}{where}")


def _port(settings: Settings, owner: Owner | None) -> Finding:
    what = f"port {settings.port}"
    if owner is not None and (owner.address or "").endswith(f":{settings.port}"):
        return Finding(what, Verdict.OK, "used by the server on this data folder")
    try:
        listen(settings.host, settings.port).close()
    except CliError as refused:
        return Finding(what, Verdict.MISSING, refused.message, "sightgate serve --port 0")
    return Finding(what, Verdict.OK, f"free on {settings.host}")


def _operator_file(folder: Path) -> Finding:
    from app.services.operator_file import OperatorFileError, read_operator_file

    file = folder / "plugins.toml"
    try:
        tables = read_operator_file(file)
    except OperatorFileError as broken:
        return Finding("plugins.toml", Verdict.MISSING, str(broken), f"${{EDITOR:-vi}} {shlex.quote(str(file))}")
    said = f"{counted(len(tables), 'plugin')} named" if file.exists() else "none; every plugin has its own defaults"
    return Finding("plugins.toml", Verdict.OK, said)


def _plugins_dir(folder: Path | None) -> Finding:
    try:
        check_plugins_dir(folder)
    except CliError as refused:
        name = shlex.quote(str(folder))
        mend = f"ls -ld {name}" if folder is not None and folder.exists() else f"mkdir -p {name}"
        return Finding("plugin folder", Verdict.MISSING, refused.message.partition(";")[0], mend)
    return Finding("plugin folder", Verdict.OK, str(folder) if folder is not None else "none is set")


def _requirements(package: str) -> list[str]:
    try:
        texts = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return [package]
    return [text.partition(";")[0].strip() for text in texts if "extra ==" not in text]


def _installed(requirement: str) -> bool:
    named = re.match(r"[A-Za-z0-9._-]+", requirement)
    try:
        return named is not None and bool(metadata.version(named.group()))
    except metadata.PackageNotFoundError:
        return False


def _entry_points(package: str) -> Iterator[metadata.EntryPoint]:
    yield from metadata.distribution(package).entry_points.select(group="sightgate.plugins")


def _install(*requirements: str, from_checkout: bool = False) -> str:
    how = f"{sys.executable} -m pip install" if find_spec("pip") else f"uv pip install --python {sys.executable}"
    where = "  # in the checkout" if from_checkout else ""
    return f"{how} {' '.join(map(shlex.quote, requirements))}{where}"


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    return next((place for place in (folder, *folder.absolute().parents) if place.is_dir()), Path("/"))
