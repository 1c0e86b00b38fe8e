"""Find plugins: entry points (from metadata alone) and plugin folders. A throw-away worker imports them, not we."""

import asyncio
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from app.governance.isolation import Isolation
from app.governance.lifecycle import Availability
from app.plugins.sandbox.confinement import Confinement, WorkerSpec
from app.plugins.sandbox.launch import how_it_ended
from app.plugins.sandbox.worker_process import WorkerGone, WorkerProcess
from sightgate.manifest import Manifest, ManifestError, Source, check_name

ENTRY_POINT_GROUP = "sightgate.plugins"
DISCOVERY_MEMORY_MB = 4096


@dataclass(frozen=True, slots=True)
class Found:
    """One plugin of a source: its manifest, or the reason why it cannot be called."""

    name: str
    source: Source
    interpreter: str
    manifest: Manifest | None = None
    availability: Availability = Availability.OK
    reason: str | None = None
    detail: str = ""
    isolation: Isolation = field(default_factory=Isolation)


@dataclass(frozen=True, slots=True)
class DiscoveryOptions:
    """How sources are described: seconds each may take, how many at once, how its worker is kept apart."""

    confinement: Confinement
    timeout_s: float = 30.0
    at_once: int = 4


def installed_sources() -> list[Source]:
    """Return the sources that installed packages name as entry points, without importing anything."""
    points = metadata.entry_points(group=ENTRY_POINT_GROUP)
    return [Source("entry_point", point.value, point.name) for point in sorted(points, key=lambda point: point.name)]


def folder_sources(folder: Path) -> list[Source]:
    """Return the sources in a plugin folder: Python files and packages, but those that begin with ``_`` or ``.``.

    Raises OSError if the folder cannot be read.
    """
    found = []
    for path in sorted(folder.iterdir()):
        is_package = path.is_dir() and (path / "__init__.py").is_file()
        if path.name[0] not in "_." and (is_package or (path.suffix == ".py" and path.is_file())):
            found.append(Source("path", str(path.resolve()), path.stem))
    return found


async def discover(
    sources: Iterable[Source],
    interpreters: Mapping[str, str],
    configs: Mapping[str, Mapping[str, Any]],
    options: DiscoveryOptions,
) -> list[Found]:
    """Describe every source in a worker of its own and return a row for each plugin.

    ``interpreters`` and ``configs`` are the operator's, by plugin name. Two plugins of one name are both FAILED, each
    with the other's place as the reason.
    """
    limit = asyncio.Semaphore(options.at_once)

    async def one(source: Source) -> list[Found]:
        async with limit:
            return await describe_source(source, interpreters.get(source.name, sys.executable), configs, options)

    described = await asyncio.gather(*(one(source) for source in sources))
    return _without_twins([found for rows in described for found in rows])


async def describe_source(
    source: Source, interpreter: str, configs: Mapping[str, Mapping[str, Any]], options: DiscoveryOptions
) -> list[Found]:
    """Return a row for each plugin of one source; a source that cannot be loaded is one FAILED row.

    A worker is given the configurations of the plugins that its source holds, and no others: for a file that is known
    only after a first look.
    """
    known = {source.name} if source.kind == "entry_point" else set()
    found = await _describe(source, interpreter, _only(configs, known), options)
    names = {row.name for row in found}
    return (
        await _describe(source, interpreter, _only(configs, names), options) if names & set(configs) - known else found
    )


def _only(configs: Mapping[str, Mapping[str, Any]], names: Collection[str]) -> dict[str, Mapping[str, Any]]:
    return {name: config for name, config in configs.items() if name in names and config}


async def _describe(
    source: Source, interpreter: str, configs: Mapping[str, Mapping[str, Any]], options: DiscoveryOptions
) -> list[Found]:
    spec = WorkerSpec(source, interpreter=interpreter, config=configs, memory_mb=DISCOVERY_MEMORY_MB)
    worker: WorkerProcess | None = None
    try:
        worker = await WorkerProcess.start(spec, options.confinement)
        rows = await worker.ready(options.timeout_s)
    except TimeoutError:
        return [_failed(source, interpreter, f"it was not loaded within {options.timeout_s:g} s")]
    except WorkerGone as gone:
        status = await worker.end() if worker is not None else 0
        how = f"its process ended with {how_it_ended(status)} while it was loaded: {gone}"
        return [_failed(source, interpreter, how, worker.output() if worker is not None else "")]
    except OSError as refused:
        return [_failed(source, interpreter, f"no worker could be started with its interpreter: {refused.strerror}")]
    finally:
        if worker is not None:
            await worker.end()
    found = [_found(source, interpreter, row, worker.isolation) for row in rows]
    return found or [_failed(source, interpreter, "it holds no plugin")]


def place_of(source: Source) -> str:
    """Return where a source is, for people: a package's entry point or a file's name."""
    return f"entry point {source.value}" if source.kind == "entry_point" else Path(source.value).name


def row_name(text: str) -> str:
    """Return a name a row can have, made from a file's stem or whatever a broken plugin calls itself."""
    kept = re.sub("[^a-z0-9_-]", "-", text.lower()).strip("-_")
    return kept[:64] or "unnamed"


def _found(source: Source, interpreter: str, row: Mapping[str, Any], isolation: Isolation) -> Found:
    if "manifest" in row:
        try:
            manifest = Manifest.from_data(row["manifest"])
        except ManifestError as broken:
            return _failed(source, interpreter, f"its manifest is broken: {broken}")
        return Found(manifest.name, source, interpreter, manifest, isolation=isolation)
    availability = Availability.UNAVAILABLE if row.get("unavailable") is True else Availability.FAILED
    try:
        name = check_name(row.get("name"))
    except ManifestError:
        name = row_name(source.name)
    reason = str(row.get("reason", ""))[:2_000]
    detail = str(row.get("traceback", ""))[:32_000]
    return Found(name, source, interpreter, None, availability, reason, detail)


def _failed(source: Source, interpreter: str, reason: str, detail: str = "") -> Found:
    return Found(row_name(source.name), source, interpreter, None, Availability.FAILED, reason, detail)


def _without_twins(found: list[Found]) -> list[Found]:
    by_name: dict[str, list[Found]] = {}
    for row in found:
        by_name.setdefault(row.name, []).append(row)
    kept = []
    for name, rows in by_name.items():
        if len(rows) == 1:
            kept += rows
            continue
        places = " and ".join(sorted(place_of(row.source) for row in rows))
        reason = f"two plugins are named {name!r}: {places}; rename or remove one"
        kept.append(Found(name, rows[0].source, rows[0].interpreter, None, Availability.FAILED, reason))
    return kept
