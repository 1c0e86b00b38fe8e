"""A plugin that says how far it is: its words and a bar while it runs, and a cancel that ends its work."""

import re

from playwright.sync_api import Page, expect
from support.analyze_view import AnalyzeView
from support.chromium import held
from support.images import EXAMPLES
from support.running_server import RunningServer, eventually

TOLD = re.compile(r"\d+ %, step \d+")
ASTRONAUT = EXAMPLES / "astronaut.jpg"


def opened(page: Page, steps: int, pause: float) -> AnalyzeView:
    """Open the view on an image, with a plugin of so many steps and seconds between them."""
    view = AnalyzeView(page).open("steps")
    view.options("steps")
    page.get_by_role("textbox", name="Steps").fill(str(steps))
    page.get_by_role("textbox", name="Pause").fill(str(pause))
    view.add(ASTRONAUT)
    return view


def test_the_plugins_own_progress_is_shown_while_it_runs(page: Page):
    view = opened(page, steps=2, pause=25)
    view.run_button.click()
    expect(view.outcome("steps")).to_contain_text(TOLD)
    expect(view.image("astronaut.jpg")).to_contain_text(TOLD)
    for name in ("Progress", "Progress of steps"):
        bar = page.get_by_role("progressbar", name=name, exact=True)
        expect(bar).to_have_attribute("aria-valuenow", "50")
    page.get_by_role("button", name="Cancel").click()
    view.ended()
    page.get_by_role("textbox", name="Pause").fill("3")  # longer than one waits between two looks
    view.run_button.click()
    expect(view.outcome("steps")).to_contain_text("100 %, step 2")
    view.ended()
    expect(view.outcome("steps")).to_contain_text("ran")
    expect(page.get_by_role("progressbar")).to_have_count(0)


def test_progress_moves_nothing_on_the_page(page: Page):
    view = opened(page, steps=1000, pause=1)
    with held(page, "**/v1/analyze**"):
        view.run_button.click()
        expect(view.outcome("steps")).to_contain_text("runs")
        places = [view.outcome("steps"), page.get_by_role("button", name="Cancel"), view.image("astronaut.jpg")]
        before = [place.bounding_box() for place in places]
    expect(view.outcome("steps")).to_contain_text(TOLD)
    assert [place.bounding_box() for place in places] == before
    page.get_by_role("button", name="Cancel").click()
    view.ended()


def test_cancel_ends_the_work_of_a_plugin_that_reports(page: Page, page_server: RunningServer):
    before = page_server.row("steps")["cancelled_count"]
    view = opened(page, steps=1000, pause=0.5)
    view.run_button.click()
    expect(view.outcome("steps")).to_contain_text(TOLD)
    page.get_by_role("button", name="Cancel").click()
    view.ended()
    expect(view.outcome("steps")).to_contain_text("cancelled")
    eventually(lambda: page_server.row("steps")["in_flight"] == 0, "end of the call on the server")
    assert page_server.row("steps")["cancelled_count"] == before + 1
    eventually(lambda: page_server.jobs(plugin="steps")[0]["status"] == "CANCELLED", "end of the job")
    page.get_by_role("textbox", name="Steps").fill("2")
    view.run()
    expect(view.outcome("steps")).to_contain_text("ran")


def test_the_tab_is_closed_and_the_work_ends(page: Page, page_server: RunningServer):
    before = page_server.row("steps")["cancelled_count"]
    view = opened(page, steps=1000, pause=0.5)
    view.run_button.click()
    expect(view.outcome("steps")).to_contain_text(TOLD)
    page.close()
    eventually(lambda: page_server.row("steps")["cancelled_count"] > before, "end of the call on the server")


def test_a_failure_after_progress_is_told_as_any_other(page: Page):
    view = opened(page, steps=2, pause=0.5)
    page.get_by_role("switch", name="Fails").check()
    view.run()
    expect(page.get_by_role("alert")).to_contain_text("steps: The plugin failed on this image")
    expect(view.outcome("steps")).to_contain_text("The plugin failed on this image")


def test_an_image_that_is_added_during_a_run_is_said_not_to_be_in_it_and_is_run_at_once(page: Page):
    view = opened(page, steps=1000, pause=1)
    view.run_button.click()
    expect(view.outcome("steps")).to_contain_text(TOLD)
    view.plugin("steps").uncheck()
    view.plugin("echo").check()
    view.add(EXAMPLES / "receipt.jpg")
    expect(view.image("receipt.jpg")).to_contain_text("not run yet")
    page.get_by_role("button", name="Run 1 new image").click()
    expect(view.image("receipt.jpg")).to_contain_text("finding")
    expect(view.image("astronaut.jpg")).to_contain_text(TOLD)
    page.get_by_role("button", name="Cancel").click()
    view.ended()
