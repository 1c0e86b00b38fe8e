"""``sightgate analyze IMAGE… --plugin NAME``; an image is a file, or a URL that the server fetches."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import output, render
from app.cli.backend import Analysis, Backend, Need, open_backend
from app.cli.failures import FAILED, CliError
from app.cli.options import AsJson, DataDir, PluginsDir, settings_from
from app.settings import Settings
from sightgate.strict_json import read_json

# Images in flight: enough to keep a plugin's workers busy, few enough to hold in memory and to share with others.
AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """An image that whoever analyzes it is to fetch."""

    url: str

    def __str__(self) -> str:
        return self.url


Image = Path | ImageUrl


def _image(text: str) -> Image:
    return ImageUrl(text) if text.startswith(("http://", "https://")) else Path(text)


def _check(given: list[str]) -> list[str]:
    """Raise BadParameter for the first file that cannot be read."""
    for image in map(_image, given):
        if isinstance(image, ImageUrl):
            continue
        if not image.exists():
            raise typer.BadParameter(f"File '{image}' does not exist.")
        if image.is_dir():
            raise typer.BadParameter(f"File '{image}' is a directory.")
        if not os.access(image, os.R_OK):
            raise typer.BadParameter(f"File '{image}' is not readable.")
    return given


Images = Annotated[
    list[str], typer.Argument(metavar="IMAGE...", callback=_check, help="Image files, or URLs that the server fetches.")
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
    if not asyncio.run(_analyze_all(settings, [*map(_image, images)], plugin, options, as_json=as_json)):
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
        return read_json(value)
    except (ValueError, RecursionError):
        return value


async def _analyze_all(
    settings: Settings, images: Sequence[Image], plugin: str, options: Mapping[str, Any], *, as_json: bool
) -> bool:
    """Analyze and print every image, in the order given; tell whether all succeeded."""
    console = output.console()
    succeeded = True
    async with open_backend(settings, Need.PLUGINS, [plugin]) as backend:
        ended = _in_order(backend, images, plugin, options)
        async with aclosing(ended):
            with output.progress(console, len(images)) as bar:
                async for image, analysis in ended:
                    succeeded = succeeded and not analysis.error
                    if as_json:
                        output.write_json({"image": str(image), **_outcome(analysis)}, console)
                    else:
                        console.print(render.analysis(str(image), plugin, analysis))
                    bar.advance()
    return succeeded


def _outcome(analysis: Analysis) -> dict[str, Any]:
    return {"error": analysis.error} if analysis.error else {"result": analysis.result}


async def _in_order(
    backend: Backend, images: Sequence[Image], plugin: str, options: Mapping[str, Any]
) -> AsyncGenerator[tuple[Image, Analysis], None]:
    """Analyze some images at once, and yield each with how it ended, in the order given."""
    running: deque[tuple[Image, asyncio.Task[Analysis]]] = deque()
    waiting = iter(images)
    try:
        while True:
            while len(running) < AT_ONCE and (image := next(waiting, None)) is not None:
                running.append((image, asyncio.create_task(_analyze_one(backend, image, plugin, options))))
            if not running:
                return
            image, task = running.popleft()
            yield image, await task
    finally:
        for _, task in running:
            task.cancel()
        await asyncio.gather(*(task for _, task in running), return_exceptions=True)


async def _analyze_one(backend: Backend, image: Image, plugin: str, options: Mapping[str, Any]) -> Analysis:
    if isinstance(image, ImageUrl):
        return await backend.analyze_url(plugin, image.url, options)
    try:
        data = await asyncio.to_thread(image.read_bytes)
    except OSError as refused:  # it was readable when the command began
        raise CliError(f"{image} cannot be read: {refused.strerror}") from refused
    return await backend.analyze(plugin, data, options)
