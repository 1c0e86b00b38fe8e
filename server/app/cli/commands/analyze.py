"""``sightgate analyze IMAGE… --plugin NAME``."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any, Never

import typer

from app.cli import output, render
from app.cli.backend import Analysis, Backend, Need, open_backend
from app.cli.failures import FAILED, CliError
from app.cli.options import AsJson, DataDir, PluginsDir, settings_from
from app.settings import Settings

# Images in flight: enough to keep a plugin's workers busy, few enough to hold in memory and to share with others.
AT_ONCE = 4

Images = Annotated[
    list[Path], typer.Argument(metavar="IMAGE...", exists=True, dir_okay=False, readable=True, help="Image files.")
]
PluginName = Annotated[str, typer.Option("--plugin", "-p", metavar="NAME", help="The plugin that analyzes them.")]
GivenOptions = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", metavar="KEY=VALUE", help="An option of the plugin; VALUE is JSON, else text."),
]


def analyze(
    images: Images,
    plugin: PluginName,
    option: GivenOptions = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    plugins_dir: PluginsDir = None,
) -> None:
    """Analyze images, by the server that runs on the data folder, else in this process.

    With --json, one object a line: {"image", "result"} or {"image", "error"}. Exits 1 if an image failed.
    """
    options = parse_options(option or [])
    settings = settings_from(data_dir=data_dir, plugins_dir=plugins_dir)
    if not asyncio.run(_analyze_all(settings, images, plugin, options, as_json=as_json)):
        raise typer.Exit(FAILED)


def parse_options(given: Sequence[str]) -> dict[str, Any]:
    """Return options from ``key=value`` texts; a value that is JSON is taken as JSON. Raises CliError."""
    options: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise CliError(f"--option wants KEY=VALUE, not {text!r}")
        if key in options:
            raise CliError(f"--option {key} is given twice")
        options[key] = _json_or_text(value)
    return options


def _json_or_text(value: str) -> object:
    try:
        parsed: object = json.loads(value, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return value
    return parsed


def _no_json(constant: str) -> Never:
    raise ValueError(f"{constant} is no JSON")


async def _analyze_all(
    settings: Settings, images: Sequence[Path], plugin: str, options: Mapping[str, Any], *, as_json: bool
) -> bool:
    """Analyze and print every image, in the order given; tell whether all succeeded."""
    console = output.console()
    succeeded = True
    async with open_backend(settings, Need.PLUGINS, [plugin]) as backend:
        ended = _in_order(backend, images, plugin, options)
        async with aclosing(ended):
            with output.progress(console, len(images)) as bar:
                async for path, analysis in ended:
                    succeeded = succeeded and not analysis.error
                    if as_json:
                        output.write_json({"image": str(path), **_outcome(analysis)}, console)
                    else:
                        console.print(render.analysis(str(path), plugin, analysis))
                    bar.advance()
    return succeeded


def _outcome(analysis: Analysis) -> dict[str, Any]:
    return {"error": analysis.error} if analysis.error else {"result": analysis.result}


async def _in_order(
    backend: Backend, images: Sequence[Path], plugin: str, options: Mapping[str, Any]
) -> AsyncGenerator[tuple[Path, Analysis], None]:
    """Analyze some images at once, and yield each with how it ended, in the order given."""
    running: deque[tuple[Path, asyncio.Task[Analysis]]] = deque()
    waiting = iter(images)
    try:
        while True:
            while len(running) < AT_ONCE and (path := next(waiting, None)) is not None:
                running.append((path, asyncio.create_task(_analyze_one(backend, path, plugin, options))))
            if not running:
                return
            path, task = running.popleft()
            yield path, await task
    finally:
        for _, task in running:
            task.cancel()
        await asyncio.gather(*(task for _, task in running), return_exceptions=True)


async def _analyze_one(backend: Backend, path: Path, plugin: str, options: Mapping[str, Any]) -> Analysis:
    try:
        image = await asyncio.to_thread(path.read_bytes)
    except OSError as refused:  # it was readable when the command began
        raise CliError(f"{path} cannot be read: {refused.strerror}") from refused
    return await backend.analyze(plugin, image, options)
