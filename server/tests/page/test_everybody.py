"""Every view for everybody: by keyboard alone, read aloud, in the dark, on a small screen."""

import pytest
from playwright.sync_api import Browser, Page, expect
from support.axe import findings
from support.chromium import opened
from support.running_server import RunningServer

PLUGIN = "/plugins/ocr"
VIEWS = ("/", "/jobs", "/plugins", PLUGIN, "/status")


def settled(page: Page, path: str) -> None:
    """Open a view and wait until nothing of it is being loaded."""
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".mantine-Skeleton-root, [aria-busy=true]")).to_have_count(0)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", VIEWS)
def test_axe_finds_nothing_serious(browser: Browser, page_server: RunningServer, path: str, dark: bool):
    page_server.analyze("raising", {"what": "plain"})
    with opened(browser, page_server.url, dark=dark) as (_, page, watch):
        settled(page, path)
        assert findings(page) == []
    assert watch.faults == []


@pytest.mark.parametrize("path", VIEWS)
def test_a_small_screen_shows_all_without_scrolling_sideways(browser: Browser, page_server: RunningServer, path: str):
    with opened(browser, page_server.url, size=(360, 740)) as (_, page, watch):
        settled(page, path)
        wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0
    assert watch.faults == []


def test_a_plugin_is_switched_off_and_on_by_keyboard_alone(page: Page, page_server: RunningServer):
    page.goto("/status")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    tab_to(page, "Plugins")
    page.keyboard.press("Enter")
    expect(page.get_by_role("article", name="hidden")).to_be_visible()
    tab_to(page, "Disable hidden")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Disable hidden?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Disable hidden")).to_be_focused()
    for change, after in (("Disable", "Enable"), ("Enable", "Disable")):
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog").get_by_role("button", name=change, exact=True)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name=f"{after} hidden")).to_be_focused()
    assert page_server.row("hidden")["enabled"] is True


def tab_to(page: Page, name: str) -> None:
    """Press the tabulator until what has this name is focused."""
    for _ in range(200):
        page.keyboard.press("Tab")
        focused = page.evaluate("() => document.activeElement?.ariaLabel ?? document.activeElement?.textContent ?? ''")
        if focused.strip() == name:
            return
    raise AssertionError(f"the tabulator does not reach {name}")
