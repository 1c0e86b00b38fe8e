"""``sightgate plugins list | show | check``."""

from typing import Annotated

import typer

from app.cli import output, render
from app.cli.backend import Need, ask
from app.cli.options import AsJson, DataDir, PluginsDir, settings_from
from sightgate import check

app = typer.Typer(help="What plugins there are, and whether one keeps its contract.")


@app.command("list")
def list_plugins(data_dir: DataDir = None, plugins_dir: PluginsDir = None, as_json: AsJson = False) -> None:
    """List all plugins: state, version, and the reason why one cannot be called."""
    rows = ask(
        settings_from(data_dir=data_dir, plugins_dir=plugins_dir), Need.PLUGINS, lambda backend: backend.list_plugins()
    )
    if as_json:
        output.write_json({"plugins": rows})
    else:
        output.show(render.plugin_table(rows))


@app.command("show")
def show_plugin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The plugin's name.")],
    data_dir: DataDir = None,
    plugins_dir: PluginsDir = None,
    as_json: AsJson = False,
) -> None:
    """Show one plugin: its limits, options and figures."""
    row = ask(
        settings_from(data_dir=data_dir, plugins_dir=plugins_dir),
        Need.PLUGINS,
        lambda backend: backend.show_plugin(name),
    )
    if as_json:
        output.write_json(row)
    else:
        output.show(render.plugin_page(row))


@app.command("check", context_settings={"ignore_unknown_options": True})
def check_plugin(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A plugin file, a package folder, or module:Class.")],
    rest: Annotated[
        list[str] | None, typer.Argument(metavar="[--image FILE] [--options JSON] [--config JSON]", help="The call.")
    ] = None,
) -> None:
    """Run a plugin against its own contract, without a server."""
    raise typer.Exit(check.main([path, *(rest or [])]))
