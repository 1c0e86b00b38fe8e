"""Runs the installation service for one command, beside the server that runs on the data folder or alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from app.cli import environment_pages, output
from app.cli.failures import FAILED, CliError, Refused, in_use, told_clearly
from app.cli.over_http import connect
from app.plugins.loader.environments import Environment, UnusableEnvironment
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
from app.wiring import build_installation, environments_of

T = TypeVar("T")


class NotDone(CliError):
    """What was asked for could not be done; the command line was right."""

    exit_code = FAILED


def install(settings: Settings, what: str, wheels: Path | None, upgrade: bool, allow_build: bool) -> Change:
    """Install or upgrade. Raises CliError."""
    wanted = Wanted(what, wheels, allow_build)
    return _do(settings, lambda service: service.install(wanted, upgrade=upgrade))


def roll_back(settings: Settings, name: str) -> Change:
    """Switch to the former version. Raises CliError."""
    return _do(settings, lambda service: service.roll_back(name))


def remove(settings: Settings, name: str) -> str:
    """Remove an environment; return its name. Raises CliError."""
    return _do(settings, lambda service: service.remove(name))


def show_change(change: Change, as_json: bool) -> None:
    """Print what was done."""
    if as_json:
        output.write_json(environment_pages.change_data(change))
    else:
        output.show(environment_pages.change_page(change))


def show_all(settings: Settings, as_json: bool) -> None:
    """Print all environments."""
    rows = list(environments_of(settings).all())
    if as_json:
        output.write_json({"environments": [environment_pages.row_data(row) for row in rows]})
    else:
        output.show(environment_pages.environment_table(rows))


def show_report(settings: Settings, name: str, as_json: bool) -> None:
    """Print what one environment holds. Raises CliError."""
    environment = _find(settings, name)
    if as_json:
        output.write_json(environment_pages.report_data(environment))
    else:
        output.show(environment_pages.report_page(environment))


def _find(settings: Settings, name: str) -> Environment:
    environments = environments_of(settings)
    known = environments.find(name)
    try:
        environment = environments.current(known) if known is not None else None
    except UnusableEnvironment as unusable:
        raise NotDone(f"{name}: {unusable}") from unusable
    if environment is None:
        raise NotDone(f"{name} has no environment of its own")
    return environment


def _do(settings: Settings, work: Callable[[PluginInstallationService], Awaitable[T]]) -> T:
    """Do one change, and tell the running server of it if there is one. Raises CliError."""

    async def done() -> T:
        async with _server_of(settings) as server:
            return await work(build_installation(settings, server))

    with told_clearly(settings.data_dir):
        try:
            return asyncio.run(done())
        except (InstallationFailed, OSError) as failed:
            raise NotDone(f"nothing has changed: {failed}") from failed
        except Refused as refused:
            raise NotDone(f"nothing has changed: the running server refused: {refused.format_message()}") from refused


@asynccontextmanager
async def _server_of(settings: Settings) -> AsyncIterator[RunningServer]:
    owner = read_owner(settings.data_dir)
    if owner is None:
        yield NoServer()
    elif owner.address is None:  # one that is starting may have looked for plugins already
        raise CliError(in_use(settings.data_dir, owner.pid, None))
    else:
        async with connect(owner.address, settings.key) as backend:
            yield backend
