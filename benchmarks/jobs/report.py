"""The page `docs/benchmarks-jobs.md`: queues beside each other, as a table with ratios."""

import statistics
from collections.abc import Iterator

from benchmarks.jobs.figures import Figures, Row, done_s, enqueued_s

SQLITE, HTTP, POSTGRES = "sightgate", "sightgate-http", "sightgate-postgres"
NO_FIGURE = "–"


def render_page(figures: Figures) -> str:
    """Markdown."""
    parts = [
        _head(figures),
        _in_short(figures),
        _table(figures),
        _durability(figures),
        _growth(figures),
        _listings(figures),
        _notes(figures),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(figures: Figures) -> str:
    setting = figures.setting
    versions = ", ".join(dict.fromkeys(row.version for row in figures.measured()))
    return f"""# Benchmarks of jobs

Sightgate's durable jobs beside job queues, measured in one run on one machine. Ratios count; absolute figures only say
where things stand. [How it is measured](how-to/measure.md#jobs-beside-queues), and how to run it again:
`make bench-jobs`.

| | |
|---|---|
| machine | {setting.machine} |
| Python | {setting.python} |
| rounds | {setting.rounds}, each queue started anew in each; medians; in brackets the range of the ratios |
| a round | {setting.jobs} jobs at once, then {setting.picks} one by one with rests between |
| input | {setting.image_bytes + 8} bytes, another for each job |
| versions | {versions} |

The job is a no-op that returns its input's length. Two worker processes each; Sightgate's are sandboxed. *Enqueue*:
jobs accepted a second, while the workers run. *To the end*: jobs a second from the first call until the last job has
run; for Sightgate until its end is stored. *Idle pick-up*: from the call that enqueues one job until its function
begins."""


def _in_short(figures: Figures) -> str:
    rows = [row for row in _aims(figures) if row]
    if not rows:
        return ""
    return "\n".join(["## In short", "", "| case | Sightgate | beside | ratio | aim |", "|---|---|---|---|---|", *rows])


def _aims(figures: Figures) -> Iterator[str]:
    peers = [row for row in figures.measured() if not row.ours]
    yield _rate_aim(figures, SQLITE, peers, "SQLite, to the end", "the fastest queue, ")
    yield _rate_aim(figures, HTTP, peers, "SQLite over HTTP, to the end", "the fastest queue, ", aim="told")
    yield _rate_aim(
        figures, POSTGRES, [row for row in peers if row.service == "postgres"], "PostgreSQL, to the end", ""
    )
    for name, title in ((SQLITE, "SQLite"), (POSTGRES, "PostgreSQL")):
        pick_up = figures.pick_up_ms(name, 0.5)
        if pick_up is not None:
            yield f"| {title}, idle pick-up, p50 | {pick_up:.1f} ms | | | ≤ 5 ms |"


def _rate_aim(figures: Figures, name: str, peers: list[Row], case: str, who: str, aim: str = "≥ 2") -> str:
    ours = figures.median(name, done_s)
    beside = [(rate, row) for row in peers if (rate := figures.median(row.name, done_s))]
    if not (ours and beside):
        return ""
    rate, row = max(beside, key=lambda pair: pair[0])
    return f"| {case} | {ours:.0f}/s | {who}{row.title}: {rate:.0f}/s | {_ratio(figures, name, row)} | {aim} |"


def _table(figures: Figures) -> str:
    lines = [
        "## The queues",
        "",
        "| queue | enqueue, jobs/s | to the end, jobs/s | Sightgate (SQLite) is × this "
        "| Sightgate (PostgreSQL) is × this | idle pick-up p50 / p99 ms |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in figures.measured():
        ratios = f"{_ratio(figures, SQLITE, row)} | {_ratio(figures, POSTGRES, row)}"
        pick_up = f"{_short(figures.pick_up_ms(row.name, 0.5))} / {_short(figures.pick_up_ms(row.name, 0.99))}"
        rates = f"{_short(figures.median(row.name, enqueued_s))} | {_short(figures.median(row.name, done_s))}"
        lines.append(f"| {_bold(row)} | {rates} | {ratios} | {pick_up} |")
    return "\n".join(lines)


def _ratio(figures: Figures, ours: str, row: Row) -> str:
    ratios = figures.ratios(ours, row.name, done_s)
    if row.name == ours or not ratios:
        return NO_FIGURE
    spread = f" ({ratios[0]:.2f}–{ratios[-1]:.2f})" if len(ratios) > 1 else ""
    return f"{statistics.median(ratios):.2f}{spread}"


def _durability(figures: Figures) -> str:
    rows = [f"| {_bold(row)} | {row.keeps} |" for row in figures.measured()]
    if not rows:
        return ""
    return "\n".join(["## What an accepted job rests on", "", "| queue | an accepted job is |", "|---|---|", *rows])


def _growth(figures: Figures) -> str:
    if not figures.growth:
        return ""
    rows = [f"| {one.jobs} | {'' if one.exact else '≤ '}{one.mib:.0f} |" for one in figures.growth]
    text = "All processes of `sightgate serve` on SQLite (proportional set size), after jobs with small inputs."
    return "\n".join(["## Memory", "", text, "", "| jobs | MiB |", "|---:|---:|", *rows])


def _listings(figures: Figures) -> str:
    if not figures.listings:
        return ""
    stores = list(dict.fromkeys(one.store for one in figures.listings))
    cells = {(one.store, one.what): f"{one.p50_ms:.1f} / {one.worst_ms:.1f}" for one in figures.listings}
    rows = [
        f"| {what} | {' | '.join(cells.get((store, what), NO_FIGURE) for store in stores)} |"
        for what in dict.fromkeys(one.what for one in figures.listings)
    ]
    text = f"A page of 50 out of {figures.setting.listed:,} jobs, read in-process: median / longest, ms. Aim: ≤ 50 ms."
    titles = " | ".join(stores)
    return "\n".join(["## Listing", "", text, "", f"| filter | {titles} |", f"|---|{'---:|' * len(stores)}", *rows])


def _notes(figures: Figures) -> str:
    lines = [f"- {row.title} is left out: {row.left_out}." for row in figures.rows if row.left_out]
    twice = {row.title: sum(sample.twice for sample in figures.of(row.name).values()) for row in figures.measured()}
    lines += [f"- {title} ran jobs a second time, {times} in all." for title, times in twice.items() if times]
    return "\n".join(["## Notes", "", *lines]) if lines else ""


def _bold(row: Row) -> str:
    return f"**{row.title}**" if row.ours else row.title


def _short(value: float | None) -> str:
    if value is None:
        return NO_FIGURE
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
