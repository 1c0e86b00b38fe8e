"""Does something for each of many, and asks before it is too late to say no."""

import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import typer

from app.cli import output
from app.cli.backend import JsonObject
from app.cli.failures import FAILED, CliError, Refused
from app.cli.text import clean

T = TypeVar("T")
Line = Callable[[JsonObject], str]


async def for_each(
    what: Iterable[T], do: Callable[[T], Awaitable[JsonObject]], line: Line, *, as_json: bool = False
) -> None:
    """Do something for each and print each result as it comes: who interrupts this knows how far it came.

    What is refused for one is told, and does not keep the others from it. Raises typer.Exit if something was refused.
    """
    refused = False
    for one in what:
        try:
            done = await do(one)
        except Refused as refusal:
            refused = True
            sys.stderr.write(f"sightgate: {clean(str(one))}: {clean(refusal.format_message())}\n")
        else:
            tell(done, line, as_json=as_json)
    if refused:
        raise typer.Exit(FAILED)


def tell(done: JsonObject, line: Line, *, as_json: bool) -> None:
    """Print one result."""
    if as_json:
        output.write_json(done)
    else:
        output.write_line(line(done))


def id_and(about: Line) -> Line:
    """Return the line of what was accepted: for a reader its id and what it is about; a program gets the id alone, to
    hand it on.
    """
    return (lambda job: f"{job['id']} {about(job)}") if sys.stdout.isatty() else (lambda job: str(job["id"]))


def confirm(question: str, otherwise: str) -> None:
    """Raise CliError, which says ``otherwise``, unless the answer is yes; no answer is none.

    Not to be called in the event loop, which would keep Ctrl-C from ending it. Standard output is left to what follows.
    """
    sys.stderr.write(f"{question} [y/N]: ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not (answer and sys.stdin.isatty()):
        sys.stderr.write("\n")  # nobody's return key has ended the line
    if answer.strip().lower() not in ("y", "yes"):
        raise failure(otherwise)


def failure(said: str) -> CliError:
    """Return the failure of a command that was used as it should be."""
    failed = CliError(said)
    failed.exit_code = FAILED
    return failed
