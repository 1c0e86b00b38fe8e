"""The page `docs/benchmarks.md`: what was measured, as tables with ratios."""

import statistics
from collections.abc import Iterator

from benchmarks.peers.figures import Case, Figures, Server, p50_ms, p99_ms, requests_s

OURS = "sightgate"
NO_FIGURE = "–"


def render_page(figures: Figures, plot: str) -> str:
    """Markdown. `plot` is the plot's file name beside the page."""
    parts = [
        _head(figures, plot),
        _in_short(figures),
        *(_table(figures, function, encoding) for function, encoding in _pairs(figures)),
        _memory(figures),
        _notes(figures),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(figures: Figures, plot: str) -> str:
    setting = figures.setting
    return f"""# Benchmarks

Sightgate beside other Python servers, measured in one run on one machine. Ratios count; absolute figures only say
where things stand. [How it is measured](how-to/measure.md), and how to run it again: `make bench-peers`.

![Requests a second at 16 connections, and memory]({plot})

| | |
|---|---|
| machine | {setting.machine} |
| Python | {setting.python} |
| rounds | {setting.rounds}, each server started anew in each; medians; in brackets the range of the ratios |
| a case lasts | {setting.null_s:g} s for `null`, {setting.stats_s:g} s for `stats` |
| image | JPEG, 1280 × 720, {setting.image_bytes} bytes |
| load generator | `{setting.generator}`, the same for all, on the same machine |
| servers | {", ".join(server.version for server in _each_once(figures.measured()))} |

`null` returns the image's length. `stats` decodes it with Pillow and computes statistics with NumPy. Two worker
processes each, but for FastAPI's thread pool, which is one process. Every answer is checked: status 200, the right
length, and for `stats` the right mean. The figures count right answers only. c16: 16 connections, each sending its next
request when it has its answer."""


def _each_once(servers: list[Server]) -> list[Server]:
    return list({server.version: server for server in servers}.values())


def _pairs(figures: Figures) -> list[tuple[str, str]]:
    return sorted({(case.function, case.encoding) for case in figures.cases()})


def _in_short(figures: Figures) -> str:
    rows = [row for row in _aims(figures) if row]
    if not rows:
        return ""
    return "\n".join(["## In short", "", "| case | Sightgate | beside | ratio | aim |", "|---|---|---|---|---|", *rows])


def _aims(figures: Figures) -> Iterator[str]:
    yield _rate_aim(figures, Case("null", "JSON", 16), "≥ 1.5", model_servers=True)
    yield _rate_aim(figures, Case("null", "raw", 16), "≥ 1.8", model_servers=True)
    yield _rate_aim(figures, Case("null", "JSON", 1), "≥ 1", model_servers=False)
    yield _floor_aim(figures, Case("stats", "JSON", 16))
    yield _latency_aim(figures, Case("stats", "JSON", 16))
    memory = figures.memory_of(OURS)
    if memory:
        yield _row("memory, server and two workers after `stats`", f"{_mib(figures, OURS)} MiB", "", "", "≤ 250 MiB")


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _rate_aim(figures: Figures, case: Case, aim: str, *, model_servers: bool) -> str:
    """Beside the fastest model server, or beside FastAPI's thread pool."""
    ours = figures.median(OURS, case, requests_s)
    beside = [
        (rate, server)
        for server in figures.measured()
        if (server.model_server if model_servers else server.name == "fastapi-threads") and server.name != OURS
        if (rate := figures.median(server.name, case, requests_s))
    ]
    if not (ours and beside):
        return ""
    rate, server = max(beside, key=lambda row: row[0])
    who = "the fastest model server, " if model_servers else ""
    what = f"`{case.function}` {case.encoding}, c{case.connections}"
    return _row(what, f"{ours:.0f}/s", f"{who}{server.title}: {rate:.0f}/s", _ratio(figures, case, server), aim)


def _floor_aim(figures: Figures, case: Case) -> str:
    ours = figures.median(OURS, case, requests_s)
    if not (ours and figures.floor):
        return ""
    floor = statistics.median(figures.floor)
    what = f"`stats` JSON, c{case.connections}"
    beside = f"two processes without a server: {floor:.1f}/s"
    return _row(what, f"{ours:.1f}/s", beside, f"{ours / floor:.2f}", "≥ 0.95")


def _latency_aim(figures: Figures, case: Case) -> str:
    ours = figures.median(OURS, case, p99_ms)
    beside = [
        (late, server)
        for server in figures.measured()
        if server.name != OURS and (late := figures.median(server.name, case, p99_ms))
    ]
    if not (ours and beside):
        return ""
    late, server = min(beside, key=lambda row: row[0])
    what = f"`stats` JSON, c{case.connections}, p99"
    return _row(
        what, f"{ours:.0f} ms", f"the least of the others, {server.title}: {late:.0f} ms", f"{ours / late:.2f}", "≤ 1"
    )


def _table(figures: Figures, function: str, encoding: str) -> str:
    cases = [case for case in figures.cases() if (case.function, case.encoding) == (function, encoding)]
    with_floor = function == "stats" and bool(figures.floor)
    lines = [f"## `{function}`, {encoding}", "", _table_head(cases, with_floor=with_floor)]
    lines.append("|---|" + "---:|" * (3 * len(cases) + with_floor))
    for server in figures.measured():
        cells = [cell for case in cases for cell in _cells(figures, server, case)]
        if with_floor:
            cells.append(_of_floor(figures, server, cases))
        lines.append(f"| {_bold(server)} | {' | '.join(cells)} |")
    lines += ["", *_wrong_answers(figures, cases)]
    return "\n".join(lines).rstrip()


def _table_head(cases: list[Case], *, with_floor: bool) -> str:
    columns = [
        title for case in cases for title in (f"c{case.connections} req/s", "p50 / p99 ms", "Sightgate is × this")
    ]
    floor = [f"of the floor, c{_middle(cases).connections}"] if with_floor else []
    return f"| server | {' | '.join([*columns, *floor])} |"


def _cells(figures: Figures, server: Server, case: Case) -> tuple[str, str, str]:
    rate = figures.median(server.name, case, requests_s)
    if rate is None:
        return "no right answer", NO_FIGURE, NO_FIGURE
    p50, p99 = figures.median(server.name, case, p50_ms), figures.median(server.name, case, p99_ms)
    wrong = " *" if figures.failed(server.name, case)[0] else ""
    return f"{_short(rate)}{wrong}", f"{_short(p50)} / {_short(p99)}", _ratio(figures, case, server)


def _ratio(figures: Figures, case: Case, server: Server) -> str:
    ratios = figures.ratios(case, OURS, server.name)
    if server.name == OURS or not ratios:
        return NO_FIGURE
    spread = f" ({ratios[0]:.2f}–{ratios[-1]:.2f})" if len(ratios) > 1 else ""
    return f"{statistics.median(ratios):.2f}{spread}"


def _of_floor(figures: Figures, server: Server, cases: list[Case]) -> str:
    rate = figures.median(server.name, _middle(cases), requests_s)
    return f"{rate / statistics.median(figures.floor):.0%}" if rate else NO_FIGURE


def _middle(cases: list[Case]) -> Case:
    return cases[len(cases) // 2]


def _wrong_answers(figures: Figures, cases: list[Case]) -> Iterator[str]:
    for server in figures.measured():
        for case in cases:
            failed, everything = figures.failed(server.name, case)
            if failed:
                what = f"{failed} of {everything} answers were wrong or missing"
                yield f"\\* {server.title}, c{case.connections}: {what}."


def _memory(figures: Figures) -> str:
    rows = [
        f"| {_bold(server)} | {_mib(figures, server.name)} |"
        for server in figures.measured()
        if figures.memory_of(server.name)
    ]
    if not rows:
        return ""
    text = "All processes of the server after `stats`. What processes share counts once (proportional set size)."
    return "\n".join(["## Memory", "", text, "", "| server | MiB |", "|---|---:|", *rows])


def _mib(figures: Figures, server: str) -> str:
    memory = figures.memory_of(server)
    if memory is None:
        return NO_FIGURE
    return f"{memory.mib:.0f}" if memory.exact else f"≤ {memory.mib:.0f}"


def _notes(figures: Figures) -> str:
    lines = [f"- {server.title} is left out: {server.left_out}." for server in figures.left_out()]
    if any(not size.exact for sizes in figures.memory.values() for size in sizes):
        lines.append("- ≤: the kernel shows a confined worker's share to root alone, so its resident size is counted.")
    if not lines:
        return ""
    return "\n".join(["## Notes", "", *lines])


def _bold(server: Server) -> str:
    return f"**{server.title}**" if server.name == OURS else server.title


def _short(value: float | None) -> str:
    if value is None:
        return NO_FIGURE
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
