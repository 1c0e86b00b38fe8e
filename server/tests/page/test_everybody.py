"""Every view for everybody: by keyboard alone, read aloud, in the dark, on a small screen."""

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from support.axe import findings
from support.chromium import opened
from support.images import PHOTO
from support.running_server import RunningServer

FILTERED = f"/jobs?status=bogus&since=2026-01-31&batch={0:032x}"
VIEWS = ("/", "/jobs", FILTERED, "/jobs/SUCCESS", "/jobs/FAILED", "/plugins", "/plugins/ocr", "/status")


@pytest.fixture(scope="module")
def ended(page_server: RunningServer) -> dict[str, str]:
    """The ids of two jobs of an image, by how they ended."""
    jobs = [page_server.submit(plugin, image=PHOTO).json()["id"] for plugin in ("faces", "raising")]
    return {page_server.ended_job(job)["status"]: job for job in jobs}


@pytest.fixture
def view(request: pytest.FixtureRequest, ended: dict[str, str]) -> str:
    """The address of a view; of a job's page, by how the job ended."""
    path: str = request.param
    place, _, status = path.rpartition("/")
    return f"{place}/{ended[status]}" if status in ended else path


def settled(page: Page, path: str) -> None:
    """Open a view and wait until nothing of it is being loaded."""
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".mantine-Skeleton-root, [aria-busy=true]")).to_have_count(0)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("view", VIEWS, indirect=True)
def test_axe_finds_nothing_serious(browser: Browser, page_server: RunningServer, view: str, dark: bool):
    with opened(browser, page_server.url, dark=dark) as (_, page, watch):
        settled(page, view)
        assert findings(page) == []
    assert watch.faults == []


@pytest.mark.parametrize("view", VIEWS, indirect=True)
def test_a_small_screen_shows_all_without_scrolling_sideways(browser: Browser, page_server: RunningServer, view: str):
    with opened(browser, page_server.url, size=(360, 740)) as (_, page, watch):
        settled(page, view)
        wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0
    assert watch.faults == []


def test_a_small_screen_cuts_nothing_off_at_its_edge(browser: Browser, page_server: RunningServer):
    with opened(browser, page_server.url, size=(360, 740)) as (_, page, watch):
        settled(page, "/plugins/ocr")
        permissions = page.get_by_role("table", name="Permissions")
        tried = permissions.get_by_text(re.compile("^(denied|was possible|not tried)$"))
        assert all(is_on_screen(page, one) for one in tried.all())
        settled(page, "/jobs")
        tabs = page.get_by_role("radiogroup", name="Status").locator("label")
        expect(tabs).to_have_count(6)
        assert all(is_on_screen(page, one) for one in tabs.all())
        plugin = page.get_by_role("combobox", name="Plugin")
        expect(plugin).to_be_hidden()
        page.get_by_role("button", name="Filters").click()
        expect(plugin).to_be_visible()
    assert watch.faults == []


def is_on_screen(page: Page, shown: Locator) -> bool:
    """Tell whether all of it is between the left and the right edge of the screen."""
    box, size = shown.bounding_box(), page.viewport_size
    return box is not None and size is not None and box["x"] >= 0 and box["x"] + box["width"] <= size["width"]


def test_a_plugin_is_switched_off_and_on_by_keyboard_alone(page: Page, page_server: RunningServer):
    page.goto("/status")
    expect(page.get_by_role("navigation").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    tab_to(page, "Plugins")
    page.keyboard.press("Enter")
    expect(page.get_by_role("article", name="second")).to_be_visible()
    # A new view is told as a loaded page is: by its name, and with the focus at its beginning.
    expect(page).to_have_title("Plugins · Sightgate")
    expect(page.locator("#main")).to_be_focused()
    tab_to(page, "Disable second")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Disable second?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Disable second")).to_be_focused()
    for change, after in (("Disable", "Enable"), ("Enable", "Disable")):  # the focus comes back to where it was
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog").get_by_role("button", name=change, exact=True)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name=f"{after} second")).to_be_focused()
    assert page_server.row("second")["enabled"] is True


def test_a_job_is_found_and_cancelled_by_keyboard_alone(page: Page, page_server: RunningServer):
    job_id = page_server.accepted("slow", delay_s=3600)
    page.goto("/")
    tab_to(page, "Jobs")
    page.keyboard.press("Enter")
    expect(page.get_by_role("searchbox")).to_be_visible()
    tab_to(page, "Search by job id or plugin")
    page.keyboard.type(job_id)
    expect(page.get_by_role("table").get_by_role("link")).to_have_count(1)
    tab_to(page, job_id)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    tab_to(page, "Cancel")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Cancel the job")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_title("CANCELLED")).to_be_visible()
    assert page_server.ended_job(job_id)["status"] == "CANCELLED"


def tab_to(page: Page, name: str) -> None:
    """Press the tabulator until what has this name is focused."""
    for _ in range(200):
        page.keyboard.press("Tab")
        focused = page.evaluate("() => document.activeElement?.ariaLabel ?? document.activeElement?.textContent ?? ''")
        if focused.strip() == name:
            return
    raise AssertionError(f"the tabulator does not reach {name}")
