"""Install, upgrade, roll back and remove plugins' own environments; each is done wholly or not at all.

A new environment is built beside those in use. Its plugins are described and checked in sandboxed workers. Only then
the pointer to the version in use is replaced, and a running server is asked to take it up; if that refuses, the pointer
goes back.
"""

import contextlib
import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.governance.schema_check import UnusableSchema, options_check, result_check
from app.plugins.loader.environments import (
    PYTHON,
    Environment,
    PluginEnvironments,
    Report,
    UnusableEnvironment,
    normalized,
)
from app.plugins.loader.plugin_check import check_plugin
from app.plugins.loader.plugin_discovery import (
    ENTRY_POINT_GROUP,
    DiscoveryOptions,
    Found,
    describe_source,
)
from app.plugins.sandbox.confinement import WorkerSpec
from app.services.grants import RunningRules, granted_of, obstacle_of
from app.services.installation import sdk_wheel, uv_tool
from app.services.installation.environment_writer import AnotherChange, EnvironmentWriter
from app.services.installation.inventory import Inventory, site_packages_of, take_inventory
from app.services.operator_file import OperatorSay, read_operator_file

_ARCHIVES = (".whl", ".tar.gz")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class InstallationFailed(Exception):
    """It could not be done, and nothing has changed; the message says why."""


class RunningServer(Protocol):
    """The server that runs on the data folder: it is told of what has changed."""

    async def reload(self, plugin: str) -> bool:
        """Take up a plugin's code anew; return False if it knows no such plugin. Raises if that is refused."""
        ...


class NoServer:
    """No server runs: the next one finds everything by itself."""

    async def reload(self, plugin: str) -> bool:
        """Do nothing."""
        return True


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to install: a distribution's name (with a version, if wanted), or the path of a wheel or a source folder.

    With ``wheels``, from that folder alone. ``allow_build`` lets a source distribution be built, unconfined.
    """

    what: str
    wheels: Path | None = None
    allow_build: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to an environment. ``before`` was in use before, and is the same as ``now`` if nothing changed."""

    now: Environment
    before: Environment | None


