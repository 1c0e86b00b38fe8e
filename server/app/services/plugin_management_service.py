"""Plugins as operators see them: discovery, metadata, reload, enable, disable."""

import asyncio
import dataclasses
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from app.governance.errors import PluginNotFound, PluginRefused
from app.governance.isolation import IsolationLevel, reaches
from app.governance.lifecycle import Availability
from app.governance.schema_check import UnusableSchema, options_check, result_check
from app.plugins.loader.plugin_discovery import (
    DiscoveryOptions,
    Found,
    describe_source,
    discover,
    folder_sources,
    installed_sources,
    place_of,
)
from app.plugins.loader.plugin_registry import PluginRecord, PluginRegistry
from app.plugins.sandbox.batching import BatchingWorkers
from app.plugins.sandbox.confinement import WorkerSpec
from app.plugins.sandbox.home_loop import HomeLoop
from app.plugins.sandbox.pool import PoolOptions, ProcessWorkers
from app.services.operator_file import OperatorSay, read_operator_file
from app.storage.jobs import JobStore
from app.storage.records import PluginOverride
from sightgate.manifest import Limits, Manifest, Source

log = structlog.get_logger("sightgate.plugins")


@dataclass(frozen=True, slots=True)
class PluginPlaces:
    """Where plugins are looked for, and the file with the operator's say over them."""

    plugins_dir: Path | None
    operator_file: Path
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
        least_isolation: IsolationLevel = IsolationLevel.PROCESS,
    ) -> None:
        self._registry = registry
        self._store = store
        self._home = home
        self._places = places
        self._discovery = discovery
        self._pool = pool
        self._least = least_isolation
        self._says: Mapping[str, OperatorSay] = {}
        self._sources: dict[str, Source] = {}
        self._changing = asyncio.Lock()
        self.discovered = False

    async def discover(self, only: Collection[str] | None = None) -> None:
        """Find all plugins, or those named by ``only``, and fill the registry.

        Raises OperatorFileError, OSError if the folder is not there.

        A plugin that cannot be loaded is a row with its reason; the others work.
        """
        self._says = read_operator_file(self._places.operator_file)
        overrides = await self._store.plugin_overrides()
        found = await discover(self._find_sources(only), self._interpreters(), self._configs(), self._discovery)
        await asyncio.gather(*(self._adopt(row, overrides) for row in found))
        self.discovered = True

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

        Raises PluginNotFound, and PluginRefused with the reason if the plugin cannot be loaded now.
        """
        async with self._changing:
            source = self._source_of(name)
            self._says = read_operator_file(self._places.operator_file)
            interpreter = self._interpreters().get(source.name, sys.executable)
            rows = await describe_source(source, interpreter, self._configs(), self._discovery)
            overrides = await self._store.plugin_overrides()
            mine = next((row for row in rows if row.name == name), None)
            if mine is None or mine.manifest is None:
                reason = (mine or rows[0]).reason or "its source does not hold it any more"
                raise PluginRefused("plugin_unavailable", f"reload failed, nothing has changed: {reason}")
            await self._adopt(mine, overrides, warm=True)
        return self.show(name)

    async def set_enabled(self, name: str, enabled: bool) -> dict[str, Any]:
        """Enable or disable a plugin, for good. Raises PluginNotFound, StorageError."""
        async with self._changing:
            self._registry.get_record(name)
            await self._store.set_plugin_override(name, enabled, "set over the API")
            if enabled:
                if self._registry.get_availability(name).code == "plugin_disabled":
                    self._registry.set_availability(name, Availability.OK, None)
            else:
                self._disable(name, "disabled by the operator; POST /v1/plugins/{name}/enable enables it")
        return self.show(name)

    async def close(self) -> None:
        """End all workers."""
        await asyncio.gather(*(pool.close() for pool in self.pools().values()))

    def pools(self) -> dict[str, ProcessWorkers]:
        """Return the worker pools by plugin name, for the figures."""
        held = {}
        for name in self._registry.list_plugins():
            plugin = self._held(name)
            if isinstance(plugin, ProcessWorkers):
                held[name] = plugin
        return held

    def _find_sources(self, only: Collection[str] | None) -> list[Source]:
        installed = installed_sources() if self._places.installed else []
        if only is not None:  # a folder's files must be looked into to know their plugins' names
            installed = [source for source in installed if source.name in only]
        folder = folder_sources(self._places.plugins_dir) if self._places.plugins_dir is not None else []
        return installed + folder

    def _interpreters(self) -> dict[str, str]:
        return {name: say.interpreter for name, say in self._says.items() if say.interpreter}

    def _configs(self) -> dict[str, Mapping[str, Any]]:
        return {name: say.config for name, say in self._says.items() if say.config}

    async def _adopt(self, found: Found, overrides: Mapping[str, PluginOverride], *, warm: bool = False) -> None:
        """Put what was found into the registry, with what the operator says of it.

        With ``warm``, or where the operator wants it, the new pool has a worker ready before it takes over.
        """
        self._sources[found.name] = found.source
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
        obstacle = self._obstacle(found, granted)
        unusable = await self._warm_up(pool, found.name) if (warm or say.warm) and obstacle is None else None
        if unusable is not None and previous is not None:
            await pool.close()
            raise unusable
        self._registry.register(found.name, pool, replace=True, record=record)
        if unusable is not None:
            self._registry.set_availability(found.name, Availability.FAILED, unusable.message)
        if isinstance(previous, ProcessWorkers):
            await previous.retire()
        override = overrides.get(found.name)
        if obstacle is not None:
            reason, code = obstacle
            self._registry.set_availability(found.name, Availability.UNAVAILABLE, reason, code)
        elif not (override.enabled if override is not None else say.enabled):
            where = "over the API" if override is not None else f"in {self._places.operator_file.name}"
            self._disable(found.name, f"disabled by the operator {where}")

    def _obstacle(self, found: Found, granted: Mapping[str, Any]) -> tuple[str, str] | None:
        """Return the reason and the code that keep the plugin from running, or None."""
        assert found.manifest is not None
        missing = [kind for kind, asked in found.manifest.permissions.items() if not _covers(granted.get(kind), asked)]
        if missing:
            where = f"{self._places.operator_file.name} under [{found.name}.grant]"
            return f"it asks for {', '.join(missing)}; grant it in {where}", "permission_not_granted"
        if granted.get("processes") and self._pool.confinement.cgroups is None:
            said = "it is granted processes, but no control group here could end them all; run the server where one can"
            return said, "permission_not_granted"
        level = found.isolation.level(granted)
        if not reaches(level, self._least):
            opened = ", ".join(found.isolation.missing) or "its worker could do what must be denied"
            return f"its isolation is {level}, and at least {self._least} is wanted: {opened}", "plugin_unavailable"
        return None

    def _refuse(self, found: Found, availability: Availability, reason: str) -> None:
        # What is missing is for the operator to provide or not; what is broken is somebody's fault.
        write = log.warning if availability is Availability.FAILED else log.info
        write("plugin not usable", plugin=found.name, reason=reason, detail=found.detail)
        record = PluginRecord(Manifest(found.name), found.source.kind, place_of(found.source))
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
            max(1, (os.cpu_count() or 1) // limits.workers),
            self._pool.max_result_bytes,
            granted=granted_of(found.manifest, say),
        )

        def unusable(availability: Availability, reason: str) -> None:
            if self._held(name) is pool:  # not while it is being tried out at a reload
                self._registry.set_availability(name, availability, reason)

        kind = BatchingWorkers if limits.max_batch > 1 else ProcessWorkers
        pool = kind(spec, found.manifest, limits, self._home, self._pool, unusable)
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

    def _disable(self, name: str, reason: str) -> None:
        self._registry.set_availability(name, Availability.UNAVAILABLE, reason, "plugin_disabled")

    def _source_of(self, name: str) -> Source:
        self._registry.get_record(name)
        source = self._sources.get(name)
        if source is None:
            raise PluginRefused("plugin_unavailable", "an embedded plugin cannot be reloaded")
        return source


def granted_of(manifest: Manifest, say: OperatorSay) -> dict[str, Any]:
    """Return what is granted of what the plugin asks for; what it does not ask for, it does not get."""
    granted: dict[str, Any] = {}
    for kind, asked in manifest.permissions.items():
        given = say.grant.get(kind)
        if isinstance(asked, list):
            granted[kind] = [item for item in asked if item in (given or ())]
        else:
            granted[kind] = bool(asked and given)
    return granted


def _covers(granted: object, asked: object) -> bool:
    return granted == asked if isinstance(asked, list) else bool(granted) or not asked


def _record(found: Found, limits: Limits, granted: Mapping[str, Any]) -> PluginRecord:
    assert found.manifest is not None
    manifest = found.manifest
    declared = manifest.limits.to_data()
    return PluginRecord(
        dataclasses.replace(manifest, limits=limits),
        found.source.kind,
        place_of(found.source),
        options_check(manifest.options_schema),
        result_check(manifest.result_schema),
        {"limits": declared} if declared != limits.to_data() else {},
        granted,
        found.isolation.level(granted),
        found.isolation,
    )
