"""An image of 24 megapixels with 5,000 boxes on the Analyze view, dragged about; what that costs is counted."""

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page, expect

from support.analyze_view import AnalyzeView
from support.images import encoded

BOXES = 5_000
SIZE = (6_000, 4_000)

# Before the page's own scripts: each corner of an outline is a call of lineTo, each frame copies the image.
COUNTING = """
window.counted = {corners: 0, copies: 0, changes: 0, frames: []};
for (const [name, as] of [['lineTo', 'corners'], ['drawImage', 'copies']]) {
  const own = CanvasRenderingContext2D.prototype[name];
  CanvasRenderingContext2D.prototype[name] = function (...given) {
    window.counted[as] += 1;
    return own.apply(this, given);
  };
}
// React writes name and type of every input anew whenever the plugins are asked for again: that is not the drag's.
const told = ({attributeName}) => !['name', 'type'].includes(attributeName);
const changes = new MutationObserver((all) => { window.counted.changes += all.filter(told).length; });
window.startCounting = () => {
  Object.assign(window.counted, {corners: 0, copies: 0, changes: 0, frames: []});
  changes.observe(document.documentElement, {subtree: true, childList: true, attributes: true, characterData: true});
  let before = performance.now();
  const next = (now) => {
    window.counted.frames.push(now - before);
    before = now;
    window.counting = requestAnimationFrame(next);
  };
  window.counting = requestAnimationFrame(next);
};
window.stopCounting = () => { cancelAnimationFrame(window.counting); changes.disconnect(); return window.counted; };
"""


@dataclass(frozen=True)
class Counted:
    """What a drag cost: corners of outlines drawn, images copied, changes of the document, frame times in ms."""

    corners: int
    copies: int
    changes: int
    frames: list[float]


def show_boxes(page: Page) -> AnalyzeView:
    """Show the image with its boxes. The page must not have been loaded yet."""
    page.add_init_script(COUNTING)
    view = AnalyzeView(page).open("drawing")
    view.options("drawing")
    page.get_by_role("textbox", name="Boxes").fill(str(BOXES))
    view.add(("large.jpg", encoded("jpeg", *SIZE)))
    view.run()
    expect(page.get_by_role("tab", name="Findings")).to_contain_text(f"{BOXES + 4:,}")
    expect(page.get_by_role("status", name="Loading the image")).to_have_count(0)
    return view


def drag(view: AnalyzeView, by: tuple[float, float], steps: int) -> Counted:
    """Drag the image by so many CSS pixels, in steps of a frame each, and return what it cost."""
    page, place = view.page, view.canvas.bounding_box()
    assert place is not None
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    _frames(page, 3)  # what the pointer's arrival draws is not the drag's
    page.evaluate("window.startCounting()")
    for step in range(1, steps + 1):
        page.mouse.move(x + by[0] * step / steps, y + by[1] * step / steps)
        _frames(page, 1)
    counted: dict[str, Any] = page.evaluate("window.stopCounting()")
    page.mouse.up()
    return Counted(**counted)


def _frames(page: Page, number: int) -> None:
    """Wait for so many frames to be drawn."""
    page.evaluate(
        "async (n) => { for (; n > 0; n -= 1) await new Promise((next) => requestAnimationFrame(next)); }", number
    )