class PluginInstallationService:
    """Changes environments, one change at a time, whether or not a server runs on the data folder.

    Raises, beside InstallationFailed, OperatorFileError, OSError, and what ``server`` raises.
    """

    def __init__(
        self,
        environments: PluginEnvironments,
        operator_file: Path,
        rules: RunningRules,
        discovery: DiscoveryOptions,
        start_timeout_s: float,
        server: RunningServer,
    ) -> None:
        self._environments = environments
        self._writer = EnvironmentWriter(environments)
        self._operator_file = operator_file
        self._rules = rules
        self._discovery = discovery
        self._start_timeout_s = start_timeout_s
        self._server = server

    async def install(self, wanted: Wanted, *, upgrade: bool = False) -> Change:
        """Build an environment, try it out, switch to it. One that is there already is replaced by ``upgrade`` only."""
        with _clearly(), self._writer.changing() as staging:
            if is_path(wanted.what):
                _check_installable(Path(wanted.what))
            else:  # a path's name is known only when it is built
                self._check_new(_name_in(wanted.what), upgrade)
            staged, inventory = await self._build(wanted, staging / "environment")
            self._check_new(staged.name, upgrade)
            tried = await self._tried_out(staged, staging)
            in_use = self._in_use(tried.name)
            placed, is_new = self._writer.place(tried, inventory.digest())
            try:
                return await self._switch(in_use, placed)
            except BaseException:
                if is_new:
                    self._writer.discard(placed)
                raise

    async def roll_back(self, name: str) -> Change:
        """Switch to the version that was in use before."""
        with _clearly(), self._writer.changing() as staging:
            known = self._known(name)
            previous = self._environments.previous(known)
            if previous is None:
                raise InstallationFailed(f"no earlier version of {known} is kept")
            return await self._switch(self._in_use(known), await self._tried_out(previous, staging))

    async def remove(self, name: str) -> str:
        """Remove an environment with all its versions; return its distribution's name."""
        with _clearly(), self._writer.changing() as staging:
            known = self._known(name)
            in_use = self._in_use(known)
            await self._point(known, None, (), in_use.plugins if in_use is not None else ())
            self._writer.remove(known, staging)
            return known

    def _known(self, name: str) -> str:
        known = self._environments.find(name)
        if known is None:
            said = f"{name} has no environment of its own; sightgate plugins environments lists them"
            raise InstallationFailed(said)
        return known

    def _check_new(self, name: str, upgrade: bool) -> None:
        if not upgrade and name in self._environments.names():
            raise InstallationFailed(f"{name} is installed already; sightgate plugins upgrade replaces it")

    async def _build(self, wanted: Wanted, folder: Path) -> tuple[Environment, Inventory]:
        path = Path(wanted.what).resolve() if is_path(wanted.what) else None
        wheels = wanted.wheels.resolve() if wanted.wheels is not None else None
        await uv_tool.make_environment(folder)
        sdk = sdk_wheel.build_sdk_wheel(folder.parent)
        await uv_tool.install(folder, [str(sdk), str(path or wanted.what)], wheels, allow_build=wanted.allow_build)
        site_packages = site_packages_of(folder)
        await uv_tool.compile_modules(site_packages)
        inventory = take_inventory(site_packages)
        name = inventory.installed_from(path) if path is not None else _name_in(wanted.what)
        return Environment(folder, _report(inventory, name, wanted.what)), inventory

    async def _tried_out(self, environment: Environment, staging: Path) -> Environment:
        """Return the environment with the names that its plugins say; raises InstallationFailed if one is not fit."""
        says = read_operator_file(self._operator_file)
        configs = {name: say.config for name, say in says.items() if say.config}
        confinement = dataclasses.replace(self._discovery.confinement, scratch_root=staging / "scratch")
        discovery = dataclasses.replace(self._discovery, confinement=confinement)
        plugins: dict[str, str] = {}
        for source in environment.sources():
            for found in await describe_source(source, "", configs, discovery, environment):
                if found.name in plugins:
                    raise InstallationFailed(f"two of its plugins are named {found.name!r}")
                await self._check(found, environment, says.get(found.name, OperatorSay()), discovery)
                plugins[found.name] = source.value
        self._check_names(environment.name, plugins)
        return dataclasses.replace(environment, report=dataclasses.replace(environment.report, plugins=plugins))

    async def _check(
        self, found: Found, environment: Environment, say: OperatorSay, discovery: DiscoveryOptions
    ) -> None:
        manifest = found.manifest
        if manifest is None:
            raise InstallationFailed(f"the plugin {found.name} cannot be loaded: {found.reason}")
        granted, limits = granted_of(manifest, say), manifest.limits.cut_to(say.limits)
        obstacle = obstacle_of(manifest, granted, found.isolation, self._rules)
        if obstacle is not None:
            raise InstallationFailed(f"the plugin {found.name} could not run: {obstacle[0]}")
        try:
            options_check(manifest.options_schema)
            result_check(manifest.result_schema)
        except UnusableSchema as broken:
            raise InstallationFailed(f"the plugin {found.name} has an unusable schema: {broken}") from broken
        spec = WorkerSpec(
            found.source,
            found.name,
            config=say.config,
            memory_mb=limits.memory_mb,
            scratch_mb=limits.scratch_mb,
            granted=granted,
            environment=str(environment.folder),
        )
        confinement, loads_within_s = discovery.confinement, self._start_timeout_s
        fault = await check_plugin(spec, manifest, confinement, loads_within_s, limits.timeout_s)
        if fault is not None:
            raise InstallationFailed(f"the plugin {found.name} does not pass its check: {fault}")

    def _check_names(self, distribution: str, plugins: Iterable[str]) -> None:
        for other in self._environments.all():
            twins = sorted(set(plugins) & set(other.plugins))
            if twins and other.name != distribution:
                raise InstallationFailed(f"{other.name} has a plugin {twins[0]!r} too; remove it first")

    async def _switch(self, in_use: Environment | UnusableEnvironment | None, now: Environment) -> Change:
        before = in_use if isinstance(in_use, Environment) else None
        if before is not None and before.folder == now.folder:
            return Change(now, now)
        dropped = sorted(set(in_use.plugins) - set(now.plugins)) if in_use is not None else ()
        await self._point(now.name, now.folder, now.plugins, dropped)
        self._writer.keep_only(now.name, now.folder, before.folder if before is not None else None)
        return Change(now, before)

    async def _point(self, name: str, folder: Path | None, held: Sequence[str], dropped: Sequence[str]) -> None:
        """Replace the pointer and tell the server; if that fails, put the pointer back and tell it of that."""
        former = self._writer.point(name, folder)
        told: list[str] = []
        try:
            for plugin in (*held, *dropped):
                if not await self._server.reload(plugin) and plugin in held:
                    raise InstallationFailed(f"the running server does not find the plugin {plugin}")
                told.append(plugin)
        except BaseException:
            self._writer.point(name, former)
            for plugin in told:
                await self._server.reload(plugin)
            raise

    def _in_use(self, name: str) -> Environment | UnusableEnvironment | None:
        try:
            return self._environments.current(name)
        except UnusableEnvironment as unusable:
            return unusable


def is_path(what: str) -> bool:
    """Tell whether a path is meant, and not a distribution's name: by its look, or since there is such a file."""
    return what.startswith(".") or "/" in what or what.endswith(_ARCHIVES) or Path(what).is_file()


def _check_installable(path: Path) -> None:
    """Raise InstallationFailed for a path that uv would take for something else, or that is not there."""
    if path.is_file() and not path.name.endswith(_ARCHIVES):
        said = f"{path} is no wheel"
        if path.suffix == ".py":
            said += "; a plugin file is served from a plugin folder (--plugins-dir), or built into a wheel first"
        raise InstallationFailed(said)


def _name_in(requirement: str) -> str:
    leading = _NAME.match(requirement)
    if leading is None:
        raise InstallationFailed(f"{requirement!r} is neither a distribution's name nor a path")
    return normalized(leading[0])


def _report(inventory: Inventory, name: str | None, requirement: str) -> Report:
    """Return what was installed, the plugins by their entry points' names. Raises InstallationFailed."""
    if name is None or not _NAME.fullmatch(name) or name not in inventory.distributions:
        raise InstallationFailed(f"{requirement} was not installed under a name that is known")
    plugins = inventory.plugins_of(name)
    if not plugins:
        raise InstallationFailed(f"{name} offers no plugin: it has no entry point in the group {ENTRY_POINT_GROUP}")
    version = inventory.distributions[name].version
    return Report(name, version, requirement, PYTHON, plugins, inventory.rows())


@contextlib.contextmanager
def _clearly() -> Iterator[None]:
    """Tell what can be expected to go wrong as InstallationFailed."""
    try:
        yield
    except (uv_tool.UvFailed, AnotherChange, UnusableEnvironment) as failed:
        raise InstallationFailed(str(failed)) from failed
