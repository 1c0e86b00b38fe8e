"""The commands, from the parser itself."""

import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from app.cli.application import app
from reference_tables.markdown import code


def commands() -> str:
    """A section for each command: what it does, its arguments and options."""
    return "\n\n".join(_section(path, command) for path, command in _leaves("sightgate", get_command(app)))


def _leaves(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, below in inner.items():
        yield from _leaves(f"{path} {name}", below)


def _section(path: str, command: Any) -> str:
    lines = [f"### `{path}`", "", " ".join((command.help or "").split())]
    parameters = [f"- {_named(each)}: {each.help}{_default(each)}" for each in command.params]
    return "\n".join([*lines, "", *parameters] if parameters else lines)


def _named(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return code(parameter.metavar or parameter.name.upper())
    shown = ", ".join(parameter.opts)
    return code(f"{shown} {parameter.metavar}" if parameter.metavar else shown)


def _default(parameter: Any) -> str:
    if parameter.required:
        return " Must be given."
    told = re.search(r"\[.*default", parameter.help or "")
    plain = isinstance(parameter.default, (int, str)) and not isinstance(parameter.default, bool)
    return f" [default: {parameter.default}]" if plain and not told else ""
