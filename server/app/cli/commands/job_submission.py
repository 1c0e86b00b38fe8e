"""``sightgate jobs submit``: images become jobs, one each, or one batch."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from app.cli.backend import Backend, JsonObject, Need, ask
from app.cli.commands.analyze import parse_options
from app.cli.each import for_each, id_and, tell
from app.cli.options import AsJson, DataDir, PluginsDir, settings_from
from sightgate.errors import counted

Images = Annotated[
    list[Path], typer.Argument(metavar="IMAGE...", exists=True, dir_okay=False, readable=True, help="Image files.")
]
PluginNames = Annotated[
    list[str],
    typer.Option("--plugin", "-p", metavar="NAME", help="The plugin that analyzes them; several make a batch."),
]
GivenOptions = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", metavar="KEY=VALUE", help="An option of the plugins; VALUE is JSON, else text."),
]
AsBatch = Annotated[
    bool, typer.Option("--batch", help="Accept all as one batch, or none, and print its id instead of theirs.")
]
After = Annotated[
    list[str] | None, typer.Option("--after", metavar="ID", help="A job that must succeed before they start.")
]
AfterRule = Annotated[
    Literal["success", "end"] | None,
    typer.Option("--after-rule", help="Whether those must succeed, which is the default, or end in any way."),
]
Webhook = Annotated[
    str | None, typer.Option("--webhook", metavar="URL", help="An address that is called at the end of each.")
]


def submit_jobs(
    images: Images,
    plugin: PluginNames,
    option: GivenOptions = None,
    batch: AsBatch = False,
    priority: Annotated[int, typer.Option("--priority", min=-100, max=100, help="Higher ones start first.")] = 0,
    delay: Annotated[float | None, typer.Option("--delay", help="Seconds before which they do not start.")] = None,
    deadline: Annotated[
        float | None, typer.Option("--deadline", help="Seconds within which they must have started and ended.")
    ] = None,
    attempts: Annotated[
        int | None, typer.Option("--attempts", min=1, max=100, help="How often one that fails is tried in all.")
    ] = None,
    after: After = None,
    after_rule: AfterRule = None,
    webhook: Webhook = None,
    data_dir: DataDir = None,
    plugins_dir: PluginsDir = None,
    as_json: AsJson = False,
) -> None:
    """Accept a job for each image, and print their ids, on a terminal with the images.

    Without a running server, the next one runs them. With --batch, or several plugins, all are one batch.
    """
    terms: dict[str, Any] = {"priority": priority, "delay_s": delay, "deadline_s": deadline, "after": after or None}
    terms |= {"after_rule": after_rule, "webhook": webhook}
    terms["retry"] = {"max_attempts": attempts} if attempts is not None else None
    given = {name: value for name, value in terms.items() if value is not None}
    options = parse_options(option or [])

    async def submit(backend: Backend) -> None:
        if batch or len(plugin) > 1:
            accepted = await backend.jobs.submit_batch(plugin, images, options, given)
            tell(accepted, id_and(lambda all_of_it: counted(all_of_it["total"], "job")), as_json=as_json)
        else:
            await _submit_each(backend, plugin[0], images, options, given, as_json)

    settings = settings_from(data_dir=data_dir, plugins_dir=plugins_dir)
    ask(settings, Need.PLUGINS, submit, only=plugin)


async def _submit_each(
    backend: Backend, plugin: str, images: Sequence[Path], options: JsonObject, terms: JsonObject, as_json: bool
) -> None:
    async def submit(path: Path) -> JsonObject:
        image = await asyncio.to_thread(path.read_bytes)
        return {"image": str(path), **await backend.jobs.submit(plugin, image, options, terms)}

    await for_each(images, submit, id_and(lambda job: job["image"]), as_json=as_json)
