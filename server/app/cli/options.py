"""The options that several commands share, and the settings made of them."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from app.cli.failures import CliError
from app.governance.unfit_value import describe
from app.settings import Settings

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="The data folder. [env: SIGHTGATE_DATA_DIR; default: data]"),
]
PluginsDir = Annotated[
    Path | None,
    typer.Option("--plugins-dir", metavar="DIR", help="A folder of plugin files. [env: SIGHTGATE_PLUGINS_DIR]"),
]
Host = Annotated[
    str | None,
    typer.Option("--host", metavar="ADDRESS", help="Address to listen on. [env: SIGHTGATE_HOST; default: 127.0.0.1]"),
]
Port = Annotated[
    int | None,
    typer.Option("--port", help="Port to listen on; 0 takes a free one. [env: SIGHTGATE_PORT; default: 8000]"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def settings_from(**given: object) -> Settings:
    """Return the settings of the environment, with the options that were given in their place. Raises CliError."""
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**chosen)  # type: ignore[arg-type]
    except ValidationError as wrong:
        first = wrong.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        asked = f"--{name.replace('_', '-')}" if name in chosen else f"SIGHTGATE_{name.upper()}"
        raise CliError(f"{asked}: {describe(first)}") from wrong


def check_plugins_dir(folder: Path | None) -> None:
    """Raise CliError if the plugin folder cannot be listed."""
    if folder is None:
        return
    try:
        next(folder.iterdir(), None)
    except OSError as refused:
        said = f"the plugin folder {folder} cannot be read: {refused.strerror}; make it, or give another --plugins-dir"
        raise CliError(said) from refused
