"""``sightgate serve``."""

from typing import Annotated

import typer

from app.cli.options import DataDir, Host, PluginsDir, Port, check_plugins_dir, settings_from

LogFormat = Annotated[
    str | None,
    typer.Option("--log-format", metavar="FORMAT", help="json, readable or auto. [env: SIGHTGATE_LOG_FORMAT]"),
]


def serve(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    plugins_dir: PluginsDir = None,
    log_format: LogFormat = None,
) -> None:
    """Serve the API until Ctrl-C. Every setting can be given by an environment variable, SIGHTGATE_…, too."""
    settings = settings_from(host=host, port=port, data_dir=data_dir, plugins_dir=plugins_dir, log_format=log_format)
    check_plugins_dir(settings.plugins_dir)
    # Imported here: only this command needs the web framework.
    from app.cli.server import run_server

    raise typer.Exit(run_server(settings))
