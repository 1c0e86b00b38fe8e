"""``sightgate plugins install | upgrade | rollback | remove | environments``: plugins in environments of their own."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import output
from app.cli.options import AsJson, DataDir, settings_from

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

# What installs is imported when it is needed: it brings half of the server, and other commands should answer at once.


def install(
    what: What,
    wheels: Wheels = None,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Replace the version that is installed.")] = False,
    allow_build: AllowBuild = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Install a plugin into an environment of its own. It must pass its check, in the sandbox, before it is used."""
    from app.cli import installation

    change = installation.install(settings_from(data_dir=data_dir), what, wheels, upgrade, allow_build)
    installation.show_change(change, as_json)


def upgrade(
    what: What,
    wheels: Wheels = None,
    allow_build: AllowBuild = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Replace an installed plugin by its newest version, or the one named; the former one is kept for a rollback."""
    install(what, wheels, True, allow_build, data_dir, as_json)


def rollback(name: Name, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Go back to the version that was in use before the last change."""
    from app.cli import installation

    installation.show_change(installation.roll_back(settings_from(data_dir=data_dir), name), as_json)


def remove(name: Name, data_dir: DataDir = None) -> None:
    """Remove a plugin's own environment, with all its versions."""
    from app.cli import installation

    removed = installation.remove(settings_from(data_dir=data_dir), name)
    output.write_line(f"removed {removed}")


def environments(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show what this one holds, with versions and licences.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the environments of plugins, or show what one of them holds."""
    from app.cli import installation

    settings = settings_from(data_dir=data_dir)
    if name is None:
        installation.show_all(settings, as_json)
    else:
        installation.show_report(settings, name, as_json)
