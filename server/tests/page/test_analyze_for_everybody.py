"""The Analyze view by keyboard alone, read aloud, in the dark, on a small screen, and with a camera."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from support.analyze_view import AnalyzeView
from support.axe import findings
from support.chromium import opened
from support.images import EXAMPLES, PHOTO
from support.running_server import RunningServer, eventually

ASTRONAUT = EXAMPLES / "astronaut.jpg"
PHONE = (360, 740)
TABLET = (1024, 768)
MOST_STEPS = 200


def tab_to(page: Page, name: str) -> None:
    """Press the tabulator until what bears this name has the focus."""
    for _ in range(MOST_STEPS):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "() => { const e = document.activeElement; return e.ariaLabel || e.labels?.[0]?.textContent"
            " || e.textContent || ''; }"
        )
        if focused.strip().startswith(name):
            return
    raise AssertionError(f"the tabulator does not reach {name!r}")


def test_an_image_is_analyzed_by_keyboard_alone(page: Page):
    # Whoever listens first has the browser hand over its choosers, which takes a moment that nothing waits for.
    page.on("filechooser", lambda _: None)
    AnalyzeView(page).open()
    page.reload()
    expect(AnalyzeView(page).plugin("drawing")).to_be_visible()
    tab_to(page, "Add images")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(ASTRONAUT)
    view = AnalyzeView(page)
    expect(view.image("astronaut.jpg")).to_be_visible()
    tab_to(page, "drawing")
    page.keyboard.press("Space")
    tab_to(page, "Run")
    page.keyboard.press("Enter")
    expect(view.outcome("drawing")).to_contain_text("6 findings")

    page.locator("body").press("Home")
    tab_to(page, "astronaut.jpg with 5 findings")
    first = view.canvas.screenshot()
    page.keyboard.press("+")
    enlarged = eventually(lambda: (shot := view.canvas.screenshot()) != first and shot, "larger image")
    page.keyboard.press("ArrowLeft")
    eventually(lambda: view.canvas.screenshot() != enlarged, "moved image")

    tab_to(page, "Findings: arrow keys choose one")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(view.findings.get_by_role("row", selected=True)).to_contain_text("box 1")
    page.keyboard.press("Escape")
    expect(view.findings.get_by_role("row", selected=True)).to_have_count(0)


def test_a_plugin_with_options_is_one_stop_and_its_options_one_arrow_away(page: Page):
    AnalyzeView(page).open("drawing")
    tab_to(page, "drawing")
    focused = page.locator(":focus")
    page.keyboard.press("ArrowRight")
    expect(focused).to_have_accessible_name("Options of drawing")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Boxes")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Boxes")).not_to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(focused).to_have_role("checkbox")
    page.keyboard.press("Tab")
    expect(focused).not_to_have_accessible_name("Options of drawing")
    page.keyboard.press("Shift+Tab")
    expect(focused).to_have_accessible_name("drawing")


def test_the_plugin_that_a_link_chooses_is_in_sight_however_many_there_are(page: Page):
    page.goto("/analyze?plugin=typed")
    expect(AnalyzeView(page).plugin("typed")).to_be_checked()
    expect(AnalyzeView(page).plugin("typed")).to_be_in_viewport()
    page.get_by_role("button", name="Options of typed").click()
    page.get_by_role("textbox", name="Most").fill("4")
    back = page.get_by_role("button", name="Back to the defaults")
    assert back.evaluate("button => button.querySelector('.mantine-Button-label').scrollWidth <= button.clientWidth")


def test_images_are_chosen_and_taken_off_by_keyboard(page: Page):
    view = AnalyzeView(page).open("echo")
    view.add(ASTRONAUT, EXAMPLES / "receipt.jpg", EXAMPLES / "qr-code.png")
    images = page.get_by_role("listbox", name="3 images")
    images.focus()
    images.press("ArrowDown")
    expect(view.image("receipt.jpg")).to_have_attribute("aria-selected", "true")
    images.press("Delete")
    expect(view.image("receipt.jpg")).to_have_count(0)
    expect(view.image("qr-code.png")).to_have_attribute("aria-selected", "true")


def test_control_and_enter_run_from_wherever_one_is(page: Page):
    view = AnalyzeView(page).open("drawing")
    view.add(ASTRONAUT)
    page.keyboard.press("Control+Enter")
    expect(view.outcome("drawing")).to_contain_text("6 findings")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_serious_whatever_is_shown(
    browser: Browser, page_server: RunningServer, dark: bool, size: tuple[int, int]
):
    with opened(browser, page_server.url, dark=dark, size=size) as (_, page, watch):
        watch.may_fail(400)
        view = AnalyzeView(page).open("drawing", "image-info")
        assert findings(page) == []
        view.options("drawing")
        page.get_by_role("textbox", name="Least").fill("7")
        expect(page.get_by_text("At most 1.")).to_be_visible()
        assert findings(page) == []
        page.get_by_role("textbox", name="Least").fill("0.2")
        view.add(ASTRONAUT, ("cut.jpg", PHOTO[:9000]))
        view.run()
        view.finding("box 1").click()
        assert findings(page) == []
        for tab in ("Values", "JSON", "Call"):
            view.tab(tab)
            expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
            assert findings(page) == []
        view.image("cut.jpg").click()
        expect(page.get_by_role("alert")).to_be_visible()
        assert findings(page) == []
        assert watch.faults == []


def test_a_small_screen_shows_image_list_and_results_without_scrolling_sideways(
    browser: Browser, page_server: RunningServer
):
    with opened(browser, page_server.url, size=PHONE) as (_, page, watch):
        view = AnalyzeView(page).open("drawing")
        view.options("drawing")
        view.add(ASTRONAUT)
        view.run()
        expect(view.finding("box 1")).to_be_visible()
        wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0
        assert watch.faults == []


def test_on_a_tablet_where_to_begin_and_run_are_in_sight_however_many_plugins_there_are(
    browser: Browser, page_server: RunningServer
):
    with opened(browser, page_server.url, size=TABLET) as (_, page, watch):
        view = AnalyzeView(page).open("drawing")
        expect(page.get_by_role("heading", name="Drop images here")).to_be_in_viewport()
        expect(view.run_button).to_be_in_viewport(ratio=1)
        view.add(ASTRONAUT)
        view.run()
        view.finding("box 1").scroll_into_view_if_needed()
        expect(view.run_button).to_be_in_viewport(ratio=1)
        assert watch.faults == []


def test_the_camera_is_analyzed_live_and_frames_are_dropped_rather_than_queued(
    browser: Browser, page_server: RunningServer
):
    before = page_server.row("drawing")["success_count"]
    with opened(browser, page_server.url, permissions=["camera"]) as (_, page, watch):
        view = AnalyzeView(page).open("drawing")
        page.get_by_role("button", name="Use the camera").first.click()
        live = page.get_by_label("Live figures")
        expect(live).to_contain_text("6 found")
        eventually(lambda: page_server.row("drawing")["success_count"] >= before + 5, "five analyzed frames")
        assert page_server.row("drawing")["in_flight"] <= 1
        eventually(lambda: " 0 frames dropped" not in live.inner_text(), "dropped frame")
        assert findings(page) == []
        page.get_by_role("button", name="Take a picture").click()
        expect(page.get_by_role("option", name="camera-")).to_be_visible()
        view.run()
        expect(view.outcome("drawing")).to_contain_text("6 findings")
        # Nothing is sent any more once the camera is closed.
        eventually(lambda: page_server.row("drawing")["in_flight"] == 0, "end of the last frame")
        after = page_server.row("drawing")["success_count"]
        page.wait_for_timeout(1_000)
        assert page_server.row("drawing")["success_count"] == after
        assert watch.faults == []


def test_a_camera_that_may_not_be_used_is_told_with_what_to_do(page: Page, tmp_path: Path):
    refuse = "Promise.reject(new DOMException('no', 'NotAllowedError'))"
    page.add_init_script(f"MediaDevices.prototype.getUserMedia = () => {refuse}")
    AnalyzeView(page).open("echo")
    page.get_by_role("button", name="Use the camera").first.click()
    expect(page.get_by_role("alert")).to_contain_text("Allow it beside the address, then open the camera again.")
    page.get_by_role("button", name="Close the camera").click()
    expect(page.get_by_role("heading", name="Drop images here")).to_be_visible()
