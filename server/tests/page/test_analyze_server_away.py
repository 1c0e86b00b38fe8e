"""The server goes, comes back, changes its key or its plugins while the page is open."""

import pytest
from playwright.sync_api import Browser, Page, expect
from support.analyze_view import AnalyzeView
from support.chromium import Watch, held, opened
from support.images import EXAMPLES
from support.ports import lasting_port
from support.running_server import Home, running

ASTRONAUT = EXAMPLES / "astronaut.jpg"
KEY, NEXT_KEY = "the-first-key-of-all", "another-key-of-later"
GONE = "The server does not answer."


def keyed(home: Home, key: str) -> Home:
    """Return the same home, whose server wants a key."""
    return Home(home.folder, {**home.settings, "SIGHTGATE_API_KEY": key})


def enter(page: Page, key: str) -> None:
    dialog = page.get_by_role("dialog", name="This server wants an API key")
    dialog.get_by_label("API key").fill(key)
    dialog.get_by_role("button", name="Use this key").click()


def test_a_run_goes_on_by_itself_when_the_server_is_back(browser: Browser, own_home: Home):
    with running(own_home, port=lasting_port()) as server:
        port, url = server.port, server.url
        with opened(browser, url) as (_, page, watch):
            watch.may_fail(gone=True)
            view = AnalyzeView(page).open("drawing")
            view.add(ASTRONAUT)
            view.run()
            server.kill()
            view.run_button.click()
            expect(page.get_by_text(GONE)).to_be_visible()
            expect(view.outcome("drawing")).to_contain_text("waits for the server")
            with running(own_home, port=port):
                expect(page.get_by_text(GONE)).to_have_count(0)
                view.ended()
                expect(view.outcome("drawing")).to_contain_text("6 findings")
            assert watch.faults == []


def test_a_plugin_that_vanishes_or_is_switched_off_while_it_is_chosen_is_told(browser: Browser, own_home: Home):
    with running(own_home, port=lasting_port()) as server:
        port, url = server.port, server.url
        with opened(browser, url) as (_, page, watch):
            watch.may_fail(404, 503, gone=True)
            view = AnalyzeView(page).open("echo", "drawing")
            view.add(ASTRONAUT)
            with held(page, "**/v1/plugins"):  # the page has not heard of it
                server.http.post("/v1/plugins/echo/disable").raise_for_status()
                view.run()
            expect(page.get_by_role("alert")).to_contain_text("echo: The plugin is switched off")
            expect(page.get_by_text("echo cannot run now. Take it off.")).to_be_visible()
            server.http.post("/v1/plugins/echo/enable").raise_for_status()
            server.kill()
            (own_home.plugins / "drawing.py").unlink()
            with running(own_home, port=port):
                expect(page.get_by_text("drawing is not there any more.")).to_be_visible()
                expect(view.run_button).to_be_disabled()
                page.get_by_role("button", name="Take it off").click()
                view.run()
                expect(view.outcome("echo")).to_contain_text("ran")
            assert watch.faults == []


def test_a_plugin_that_vanished_a_moment_ago_is_told_by_the_server(page: Page, watch: Watch):
    watch.may_fail(404)
    view = AnalyzeView(page).open("echo")
    view.add(ASTRONAUT)
    page.route("**/v1/analyze?plugin=echo", lambda route: route.continue_(url=route.request.url + "-gone"))
    view.run()
    expect(page.get_by_role("alert")).to_contain_text("echo: The plugin is not there any more")


@pytest.mark.parametrize("is_late", [False, True], ids=["at the start", "during the run"])
def test_a_key_is_asked_for_and_a_wrong_one_is_told(browser: Browser, own_home: Home, is_late: bool):
    home = keyed(own_home, KEY)
    with running(home, key=KEY, port=lasting_port()) as server, opened(browser, server.url) as (_, page, watch):
        watch.may_fail(401)
        page.goto("/")
        enter(page, "a-key-that-is-wrong")
        expect(page.get_by_text("The server does not take this key.")).to_be_visible()
        enter(page, KEY)
        expect(page.get_by_role("dialog")).to_have_count(0)
        view = AnalyzeView(page).open("drawing")
        view.add(ASTRONAUT)
        view.run()
        expect(view.outcome("drawing")).to_contain_text("6 findings")
        view.tab("Call")
        expect(page.locator("pre")).to_contain_text("Bearer $SIGHTGATE_API_KEY")
        expect(page.locator("pre")).not_to_contain_text(KEY)
        if is_late:
            server.stop()
            watch.may_fail(gone=True)
            with running(keyed(own_home, NEXT_KEY), key=NEXT_KEY, port=server.port):
                expect(page.get_by_text("The key that you gave is not taken any more.")).to_be_visible()
                page.get_by_role("button", name="Not now").click()
                view.run()
                expect(page.get_by_role("alert")).to_contain_text("The server wants an API key")
                page.get_by_role("button", name="Enter the key").first.click()
                enter(page, NEXT_KEY)
                view.run()
                expect(view.outcome("drawing")).to_contain_text("6 findings")
        assert watch.faults == []
