"""Puts the commands together, and turns every expected failure into one line and an exit code."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from app.cli.commands import analyze, doctor, environments, jobs, plugins, serve, version, zoo
from app.cli.failures import FAILED
from app.governance.unfit_value import describe

app = typer.Typer(
    name="sightgate",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("analyze")(analyze.analyze)
for command in (
    environments.install,
    environments.upgrade,
    environments.rollback,
    environments.remove,
    environments.environments,
):
    plugins.app.command()(command)
app.add_typer(plugins.app, name="plugins")
app.add_typer(jobs.app, name="jobs")
app.command("doctor")(doctor.doctor)
app.command("version")(version.version)
app.command("zoo")(zoo.zoo)


def _show_version(wanted: bool) -> None:
    if wanted:
        version.version()
        raise typer.Exit


@app.callback()
def sightgate(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Runs image-analysis plugins behind one governed gate."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code, as ``main`` does, which calls this."""
    _open_closed_streams()
    try:
        code = app(args=None if arguments is None else list(arguments), prog_name="sightgate", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as failed:
        _use_our_words(failed)
        sys.stderr.write(f"sightgate: {failed.format_message()}{_hint(failed)}\n")
        return failed.exit_code
    except typer.Abort:
        return FAILED
    except OSError as failed:
        if not isinstance(failed, BrokenPipeError):  # the reader has gone (`| head`), as it may
            where = f" ({failed.filename})" if failed.filename is not None else ""
            sys.stderr.write(f"sightgate: {failed.strerror or failed}{where}\n")
        _drop_output()
        return FAILED
    return code if isinstance(code, int) else 0


def _open_closed_streams() -> None:
    """Put the null device where a standard stream was closed (`>&-`), before another file takes its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 (it stays open as long as the program runs)


def _drop_output() -> None:
    """Send what is still to be written nowhere: Python would try once more at its end, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _use_our_words(failed: typer.TyperException) -> None:
    if isinstance(failed.__cause__, ValidationError) and isinstance(failed, typer.BadParameter):
        failed.message = describe(failed.__cause__.errors()[0])


def _hint(failed: typer.TyperException) -> str:
    context = getattr(failed, "ctx", None)
    return f" (try: {context.command_path} --help)" if context is not None else ""
