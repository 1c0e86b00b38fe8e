"""Plugins: what is shown of them, and switching them off and on while callers call."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from support.chromium import Watch, held, opened
from support.images import PHOTO
from support.running_server import Home, RunningServer, eventually, running


@pytest.fixture
def own_server(own_home: Home) -> Iterator[RunningServer]:
    with running(own_home) as started:
        yield started


@pytest.fixture
def own_page(browser: Browser, own_server: RunningServer) -> Iterator[tuple[Page, Watch]]:
    """A page of a server that the test may change for good."""
    with opened(browser, own_server.url) as (_, page, watch):
        yield page, watch
    assert watch.faults == []


def test_every_plugin_has_a_card_with_its_figures_and_one_that_cannot_run_says_why(
    page: Page, page_server: RunningServer
):
    page_server.analyze("image-info", image=PHOTO)
    page.goto("/plugins")
    cards = page.get_by_role("article")
    rows = page_server.http.get("/v1/plugins").json()["plugins"]
    expect(cards).to_have_count(len(rows))
    info = page.get_by_role("article", name="image-info")
    expect(info).to_contain_text("ready")
    expect(info.locator("dt:has-text('succeeded') + dd")).not_to_have_text("0")
    expect(info.locator("dt:has-text('p95') + dd")).to_contain_text("s")
    objects = page.get_by_role("article", name="objects")
    expect(objects).to_contain_text("cannot run")
    expect(objects).to_contain_text("there is no model")


def test_a_card_shows_how_long_calls_took_and_does_not_jump_when_the_figures_come(
    page: Page, page_server: RunningServer
):
    card = page.get_by_role("article", name="image-info")
    with held(page, "**/v1/plugins/*/history"):
        page.goto("/plugins")
        page_server.analyze("image-info", image=PHOTO)
        eventually(lambda: page_server.http.get("/v1/plugins/image-info/history").json()["calls"], "figures")
        card.scroll_into_view_if_needed()
        expect(card.get_by_role("img", name="Time a call took: no figures yet.")).to_be_visible()
        before = card.bounding_box()
    chart = card.get_by_role("img", name=re.compile(r"Time a call took, last .*p50: .*p95: "))
    expect(chart.locator("canvas")).to_be_visible()
    assert card.bounding_box() == before


def test_the_search_leaves_the_cards_that_fit(page: Page):
    page.goto("/plugins")
    expect(page.get_by_role("article", name="ocr")).to_be_visible()
    page.get_by_role("searchbox", name="Search the plugins").fill("printed text")
    expect(page.get_by_role("article")).to_have_count(1)
    page.get_by_role("searchbox", name="Search the plugins").fill("no such thing")
    expect(page.get_by_text("No plugin has “no such thing”")).to_be_visible()


def test_a_plugin_is_disabled_and_enabled_and_callers_are_refused_meanwhile(
    own_page: tuple[Page, Watch], own_server: RunningServer
):
    page, _ = own_page
    page.goto("/plugins")
    card = page.get_by_role("article", name="echo", exact=True)
    card.get_by_role("button", name="Disable echo").click()
    dialog = page.get_by_role("dialog", name="Disable echo?")
    expect(dialog).to_contain_text("Calls are refused from now on")
    assert own_server.analyze("echo").status_code == 200
    dialog.get_by_role("button", name="Disable", exact=True).click()
    expect(card).to_contain_text("switched off")
    expect(card).to_contain_text("disabled by the operator")
    refused = own_server.analyze("echo")
    assert refused.json()["detail"]["details"]["code"] == "plugin_disabled"
    card.get_by_role("button", name="Enable echo").click()
    page.get_by_role("dialog").get_by_role("button", name="Enable", exact=True).click()
    expect(card.get_by_role("button", name="Disable echo")).to_be_visible()
    expect(card).not_to_contain_text("disabled by the operator")
    assert own_server.analyze("echo").status_code == 200


def test_a_reload_takes_up_new_code_and_one_that_fails_says_so_and_changes_nothing(
    own_page: tuple[Page, Watch], own_server: RunningServer
):
    page, watch = own_page
    source = own_server.home.plugins / "answering.py"
    before = source.read_text()
    page.goto("/plugins/echo")
    expect(page.get_by_role("heading", name="echo")).to_be_visible()
    expect(page.get_by_text("Tells what it was given.")).to_be_visible()
    source.write_text(before.replace("Tells what it was given.", "Tells it anew."))
    page.get_by_role("button", name="Reload echo").click()
    page.get_by_role("dialog").get_by_role("button", name="Reload", exact=True).click()
    expect(page.get_by_text("Tells it anew.")).to_be_visible()
    watch.may_fail(503)
    source.write_text("this is no Python\n")
    page.get_by_role("button", name="Reload echo").click()
    page.get_by_role("dialog").get_by_role("button", name="Reload", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("nothing has changed")
    assert own_server.analyze("echo").status_code == 200


def test_a_crash_leaves_its_evidence_on_the_plugins_page(page: Page, page_server: RunningServer):
    assert page_server.analyze("ending", {"how": "segfault"}).status_code == 400
    page.goto("/plugins/ending")
    crash = page.get_by_role("region", name="Crashes, timeouts and exhausted memory").locator("details").first
    expect(crash).to_contain_text("plugin_crashed")
    expect(crash).to_contain_text("SIGSEGV")
    crash.locator("summary").click()
    expect(crash).to_contain_text("last words before segfault")
    failed = page.get_by_role("region", name="Jobs that failed last")
    expect(failed.get_by_role("link").first).to_contain_text("SIGSEGV")


def test_the_rights_of_a_plugin_are_what_was_asked_for_granted_and_denied(page: Page, page_server: RunningServer):
    row = page_server.row("ocr")
    page.goto("/plugins/ocr")
    permissions = page.get_by_role("table", name="Permissions")
    network = permissions.get_by_role("row", name="Use the network")
    expect(network).to_contain_text("denied" if row["isolation"].get("network") == "denied" else "possible")
    limits = page.get_by_role("table", name="Limits")
    expect(limits.get_by_role("row", name="memory of a worker")).to_contain_text("3 GiB")


def test_its_charts_fill_with_the_calls_that_are_made(browser: Browser, own_home: Home):
    home = Home(own_home.folder, {**own_home.settings, "SIGHTGATE_HISTORY_EVERY_S": "0.5"})
    with running(home) as server, opened(browser, server.url) as (_, page, watch):
        page.goto("/plugins/echo")
        chart = page.get_by_role("figure", name="Calls and errors a second")
        expect(chart.locator("canvas")).to_be_visible()

        def drawn() -> bool:
            server.result("echo")
            said = chart.get_by_role("img").get_attribute("aria-label") or ""
            return "and 0." not in said and "calls: now" in said

        eventually(drawn, "calls in the chart")
        chart.get_by_text("As a table").click()
        expect(chart.get_by_role("row")).not_to_have_count(0)
    assert watch.faults == []


def test_a_plugin_that_is_not_there_is_said_to_be_so(page: Page, watch: Watch):
    watch.may_fail(404)
    page.goto("/plugins/nobody")
    expect(page.get_by_role("alert")).to_contain_text("The plugin is not there any more")
    page.get_by_role("link", name="All plugins").click()
    expect(page.get_by_role("article", name="ocr")).to_be_visible()
