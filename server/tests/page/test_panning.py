"""Thousands of boxes are panned without being drawn again: what makes it smooth, on any machine."""

from playwright.sync_api import Page
from support.analyze_view import AnalyzeView
from support.panning import BOXES, drag, show_boxes
from support.running_server import eventually

STEPS = 20
# The one box that is pointed at is drawn over the others in each frame.
MARKED = 4 * (STEPS + 5)


def test_five_thousand_boxes_are_drawn_once_and_copied_while_the_image_is_panned(page: Page):
    view = show_boxes(page)
    near = drag(view, (100, 60), STEPS)
    assert near.corners <= MARKED
    assert near.copies >= 2 * STEPS  # the image and what is drawn over it, in each frame
    assert near.changes == 0  # no row, no mark, no name: nothing of the document takes part
    # Where the screen leaves what was drawn, they are drawn again: once for many frames.
    place = view.canvas.bounding_box()
    assert place is not None
    far = [drag(view, (-0.45 * place["width"], 0), STEPS) for _ in range(3)]
    assert BOXES / 10 < sum(counted.corners for counted in far) <= 3 * (4 * BOXES + MARKED)
    assert sum(counted.changes for counted in far) == 0


def test_the_boxes_stay_where_they_are_on_the_image(page: Page):
    view = show_boxes(page)
    before = image_at_rest(view)
    drag(view, (90, 40), 5)
    eventually(lambda: view.canvas.screenshot() != before, "moved image")
    drag(view, (-90, -40), 5)
    page.mouse.move(0, 0)
    eventually(lambda: view.canvas.screenshot() == before, "image as it was")


def image_at_rest(view: AnalyzeView) -> bytes:
    """Return what is shown when it does not change any more."""

    def at_rest() -> bytes | None:
        shown = view.canvas.screenshot()
        return shown if view.canvas.screenshot() == shown else None

    return eventually(at_rest, "image at rest")
