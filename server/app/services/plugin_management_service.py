"""Plugins as operators see them: discovery, metadata, reload, enable, disable."""

import asyncio
import contextlib
import dataclasses
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from app.governance.errors import PluginNotFound, PluginRefused
from app.governance.isolation import Isolation
from app.governance.lifecycle import Availability
from app.governance.retry import RetryPolicy
from app.governance.schema_check import UnusableSchema, options_check, result_check
from app.plugins.loader.environments import PluginEnvironments
from app.plugins.loader.plugin_discovery import (
    Candidate,
    DiscoveryOptions,
    Found,
    describe_candidate,
    discover,
    environment_candidates,
    folder_sources,
    installed_sources,
    place_of,
)
from app.plugins.loader.plugin_registry import AvailabilityRecord, PluginRecord, PluginRegistry
from app.plugins.sandbox.batching import BatchingWorkers
from app.plugins.sandbox.confinement import WorkerSpec
from app.plugins.sandbox.home_loop import HomeLoop
from app.plugins.sandbox.pool import PoolOptions, ProcessWorkers
from app.services.grants import RunningRules, granted_of, obstacle_of
from app.services.operator_file import OperatorFileError, OperatorSay, read_operator_file
from app.storage.errors import StorageError
from app.storage.records import Change, PluginOverride
from app.storage.store import JobStore
from sightgate.manifest import Limits, Manifest

log = structlog.get_logger("sightgate.plugins")

DISABLED_OVER_API = "disabled by the operator; POST /v1/plugins/{name}/enable enables it"
FOLLOW_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class PluginPlaces:
    """Where plugins are looked for, and the file with the operator's say over them."""

    plugins_dir: Path | None
    operator_file: Path
    environments: PluginEnvironments
    installed: bool = True


