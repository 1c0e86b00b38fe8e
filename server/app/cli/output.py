"""Standard output: JSON for programs, Rich for people, and the progress bar."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from app.cli.text import clean

# Where output is no terminal there is no width to keep to, and nothing should be cut or wrapped narrowly.
WIDTH_OF_FILES = 120


def console(least_width: int = 0) -> Console:
    """Return the console for people on standard output. Text of plugins is never read as markup."""
    on = Console(markup=False, emoji=False, highlight=False)
    on.width = max(on.width, least_width) if sys.stdout.isatty() else WIDTH_OF_FILES
    return on


def show(what: RenderableType, least_width: int = 0) -> None:
    """Print for people, without the blanks that fill a column up at the end of a line."""
    on = console(least_width)
    with on.capture() as captured:
        on.print(what)
    sys.stdout.write("\n".join(line.rstrip(" ") for line in captured.get().split("\n")))
    sys.stdout.flush()


def write_json(value: Any, on: Console | None = None) -> None:
    """Write a value as one line of JSON in UTF-8, past the progress bar if ``on`` shows one."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name that is not UTF-8
        text = json.dumps(value)
    if on is not None and on.is_terminal:
        on.out(text, highlight=False)
        return
    sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.flush()


def write_line(text: str) -> None:
    """Write a line for people as it is, however wide; what a file name holds cannot control the terminal."""
    sys.stdout.write(clean(text) + "\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Bar:
    """A progress bar that may be hidden."""

    progress: Progress
    task: TaskID

    def advance(self) -> None:
        """One more is done."""
        self.progress.advance(self.task)


@contextmanager
def progress(shown_on: Console, total: int) -> Iterator[Bar]:
    """Show a bar for many images on standard error; where both are the terminal, above which results are printed."""
    where = shown_on if shown_on.is_terminal else Console(stderr=True)
    columns = (TextColumn("analyzing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = total == 1 or not where.is_terminal
    with Progress(*columns, console=where, disable=hidden, transient=True, redirect_stdout=False) as bar:
        yield Bar(bar, bar.add_task("analyzing", total=total))
