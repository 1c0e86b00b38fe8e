"""Find plugins: installed packages, plugin folders, own environments. A throw-away worker imports them, not we."""

import asyncio
import dataclasses
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from app.governance.errors import CallEnded
from app.governance.isolation import Isolation
from app.governance.lifecycle import Availability
from app.plugins.loader.environments import Environment, PluginEnvironments, UnusableEnvironment
from app.plugins.sandbox.calls_in_flight import WorkerGone
from app.plugins.sandbox.confinement import Confinement, WorkerSpec
from app.plugins.sandbox.launch import how_it_ended
from app.plugins.sandbox.worker_process import WorkerProcess
from sightgate.manifest import Manifest, ManifestError, Source, check_name

ENTRY_POINT_GROUP = "sightgate.plugins"
DISCOVERY_MEMORY_MB = 4096


@dataclass(frozen=True, slots=True)
class Candidate:
    """Where plugins may be: a source, and the environment of its own that it runs in.

    ``fault`` says why it cannot be used; ``instead_of`` is the place of what it takes precedence over.
    """

    source: Source
    environment: Environment | None = None
    fault: str = ""
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """One plugin of a source: its manifest, or the reason why it cannot be called.

    ``instead_of`` names the places of plugins of the same name that it takes precedence over.
    """

    name: str
    source: Source
    interpreter: str
    manifest: Manifest | None = None
    availability: Availability = Availability.OK
    reason: str | None = None
    detail: str = ""
    isolation: Isolation = field(default_factory=Isolation)
    environment: Environment | None = None
    instead_of: str = ""

    @property
    def origin(self) -> str:
        """Return what kind of place it is from: ``entry_point``, ``path`` or ``environment``."""
        return "environment" if self.environment is not None else self.source.kind

    @property
    def place(self) -> str:
        """Return where it is from, for people."""
        where = place_of(self.source) if self.environment is None else self.environment.place
        return f"{where}, instead of {self.instead_of}" if self.instead_of else where


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


def environment_candidates(environments: PluginEnvironments) -> list[Candidate]:
    """Return the candidates in own environments; one that cannot be used is a candidate with a fault."""
    candidates: list[Candidate] = []
    for found in environments.all():
        if isinstance(found, UnusableEnvironment):
            candidates += [Candidate(Source("entry_point", "", name), None, str(found)) for name in found.plugins]
        else:
            candidates += [Candidate(source, found) for source in found.sources()]
    return candidates


async def discover(
    candidates: Iterable[Candidate],
    interpreters: Mapping[str, str],
    configs: Mapping[str, Mapping[str, Any]],
    options: DiscoveryOptions,
) -> list[Found]:
    """Describe every source in a worker of its own and return a row for each plugin.

    ``interpreters`` and ``configs`` are the operator's, by plugin name. Two plugins of one name are both FAILED, each
    with the other's place as the reason; but an own environment takes precedence over an installed package.
    """
    limit = asyncio.Semaphore(options.at_once)

    async def one(candidate: Candidate) -> list[Found]:
        async with limit:
            return await describe_candidate(candidate, interpreters, configs, options)

    described = await asyncio.gather(*(one(candidate) for candidate in candidates))
    return _without_twins([found for rows in described for found in rows])


async def describe_candidate(
    candidate: Candidate,
    interpreters: Mapping[str, str],
    configs: Mapping[str, Mapping[str, Any]],
    options: DiscoveryOptions,
) -> list[Found]:
    """Return a row for each plugin of one candidate; one that cannot be loaded is one FAILED row."""
    source = candidate.source
    if candidate.fault:
        return [_failed(source, sys.executable, candidate.fault)]
    interpreter = interpreters.get(source.name, sys.executable) if candidate.environment is None else sys.executable
    found = await describe_source(source, interpreter, configs, options, candidate.environment)
    return [
        dataclasses.replace(row, environment=candidate.environment, instead_of=candidate.instead_of) for row in found
    ]


async def describe_source(
    source: Source,
    interpreter: str,
    configs: Mapping[str, Mapping[str, Any]],
    options: DiscoveryOptions,
    environment: Environment | None = None,
) -> list[Found]:
    """Return a row for each plugin of one source; a source that cannot be loaded is one FAILED row.

    A worker is given the configurations of the plugins that its source holds, and no others: for a file that is known
    only after a first look.
    """
    folder = str(environment.folder) if environment is not None else ""
    spec = WorkerSpec(source, interpreter=interpreter, memory_mb=DISCOVERY_MEMORY_MB, environment=folder)
    known = {source.name} if source.kind == "entry_point" else set()
    found = await _describe(dataclasses.replace(spec, config=_only(configs, known)), options)
    names = {row.name for row in found}
    if not names & set(configs) - known:
        return found
    return await _describe(dataclasses.replace(spec, config=_only(configs, names)), options)


def _only(configs: Mapping[str, Mapping[str, Any]], names: Collection[str]) -> dict[str, Mapping[str, Any]]:
    return {name: config for name, config in configs.items() if name in names and config}


async def _describe(spec: WorkerSpec, options: DiscoveryOptions) -> list[Found]:
    try:
        rows, isolation = await _first_answer(spec, options.confinement, options.timeout_s)
    except _NotLoaded as reason:
        return [_failed(spec.source, spec.interpreter, str(reason), reason.detail)]
    found = [_found(spec.source, spec.interpreter, row, isolation) for row in rows]
    return found or [_failed(spec.source, spec.interpreter, "it holds no plugin")]


async def _first_answer(
    spec: WorkerSpec, confinement: Confinement, within_s: float
) -> tuple[list[dict[str, Any]], Isolation]:
    """Return what a throw-away worker says when it is ready. Raises _NotLoaded."""
    worker: WorkerProcess | None = None
    try:
        worker = await WorkerProcess.start(spec, confinement)
        return await worker.ready(within_s), worker.isolation
    except TimeoutError:
        raise _NotLoaded(f"it was not loaded within {within_s:g} s") from None
    except WorkerGone as gone:
        status = await worker.end() if worker is not None else 0
        how = f"its process ended with {how_it_ended(status)} while it was loaded: {gone}"
        raise _NotLoaded(how, worker.output() if worker is not None else "") from gone
    except CallEnded as ended:
        raise _NotLoaded(f"its process was ended while it was loaded: {ended.message}") from ended
    except OSError as refused:
        raise _NotLoaded(f"no worker could be started with its interpreter: {refused.strerror}") from refused
    finally:
        if worker is not None:
            await worker.end()


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
    for name, same in by_name.items():
        rows = _preferred(same)
        if len(rows) == 1:
            kept += rows
            continue
        places = " and ".join(sorted(row.place for row in rows))
        reason = f"two plugins are named {name!r}: {places}; rename or remove one"
        kept.append(Found(name, rows[0].source, rows[0].interpreter, None, Availability.FAILED, reason))
    return kept


def _preferred(rows: list[Found]) -> list[Found]:
    """Return those of one name that an own environment, which the operator asked for, does not take the place of."""
    packages = [row for row in rows if row.origin == "entry_point"]
    if all(row.environment is None for row in rows):
        return rows
    places = " and ".join(sorted(row.place for row in packages))
    rest = [row for row in rows if row.origin != "entry_point"]
    return [dataclasses.replace(row, instead_of=places) for row in rest]


class _NotLoaded(Exception):
    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail
