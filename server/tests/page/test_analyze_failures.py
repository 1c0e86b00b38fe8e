"""Failures of every type in words, bad files, many files, cancelling: the page says what is wrong and stays usable."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from support.analyze_view import AnalyzeView
from support.chromium import Watch, held, opened
from support.images import BOMB, EXAMPLES, PHOTO, colored, encoded
from support.running_server import Home, RunningServer, eventually, running

ASTRONAUT = EXAMPLES / "astronaut.jpg"


def still_works(view: AnalyzeView) -> None:
    """Assert that another image can be analyzed after what went wrong."""
    view.open("drawing")
    view.add(ASTRONAUT)
    view.run()
    expect(view.finding("triangle")).to_be_visible()


@pytest.mark.parametrize(
    ("plugin", "options", "title", "said", "type_"),
    [
        ("raising", {"what": "plain"}, "The plugin failed on this image", "The plugin's own words.", "ExecutionError"),
        ("ending", {"how": "segfault"}, "The plugin crashed on this image", "", "PluginError"),
        ("ending", {"how": "hang"}, "The plugin took too long and was stopped", "", "PluginError"),
        ("ending", {"how": "memory"}, "The plugin needed more memory than it may use", "", "PluginError"),
        ("outputs", {"what": "NaN"}, "The plugin gave an answer that makes no sense", "", "ValidationError"),
        (
            "raising",
            {"what": "undecodable"},
            "This is no image, or a broken one",
            "No pixels in it.",
            "ValidationError",
        ),
    ],
)
def test_a_failure_is_told_in_words_with_what_to_do(
    page: Page, watch: Watch, plugin: str, options: dict[str, object], title: str, said: str, type_: str
):
    watch.may_fail(400)
    view = AnalyzeView(page).open(plugin)
    view.options(plugin)
    view.give(**options)
    view.add(ASTRONAUT)
    view.run()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(f"{plugin}: {title}")
    expect(alert).to_contain_text(said)
    alert.get_by_text("What the server said exactly").click()
    envelope = json.loads(alert.locator("pre").inner_text())
    assert envelope["type"] == type_
    assert envelope["details"]["code"]
    of_no_use = title == "This is no image, or a broken one"
    expect(alert.get_by_role("button", name="Try again")).to_have_count(0 if of_no_use else 1)
    still_works(view)


def test_a_plugin_that_is_switched_off_is_tried_again_only_when_it_is_on(browser: Browser, own_home: Home):
    with running(own_home) as server, opened(browser, server.url) as (_, page, watch):
        watch.may_fail(503)
        view = AnalyzeView(page).open("drawing")
        view.add(ASTRONAUT)
        with held(page, "**/v1/plugins"):  # the page has not heard of it
            server.http.post("/v1/plugins/drawing/disable")
            view.run()
        alert, again = page.get_by_role("alert"), page.get_by_role("button", name="Try again")
        expect(alert).to_contain_text("The plugin is switched off")
        expect(again).to_have_count(0)
        server.http.post("/v1/plugins/drawing/enable")
        again.click()
        expect(view.outcome("drawing")).to_contain_text("6 findings")
        expect(alert).to_have_count(0)
    assert watch.faults == []


def test_a_fault_of_the_server_is_told_as_one(page: Page, watch: Watch):
    watch.may_fail(500)
    view = AnalyzeView(page).open("echo")
    error = {
        "type": "InternalError",
        "message": "a fault in Sightgate; the log has the details",
        "details": {"code": "internal_error", "retryable": True},
        "plugin": "echo",
        "timestamp": "2030-01-01T00:00:00+00:00",
    }

    def fail(route: Route) -> None:
        route.fulfill(status=500, json={"detail": error})

    page.route("**/v1/analyze**", fail)
    view.add(ASTRONAUT)
    view.run()
    expect(page.get_by_role("alert")).to_contain_text("A fault in Sightgate")
    page.unroute("**/v1/analyze**")
    page.get_by_role("alert").get_by_role("button", name="Try again").click()
    expect(view.outcome("echo")).to_contain_text("ran")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_crash_while_the_page_is_open_leaves_the_other_images_be(page: Page, watch: Watch):
    watch.may_fail(400)
    view = AnalyzeView(page).open("ending", "drawing")
    view.options("ending")
    view.give(how="exit code")
    view.add(ASTRONAUT, EXAMPLES / "receipt.jpg")
    view.run()
    expect(view.outcome("ending")).to_contain_text("The plugin crashed on this image")
    expect(view.outcome("drawing")).to_contain_text("6 findings")
    page.get_by_label("Options as JSON").fill("{}")
    view.run()
    expect(view.outcome("ending")).to_contain_text("ran")
    view.image("receipt.jpg").click()
    expect(view.outcome("ending")).to_contain_text("ran")


def test_what_is_no_image_is_told_kindly(page: Page, watch: Watch):
    watch.may_fail(400)
    view = AnalyzeView(page).open("typed")
    view.add(
        ("notes.png", b"these are only words"),
        ("cut.jpg", PHOTO[: len(PHOTO) // 2]),
        ("empty.png", b""),
        ("bomb.png", BOMB),
        ("page.gif", b"<html><script>alert(1)</script></html>"),
        ("mistaken.png", encoded("jpeg")),
    )
    view.run()
    for name, title in (
        ("notes.png", "This is no image, or a broken one"),
        ("empty.png", "The file is empty"),
        ("bomb.png", "The image has too many pixels"),
        ("page.gif", "This is no image, or a broken one"),
    ):
        expect(view.image(name)).to_contain_text(title)
    view.image("cut.jpg").click()
    expect(page.get_by_role("alert")).to_contain_text("This is no image, or a broken one")
    view.image("notes.png").click()
    expect(page.get_by_text("The browser cannot show this file.")).to_be_visible()
    # A wrong ending does no harm.
    expect(view.image("mistaken.png")).to_contain_text("1 finding")
    still_works(view)


def test_a_file_of_300_megabytes_is_refused_before_it_is_sent(page: Page, tmp_path: Path):
    huge = tmp_path / "huge.jpg"
    with huge.open("wb") as file:
        file.write(b"\xff\xd8\xff\xe0")
        file.truncate(300 * 1024 * 1024)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/v1/analyze" in request.url else None)
    view = AnalyzeView(page).open("echo")
    view.add(huge, ASTRONAUT)
    expect(view.image("huge.jpg")).to_contain_text("The file is too large for this server")
    expect(page.get_by_text("The file has 300 MiB; this server takes at most 50 MiB.")).to_be_visible()
    view.run()
    expect(page.get_by_role("alert")).to_contain_text("this server takes at most 50 MiB")
    expect(view.image("astronaut.jpg")).to_contain_text("0 findings")
    assert len(sent) == 1


def test_a_running_call_is_cancelled_on_the_server_too(page: Page, page_server: RunningServer):
    before = page_server.row("slow")["cancelled_count"]
    view = AnalyzeView(page).open("slow")
    view.options("slow")
    view.give(seconds=25)
    view.add(ASTRONAUT, EXAMPLES / "receipt.jpg")
    view.run_button.click()
    eventually(lambda: page_server.row("slow")["in_flight"] >= 1, "running call")
    expect(view.image("astronaut.jpg")).to_contain_text("runs")
    page.get_by_role("button", name="Cancel").click()
    view.ended()
    expect(view.image("astronaut.jpg")).to_contain_text("cancelled")
    expect(view.image("receipt.jpg")).to_contain_text("cancelled")
    eventually(lambda: page_server.row("slow")["in_flight"] == 0, "end of the call on the server")
    assert page_server.row("slow")["cancelled_count"] > before
    page.get_by_label("Options as JSON").fill("")
    view.run()
    expect(view.outcome("slow")).to_contain_text("ran")


def test_a_batch_of_fifty_runs_to_its_end(page: Page, page_server: RunningServer):
    before = page_server.row("drawing")["success_count"]
    view = AnalyzeView(page).open("drawing")
    view.add(*((f"shade-{shade:02}.png", colored(shade)) for shade in range(50)))
    with held(page, "**/v1/analyze**"):  # the run may be over sooner than one looks
        view.run_button.click()
        expect(page.get_by_role("progressbar", name="Progress")).to_be_attached()  # nothing is done: it has no width
        expect(page.get_by_text("of 50 done")).to_be_visible()
    view.ended()
    assert page_server.row("drawing")["success_count"] == before + 50
    everything = json.loads(view.download("JSON", nth=1))
    assert [one["image"] for one in everything] == [f"shade-{shade:02}.png" for shade in range(50)]
    assert all(len(one["results"][0]["result"]["boxes"]) == 2 for one in everything)


def test_five_hundred_files_at_once_cost_no_more_than_those_in_sight(page: Page):
    view = AnalyzeView(page).open("echo")
    view.add(*((f"file-{number:03}.png", colored(number % 256)) for number in range(500)))
    images = page.get_by_role("listbox", name="500 images")
    assert images.get_by_role("option").count() < 30
    images.focus()
    images.press("End")
    expect(view.image("file-499.png")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("img", name="file-499.png")).to_be_visible()
    assert images.get_by_role("option").count() < 30
    with held(page, "**/v1/analyze**"):
        view.run_button.click()
        expect(page.get_by_text("of 500 done")).to_be_visible()
        page.get_by_role("button", name="Cancel").click()
        view.ended()
    page.get_by_role("button", name="Clear all").click()
    expect(page.get_by_role("heading", name="Drop images here")).to_be_visible()


def test_five_thousand_findings_are_listed_and_pointed_at(page: Page):
    view = AnalyzeView(page).open("drawing")
    view.options("drawing")
    page.get_by_role("textbox", name="Boxes").fill("5000")
    view.add(("large.jpg", encoded("jpeg", 6000, 4000)))
    view.run()
    expect(page.get_by_role("tab", name="Findings")).to_contain_text("5,004")
    assert view.findings.get_by_role("row").count() < 60
    view.findings.focus()
    view.findings.press("End")
    expect(view.findings.get_by_role("row", selected=True)).to_contain_text("pose")
    view.findings.press("Home")
    expect(view.findings.get_by_role("row", selected=True)).to_contain_text("box 0")
