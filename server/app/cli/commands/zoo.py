"""``sightgate zoo``."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.cli import output
from app.cli.failures import FAILED, CliError
from app.cli.options import AsJson
from app.cli.text import clean, milliseconds
from app.zoo.adapters import ADAPTERS, Adapter
from app.zoo.catalog import CONTROL, OK, Animal, animals, write_animals
from app.zoo.runner import CONTROL_WITHIN_S, Keeper, Row, run_against, run_zoo
from app.zoo.servers import DidNotStart

Only = Annotated[
    list[str] | None, typer.Option("--only", metavar="NAME", help="Show this animal; may be given several times.")
]
AdapterName = Annotated[
    str, typer.Option("--adapter", metavar="NAME", help=f"The kind of server: {', '.join(ADAPTERS)}.")
]
Against = Annotated[
    str | None,
    typer.Option(
        "--against", metavar="URL", help="A server that runs already and holds the animals; only its answers count."
    ),
]
Python = Annotated[
    str | None, typer.Option("--python", metavar="PATH", help="The interpreter that has the foreign server installed.")
]
Write = Annotated[
    Path | None, typer.Option("--write", metavar="DIR", help="Only write the animals into a folder, for --against.")
]


def zoo(
    only: Only = None,
    adapter: AdapterName = "sightgate",
    against: Against = None,
    python: Python = None,
    write: Write = None,
    as_json: AsJson = False,
) -> None:
    """Show hostile plugins to a fresh server of its own, and look at what comes of each. Exits 1 if one fails."""
    if write is not None:
        _write(write)
        return
    if adapter not in ADAPTERS:
        raise CliError(f"there is no adapter {adapter!r}; there are {', '.join(ADAPTERS)}")
    rows = _run(_chosen(only or []), ADAPTERS[adapter], against, python or sys.executable)
    try:
        passed = _tell_json(adapter, rows) if as_json else _tell(adapter, rows)
    except DidNotStart as failed:
        raise CliError(f"the server did not start: {clean(failed)}") from failed
    if not passed:
        raise typer.Exit(FAILED)


def _write(folder: Path) -> None:
    try:
        write_animals(folder, animals())
    except OSError as refused:
        raise CliError(f"--write {folder}: the animals cannot be written there: {refused.strerror}") from refused


def _chosen(names: Sequence[str]) -> list[Animal]:
    known = animals()
    if unknown := next((name for name in names if name not in known), None):
        raise CliError(f"there is no animal {unknown!r}; there are {', '.join(known)}")
    return [animal for name, animal in known.items() if not names or name in names]


def _run(chosen: Iterable[Animal], adapter: Adapter, against: str | None, python: str) -> Iterator[Row]:
    if against is not None:
        _check_control(adapter, against)
        return run_against(chosen, adapter, against)
    if why := adapter.missing(python):
        raise CliError(why)
    return run_zoo(chosen, adapter, python)


def _check_control(adapter: Adapter, url: str) -> None:
    keeper = Keeper(adapter, url, None)
    try:
        answer = keeper.ask(CONTROL, CONTROL_WITHIN_S)
    finally:
        keeper.close()
    if answer.status is None:
        raise CliError(f"no server answers at {url}")
    if answer.outcome != OK:
        raise CliError(
            f"the plugin {CONTROL} at {url} ended with {answer.outcome}: write the animals into the server's plugin "
            "folder with `sightgate zoo --write DIR`, and start it anew"
        )


def _tell_json(adapter: str, rows: Iterable[Row]) -> bool:
    told = [row.to_data() for row in rows]
    passed = sum(bool(row["passed"]) for row in told)
    output.write_json({"adapter": adapter, "passed": passed, "failed": len(told) - passed, "animals": told})
    return passed == len(told)


def _tell(adapter: str, rows: Iterable[Row]) -> bool:
    table = Table("animal", "answer", "code", "time", "serves", "left behind", "verdict", box=None, pad_edge=False)
    told: list[Row] = []
    with Console(stderr=True).status("waiting for the server") as status:
        for row in rows:
            status.update(f"{len(told) + 1} shown, last {row.animal.name}")
            told.append(row)
            table.add_row(*_cells(row))
    console = output.console()
    console.print(table)
    for row in told:
        for fault in row.faults:
            console.print(Text(clean(f"{row.animal.name}: {fault}"), "red"))
    passed = sum(row.passed for row in told)
    console.print(f"{adapter}: {passed} of {len(told)} as expected")
    return passed == len(told)


def _cells(row: Row) -> tuple[str | Text, ...]:
    calls, left = row.seen.calls, row.seen.left
    verdict = Text("as expected", "green") if row.passed else Text("not as expected", "red")
    return (
        row.animal.name,
        ", ".join(str(call.status or "-") for call in calls),
        ", ".join(call.outcome for call in calls),
        milliseconds(sum(call.elapsed_ms for call in calls)),
        "yes" if row.seen.serves else "no",
        "not seen" if left is None else str(len(left)) if left else "nothing",
        verdict,
    )
