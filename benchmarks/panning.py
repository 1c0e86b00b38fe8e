"""How smoothly 5,000 boxes on an image of 24 megapixels are panned: frame times in the headless Chromium."""

import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import expect
from support.chromium import MILLISECONDS, chromium, opened
from support.panning import BOXES, Counted, drag, show_boxes
from support.running_server import PATIENCE_S, make_home, running

STEPS = 120
DRAGS = ((150.0, 90.0), (-300.0, -180.0), (300.0, 180.0))
# Presses of the plus key before the drags: all boxes in sight, and some hundred.
ZOOMS = (0, 4)


def main() -> None:
    """Print a line for each zoom."""
    expect.set_options(timeout=PATIENCE_S * MILLISECONDS)
    print(f"{BOXES:,} boxes on 24 megapixels, dragged; without a graphics card\n")
    with (
        tempfile.TemporaryDirectory() as folder,
        running(make_home(Path(folder), "drawing", "answering")) as server,
        chromium() as browser,
        opened(browser, server.url, size=(1280, 860)) as (_, page, _watch),
    ):
        view = show_boxes(page)
        for zoom in ZOOMS:
            for _ in range(zoom):
                view.canvas.press("+")
            drags = [drag(view, by, STEPS) for by in DRAGS]
            print(f"enlarged {1.4**zoom:.1f} times: {_told(drags)}")


def _told(drags: list[Counted]) -> str:
    frames = [frame for counted in drags for frame in counted.frames]
    p95 = statistics.quantiles(frames, n=20)[-1]
    drawn = sum(counted.corners for counted in drags)
    return (
        f"{len(frames)} frames, median {statistics.median(frames):.1f} ms, p95 {p95:.1f} ms, "
        f"longest {max(frames):.1f} ms; {drawn:,} corners drawn"
    )


if __name__ == "__main__":
    main()