class PluginManagementService:
    """Fills the registry from what is found, the operator's file and the stored overrides."""

    def __init__(
        self,
        registry: PluginRegistry,
        store: JobStore,
        home: HomeLoop,
        places: PluginPlaces,
        discovery: DiscoveryOptions,
        pool: PoolOptions,
        enabled_elsewhere: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._registry = registry
        self._store = store
        self._home = home
        self._places = places
        self._discovery = discovery
        self._pool = pool
        self._rules = RunningRules(places.operator_file.name, pool.confinement)
        self._says: Mapping[str, OperatorSay] = {}
        self._candidates: dict[str, Candidate] = {}
        # What keeps a plugin from running, enabled or not.
        self._obstacles: dict[str, AvailabilityRecord] = {}
        self._changing = asyncio.Lock()
        self._enabled_elsewhere = enabled_elsewhere
        self._heard = False
        self._follows: asyncio.Task[None] | None = None
        self.discovered = False
        store.listen(self._changed_elsewhere)

    async def discover(self, only: Collection[str] | None = None) -> None:
        """Find all plugins, or those named by ``only``, and fill the registry.

        Raises OperatorFileError, OSError if the folder is not there.

        A plugin that cannot be loaded is a row with its reason; the others work.
        """
        async with self._changing:
            self._says = read_operator_file(self._places.operator_file)
            overrides = await self._store.plugin_overrides()
            found = await discover(self._find(only), self._interpreters(), self._configs(), self._discovery)
            await asyncio.gather(*(self._adopt(row, overrides) for row in found))
        self.discovered = True

    def retry_policy(self, name: str, default: RetryPolicy) -> RetryPolicy:
        """Return how the jobs of a plugin are tried again, as ``plugins.toml`` says, else by ``default``."""
        say = self._says.get(name)
        return RetryPolicy.from_json(say.retry, default) if say is not None and say.retry else default

    def show_all(self) -> list[dict[str, Any]]:
        """Return a row for every plugin."""
        return self._registry.all_status()

    def show(self, name: str) -> dict[str, Any]:
        """Return one plugin's row. Raises PluginNotFound."""
        row = self._registry.get_status(name)
        if row is None:
            raise PluginNotFound(name)
        return row

    async def reload(self, name: str) -> dict[str, Any]:
        """Describe the plugin's source anew and start with fresh workers; the old ones end when they are free.

        The plugin may be a new one, in an environment of its own. One whose environment was removed is forgotten.
        Raises PluginNotFound, and PluginRefused with the reason if the plugin cannot be loaded now.
        """
        async with self._changing:
            candidate = self._candidate_of(name)
            if candidate is None:
                await self._forget(name)
                log.info("plugin removed", plugin=name)
                raise PluginNotFound(name)
            self._says = self._read_operator_file()
            rows = await describe_candidate(candidate, self._interpreters(), self._configs(), self._discovery)
            overrides = await self._store.plugin_overrides()
            mine = next((row for row in rows if row.name == name), None)
            if mine is None or mine.manifest is None:
                reason = (mine or rows[0]).reason or "its source does not hold it any more"
                log.warning("plugin not reloaded", plugin=name, reason=reason)
                raise PluginRefused("plugin_unavailable", f"reload failed, nothing has changed: {reason}")
            await self._adopt(mine, overrides, warm=True)
        row = self.show(name)
        log.info("plugin reloaded", plugin=name, version=row["version"], state=row["state"])
        return row

    async def set_enabled(self, name: str, enabled: bool) -> dict[str, Any]:
        """Enable or disable a plugin, for good. Raises PluginNotFound, StorageError."""
        async with self._changing:
            self._registry.get_record(name)
            await self._store.set_plugin_override(name, enabled, "set over the API")
            if enabled:
                self._enable(name)
            else:
                self._disable(name, DISABLED_OVER_API)
        log.info("plugin enabled" if enabled else "plugin disabled", plugin=name)
        return self.show(name)

    async def close(self) -> None:
        """End all workers."""
        if self._follows is not None:
            self._follows.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._follows
        await asyncio.gather(*(pool.close() for pool in self.pools().values()))

    def pools(self) -> dict[str, ProcessWorkers]:
        """Return the worker pools by plugin name, for the figures."""
        named = ((name, self.pool(name)) for name in self._registry.list_plugins())
        return {name: pool for name, pool in named if pool is not None}

    def pool(self, name: str) -> ProcessWorkers | None:
        """Return a plugin's worker pool, or None if it has none."""
        plugin = self._held(name)
        return plugin if isinstance(plugin, ProcessWorkers) else None

    def _changed_elsewhere(self, change: Change) -> None:
        if change.kind == "plugin":
            self._heard = True
            if self._follows is None or self._follows.done():
                self._follows = asyncio.get_running_loop().create_task(self._follow())

    async def _follow(self) -> None:
        """Do here what was done on other servers, as often as some was heard of."""
        while self._heard:
            self._heard = False
            try:
                async with self._changing:
                    self._apply(await self._store.plugin_overrides())
            except StorageError as failed:
                log.warning("what the operator said on another server is not known yet", reason=str(failed))
                self._heard = True
                await asyncio.sleep(FOLLOW_AGAIN_S)

    def _apply(self, overrides: Mapping[str, PluginOverride]) -> None:
        for name in self._registry.list_plugins():
            override = overrides.get(name)
            wanted = override.enabled if override is not None else self._says.get(name, OperatorSay()).enabled
            if wanted == (self._registry.get_availability(name).code != "plugin_disabled"):
                continue
            log.info("plugin enabled on another server" if wanted else "plugin disabled on another server", plugin=name)
            if wanted:
                self._enable(name)
                self._enabled_elsewhere(name)
            else:
                self._disable(name, DISABLED_OVER_API)

    def _read_operator_file(self) -> Mapping[str, OperatorSay]:
        try:
            return read_operator_file(self._places.operator_file)
        except OperatorFileError as broken:
            raise PluginRefused("plugin_unavailable", f"reload failed, nothing has changed: {broken}") from broken

    def _find(self, only: Collection[str] | None) -> list[Candidate]:
        named = [Candidate(source) for source in installed_sources()] if self._places.installed else []
        named += environment_candidates(self._places.environments)
        if only is not None:  # a folder's files must be looked into to know their plugins' names
            named = [candidate for candidate in named if candidate.source.name in only]
        folder = folder_sources(self._places.plugins_dir) if self._places.plugins_dir is not None else []
        return named + [Candidate(source) for source in folder]

    def _interpreters(self) -> dict[str, str]:
        return {name: say.interpreter for name, say in self._says.items() if say.interpreter}

    def _configs(self) -> dict[str, Mapping[str, Any]]:
        return {name: say.config for name, say in self._says.items() if say.config}

    async def _adopt(self, found: Found, overrides: Mapping[str, PluginOverride], *, warm: bool = False) -> None:
        """Put what was found into the registry, with what the operator says of it.

        With ``warm``, or where the operator wants it, the new pool has a worker ready before it takes over.
        """
        if found.manifest is None:
            self._refuse(found, found.availability, found.reason or "")
            return
        say = self._says.get(found.name, OperatorSay())
        limits = found.manifest.limits.cut_to(say.limits)
        granted = granted_of(found.manifest, say)
        try:
            record = _record(found, limits, granted)
        except UnusableSchema as broken:
            self._refuse(found, Availability.FAILED, f"its manifest has an unusable schema: {broken}")
            return
        previous = self._held(found.name)
        pool = self._make_pool(found, say, limits)
        obstacle = obstacle_of(found.manifest, granted, found.isolation, self._rules)
        unusable = await self._warm_up(pool, found.name) if (warm or say.warm) and obstacle is None else None
        if unusable is not None and (warm or previous is not None):
            await pool.close()
            raise unusable
        self._candidates[found.name] = Candidate(found.source, found.environment)
        self._registry.register(found.name, pool, replace=True, record=record)
        if pool.unusable is not None:
            self._registry.set_availability(found.name, *pool.unusable)
        if pool.isolation is not None:
            self._registry.set_isolation(found.name, pool.isolation)
        if say.warm and obstacle is None:
            pool.stay_ready()
        override = overrides.get(found.name)
        self._obstacles.pop(found.name, None)
        if obstacle is not None:
            reason, code = obstacle
            self._obstacles[found.name] = AvailabilityRecord(Availability.UNAVAILABLE, reason, code)
            self._registry.set_availability(found.name, Availability.UNAVAILABLE, reason, code)
        elif not (override.enabled if override is not None else say.enabled):
            where = "over the API" if override is not None else f"in {self._places.operator_file.name}"
            self._disable(found.name, f"disabled by the operator {where}")
        if isinstance(previous, ProcessWorkers):
            await previous.retire()

    def _refuse(self, found: Found, availability: Availability, reason: str) -> None:
        # What is missing is for the operator to provide or not; what is broken is somebody's fault.
        write = log.warning if availability is Availability.FAILED else log.info
        write("plugin not usable", plugin=found.name, reason=reason, detail=found.detail)
        self._candidates[found.name] = Candidate(found.source, found.environment)
        self._obstacles[found.name] = AvailabilityRecord(availability, reason)
        record = PluginRecord(Manifest(found.name), found.origin, found.place)
        self._registry.register_unusable(record, availability, reason)

    def _make_pool(self, found: Found, say: OperatorSay, limits: Limits) -> ProcessWorkers:
        assert found.manifest is not None
        name = found.name
        spec = WorkerSpec(
            found.source,
            name,
            found.interpreter,
            say.config,
            limits.memory_mb,
            limits.scratch_mb,
            max(1, (os.cpu_count() or 1) // limits.workers),
            self._pool.max_result_bytes,
            granted=granted_of(found.manifest, say),
            environment=str(found.environment.folder) if found.environment is not None else "",
        )

        why_not: str | None = None

        def told(availability: Availability, reason: str) -> None:
            nonlocal why_not
            why_not = reason if availability is not Availability.OK else why_not
            if self._held(name) is not pool:  # while it is being tried out at a reload
                return
            if availability is not Availability.OK:
                self._registry.set_availability(name, availability, reason)
            elif self._registry.get_availability(name).reason == why_not:  # and not another obstacle since
                self._registry.set_availability(name, availability, None)

        def started(isolation: Isolation) -> None:
            if self._held(name) is pool:
                self._registry.set_isolation(name, isolation)

        kind = BatchingWorkers if limits.max_batch > 1 else ProcessWorkers
        keep = partial(self._registry.add_evidence, name)
        pool = kind(spec, found.manifest, limits, self._home, self._pool, told, keep, started)
        return pool

    async def _warm_up(self, pool: ProcessWorkers, name: str) -> PluginRefused | None:
        try:
            await pool.warm_up()
        except PluginRefused as refused:
            log.warning("plugin not warmed up", plugin=name, reason=refused.message)
            return refused
        return None

    def _held(self, name: str) -> object | None:
        try:
            held: object = self._registry.get_plugin(name)
        except (PluginNotFound, PluginRefused):
            return None
        return held

    def _enable(self, name: str) -> None:
        if self._registry.get_availability(name).code == "plugin_disabled":
            obstacle = self._obstacles.get(name, AvailabilityRecord())
            self._registry.set_availability(name, obstacle.availability, obstacle.reason, obstacle.code)

    def _disable(self, name: str, reason: str) -> None:
        self._registry.set_availability(name, Availability.UNAVAILABLE, reason, "plugin_disabled")

    def _candidate_of(self, name: str) -> Candidate | None:
        """Return where the plugin is now, or None if its environment was removed and nothing stands in its place."""
        known, candidates = self._candidates.get(name), self._find(None)
        if known is None and self._registry.get_status(name) is not None:
            raise PluginRefused("plugin_unavailable", "an embedded plugin cannot be reloaded")
        own = [found for found in candidates if found.environment is not None and found.source.name == name]
        in_folder = known is not None and known.source.kind == "path" and Path(known.source.value).exists()
        if len(own) + in_folder > 1:
            said = f"more than one plugin is named {name!r}, in environments or the plugin folder; remove one"
            raise PluginRefused("plugin_unavailable", said)
        if own:
            packages = [found.source for found in candidates if found.environment is None and not found.fault]
            replaced = [place_of(source) for source in packages if (source.kind, source.name) == ("entry_point", name)]
            return dataclasses.replace(own[0], instead_of=" and ".join(replaced))
        if known is None:
            raise PluginNotFound(name)
        if known.source.kind == "path" or known in candidates:
            return known
        return next((found for found in candidates if found.source.name == name), None)

    async def _forget(self, name: str) -> None:
        plugin = self._held(name)
        self._registry.unregister(name)
        del self._candidates[name]
        self._obstacles.pop(name, None)
        if isinstance(plugin, ProcessWorkers):
            await plugin.retire()


def _record(found: Found, limits: Limits, granted: Mapping[str, Any]) -> PluginRecord:
    assert found.manifest is not None
    manifest = found.manifest
    declared = manifest.limits.to_data()
    return PluginRecord(
        dataclasses.replace(manifest, limits=limits),
        found.origin,
        found.place,
        options_check(manifest.options_schema),
        result_check(manifest.result_schema),
        {"limits": declared} if declared != limits.to_data() else {},
        granted,
        found.isolation.level(granted),
        found.isolation,
    )
