"""Health: whether the server is ready, and its last hour, while it is restarted too."""

from playwright.sync_api import Browser, Page, expect
from support.chromium import opened
from support.ports import lasting_port
from support.running_server import Home, RunningServer, eventually, running

CHARTS = (
    "Calls a second",
    "Errors a second",
    "Time a call took",
    "Waiting and running",
    "Worker processes",
    "Memory",
)


def quick(home: Home) -> Home:
    """The same home, whose server looks at its figures often."""
    return Home(home.folder, {**home.settings, "SIGHTGATE_HISTORY_EVERY_S": "0.5"})


def said(page: Page, chart: str) -> str:
    """What a chart says to those who do not see it."""
    figure = page.get_by_role("figure", name=chart)
    expect(figure.get_by_role("img")).to_be_visible()
    return figure.get_by_role("img").get_attribute("aria-label") or ""


def test_it_says_whether_the_server_is_ready_and_leads_to_what_cannot_run(page: Page, page_server: RunningServer):
    page.goto("/status")
    ready = page.get_by_text("plugins can be called")
    total = len(page_server.http.get("/health/ready").json()["plugins"])
    expect(ready).to_contain_text(f"of {total} plugins can be called")
    page.get_by_role("link", name="objects").click()
    expect(page).to_have_url(f"{page_server.url}/plugins/objects")
    expect(page.get_by_role("heading", name="objects")).to_be_visible()


def test_every_chart_is_drawn_and_tells_the_calls_that_were_made(browser: Browser, own_home: Home):
    with running(quick(own_home)) as server, opened(browser, server.url) as (_, page, watch):
        page.goto("/status")
        for chart in CHARTS:
            expect(page.get_by_role("figure", name=chart).locator("canvas")).to_be_visible()

        def told() -> bool:
            server.result("echo")
            server.analyze("raising", {"what": "plain"})
            calls, errors, times = (said(page, chart) for chart in CHARTS[:3])
            return "and 0." not in calls and "plugin failed: now 0, between 0 and 0" not in errors and " ms" in times

        eventually(told, "calls, errors and times in the charts")
        expect(page.get_by_role("figure", name="Memory")).to_contain_text("MiB")
        workers = page.get_by_role("figure", name="Worker processes").locator("strong")
        eventually(lambda: workers.inner_text() != "0", "workers in the chart")
    assert watch.faults == []


def test_when_the_server_is_restarted_the_page_says_so_and_goes_on_by_itself(browser: Browser, own_home: Home):
    home = quick(own_home)
    with running(home, port=lasting_port()) as server, opened(browser, server.url) as (_, page, watch):
        page.goto("/status")
        expect(page.get_by_text("plugins can be called")).to_be_visible()
        eventually(lambda: "last" in said(page, "Calls a second"), "figures of the first server")
        first = server.http.get("/v1/history").json()["instance"]
        watch.may_fail(gone=True)
        server.kill()
        expect(page.get_by_text("The server does not answer.")).to_be_visible()
        with running(home, port=server.port) as second:
            expect(page.get_by_text("The server does not answer.")).to_be_hidden()
            expect(page.get_by_text("plugins can be called")).to_be_visible()
            assert second.http.get("/v1/history").json()["instance"] != first
            expect(page.get_by_text("This server process runs for")).to_be_visible()
            expect(page.get_by_role("figure", name="Memory").get_by_role("img")).to_be_visible()
            expect(page.get_by_role("alert")).to_have_count(0)
    assert watch.faults == []
