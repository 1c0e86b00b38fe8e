"""The plot `docs/benchmarks.svg`: bars, one panel a case and one for memory. Plain SVG, no library."""

from dataclasses import dataclass
from xml.sax.saxutils import escape

from benchmarks.peers.figures import Case, Figures, requests_s
from benchmarks.peers.report import OURS

WIDTH, BAR, GAP, LABELS, HEAD, COLUMNS = 460, 16, 8, 150, 44, 2
FIGURES = 64
COLOURS = {True: "#1c7ed6", False: "#adb5bd"}


@dataclass(frozen=True)
class Bar:
    """A bar; `ours` is drawn in another colour."""

    title: str
    value: float
    ours: bool


@dataclass(frozen=True)
class Panel:
    """Bars with one scale, the best first."""

    title: str
    bars: list[Bar]

    @property
    def height(self) -> int:
        return HEAD + len(self.bars) * (BAR + GAP)


def render_plot(figures: Figures, connections: int = 16) -> str:
    """An SVG document of requests a second at `connections`, and of memory."""
    cases = [case for case in figures.cases() if case.connections == connections]
    panels = [panel for panel in [*(_rates(figures, case) for case in cases), _memory(figures)] if panel.bars]
    height = max((panel.height for panel in panels), default=HEAD)
    rows = -(-len(panels) // COLUMNS)
    drawn = "".join(
        _draw(panel, (place % COLUMNS) * WIDTH, (place // COLUMNS) * height) for place, panel in enumerate(panels)
    )
    width, whole = WIDTH * COLUMNS, height * rows
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {whole}" width="{width}" height="{whole}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="#212529" role="img">'
        f"<title>Sightgate beside other servers</title>"
        f'<rect width="100%" height="100%" fill="#ffffff"/>{drawn}</svg>\n'
    )


def _rates(figures: Figures, case: Case) -> Panel:
    bars = [
        Bar(server.title, rate, server.name == OURS)
        for server in figures.measured()
        if (rate := figures.median(server.name, case, requests_s))
    ]
    title = f"{case.function}, {case.encoding}, {case.connections} connections: requests a second"
    return Panel(title, sorted(bars, key=lambda bar: -bar.value))


def _memory(figures: Figures) -> Panel:
    bars = [
        Bar(server.title, memory.mib, server.name == OURS)
        for server in figures.measured()
        if (memory := figures.memory_of(server.name))
    ]
    return Panel("memory after stats, MiB (less is better)", sorted(bars, key=lambda bar: bar.value))


def _draw(panel: Panel, left: int, top: int) -> str:
    most = max(bar.value for bar in panel.bars)
    title = f'<text x="{left + 12}" y="{top + 26}" font-weight="600">{escape(panel.title)}</text>'
    return title + "".join(
        _draw_bar(bar, most, left, top + HEAD + place * (BAR + GAP)) for place, bar in enumerate(panel.bars)
    )


def _draw_bar(bar: Bar, most: float, left: int, top: int) -> str:
    long = (WIDTH - LABELS - FIGURES) * bar.value / most
    line = top + BAR - 4
    weight = ' font-weight="600"' if bar.ours else ""
    shown = f"{bar.value:.0f}" if bar.value >= 100 else f"{bar.value:.1f}"
    return (
        f'<text x="{left + LABELS - 8}" y="{line}" text-anchor="end"{weight}>{escape(bar.title)}</text>'
        f'<rect x="{left + LABELS}" y="{top}" width="{long:.1f}" height="{BAR}" rx="2" fill="{COLOURS[bar.ours]}"/>'
        f'<text x="{left + LABELS + long + 6:.1f}" y="{line}"{weight}>{shown}</text>'
    )
