"""``sightgate plugins install | upgrade | rollback | remove | environments``: plugins in environments of their own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from app.cli import environment_pages, output
from app.cli.failures import FAILED, CliError, Refused, in_use, told_clearly
from app.cli.options import AsJson, DataDir, settings_from
from app.plugins.loader.environments import Environment, PluginEnvironments, UnusableEnvironment
from app.services.plugin_installation_service import (
    Change,
    InstallationFailed,
    NoServer,
    PluginInstallationService,
    RunningServer,
    Wanted,
)
from app.settings import Settings
from app.storage.data_folder import read_owner

T = TypeVar("T")

What = Annotated[
    str, typer.Argument(metavar="NAME-or-path", help="A distribution's name, as name or name==1.0; or a wheel's path.")
]
Wheels = Annotated[
    Path | None,
    typer.Option("--wheels", metavar="DIR", help="Take all from this folder of wheels; nothing is downloaded."),
]
AllowBuild = Annotated[
    bool,
    typer.Option("--allow-build", help="Take source code too: building it runs its author's code, unconfined."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The distribution's name, or that of a plugin in it.")]


class _NotDone(CliError):
    exit_code = FAILED


def install(
    what: What,
    wheels: Wheels = None,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Replace the version that is installed.")] = False,
    allow_build: AllowBuild = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Install a plugin into an environment of its own. It must pass its check, in the sandbox, before it is used."""
    wanted = Wanted(what, wheels, allow_build)
    change = _do(settings_from(data_dir=data_dir), lambda service: service.install(wanted, upgrade=upgrade))
    _show(change, as_json)


def upgrade(
    what: What,
    wheels: Wheels = None,
    allow_build: AllowBuild = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Replace an installed plugin by its newest version, or the one named; the former one is kept for a rollback."""
    wanted = Wanted(what, wheels, allow_build)
    change = _do(settings_from(data_dir=data_dir), lambda service: service.install(wanted, upgrade=True))
    _show(change, as_json)


def rollback(name: Name, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Go back to the version that was in use before the last change."""
    _show(_do(settings_from(data_dir=data_dir), lambda service: service.roll_back(name)), as_json)


def remove(name: Name, data_dir: DataDir = None) -> None:
    """Remove a plugin's own environment, with all its versions."""
    removed = _do(settings_from(data_dir=data_dir), lambda service: service.remove(name))
    output.console().print(f"removed {removed}")


def environments(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Show what this one holds, with versions and licences.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the environments of plugins, or show what one of them holds."""
    from app.wiring import environments_of

    found = environments_of(settings_from(data_dir=data_dir))
    if name is not None:
        environment = _find(found, name)
        if as_json:
            output.write_json(environment_pages.report_data(environment))
        else:
            output.console().print(environment_pages.report_page(environment))
    elif as_json:
        output.write_json({"environments": [environment_pages.row_data(row) for row in found.all()]})
    else:
        output.console().print(environment_pages.environment_table(list(found.all())))


def _find(environments: PluginEnvironments, name: str) -> Environment:
    known = environments.find(name)
    try:
        environment = environments.current(known) if known is not None else None
    except UnusableEnvironment as unusable:
        raise _NotDone(f"{name}: {unusable}") from unusable
    if environment is None:
        raise _NotDone(f"{name} has no environment of its own")
    return environment


def _show(change: Change, as_json: bool) -> None:
    if as_json:
        output.write_json(environment_pages.change_data(change))
    else:
        output.console().print(environment_pages.change_page(change))


def _do(settings: Settings, work: Callable[[PluginInstallationService], Awaitable[T]]) -> T:
    """Do one change, and tell the running server of it if there is one. Raises CliError."""
    from app.wiring import build_installation

    async def done() -> T:
        async with _server_of(settings) as server:
            return await work(build_installation(settings, server))

    with told_clearly(settings.data_dir):
        try:
            return asyncio.run(done())
        except InstallationFailed as failed:
            raise _NotDone(f"nothing has changed: {failed}") from failed
        except Refused as refused:
            raise _NotDone(f"nothing has changed: the running server refused: {refused.format_message()}") from refused
        except OSError as failed:
            raise _NotDone(f"nothing has changed: {failed}") from failed


@asynccontextmanager
async def _server_of(settings: Settings) -> AsyncIterator[RunningServer]:
    owner = read_owner(settings.data_dir)
    if owner is None:
        yield NoServer()
    elif owner.address is None:  # one that is starting may have looked for plugins already
        raise CliError(in_use(settings.data_dir, owner.pid, None))
    else:
        from app.cli.over_http import connect

        async with connect(owner.address, settings.key) as backend:
            yield backend
