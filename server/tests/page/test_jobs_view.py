"""Jobs: the list as they happen, one job, a batch."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Locator, Page, Request, expect
from support.chromium import Watch, opened
from support.images import PHOTO, PNG
from support.ports import lasting_port
from support.running_server import Home, RunningServer, eventually, running


@contextmanager
def own(browser: Browser, home: Home, **settings: object) -> Iterator[tuple[RunningServer, Page, Watch]]:
    """A server of the test's own, and a page of it that must stay without fault."""
    ours = {f"SIGHTGATE_{name.upper()}": str(value) for name, value in settings.items()}
    with (
        running(replace(home, settings={**home.settings, **ours})) as server,
        opened(browser, server.url) as (_, page, watch),
    ):
        yield server, page, watch
    assert watch.faults == []


def accepted(server: RunningServer, plugin: str, options: dict[str, object] | None = None, image: bytes = PNG) -> str:
    answer = server.submit(plugin, options, image)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def row(page: Page, job_id: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=job_id))


def test_jobs_come_and_change_by_themselves_while_they_run(browser: Browser, own_home: Home):
    with own(browser, own_home) as (server, page, _):
        page.goto("/jobs")
        expect(page.get_by_text("There are no jobs yet")).to_be_visible()
        expect(page.get_by_text("live", exact=True)).to_be_visible()
        first = accepted(server, "slow", {"seconds": 6})
        second = accepted(server, "slow")
        expect(row(page, first)).to_contain_text("running")
        expect(row(page, second)).to_contain_text("waiting")
        expect(row(page, first)).to_contain_text("succeeded")
        expect(row(page, second)).to_contain_text("succeeded")
        failed = accepted(server, "raising", {"what": "plain"})
        expect(row(page, failed)).to_contain_text("plugin_failed: ")
        expect(page.get_by_role("radio", name="failed 1")).to_be_attached()
        expect(page.get_by_role("navigation", name="Pages")).to_have_count(0)


def test_the_list_is_narrowed_and_the_address_keeps_it(browser: Browser, own_home: Home):
    with own(browser, own_home) as (server, page, watch):
        watch.may_fail(400)
        good = accepted(server, "echo")
        bad = accepted(server, "raising", {"what": "plain"})
        server.ended_job(good)
        server.ended_job(bad)
        page.goto("/jobs")
        expect(row(page, good)).to_be_visible()
        page.get_by_text("failed", exact=False).first.click()
        expect(row(page, good)).to_have_count(0)
        expect(row(page, bad)).to_be_visible()
        assert parse_qs(urlsplit(page.url).query) == {"status": ["FAILED"]}
        page.reload()
        expect(row(page, bad)).to_be_visible()
        expect(row(page, good)).to_have_count(0)
        page.goto("/jobs")
        page.get_by_role("searchbox").fill("ech")
        expect(row(page, bad)).to_have_count(0)
        expect(row(page, good)).to_be_visible()
        page.get_by_role("searchbox").fill(bad[:20])
        page.get_by_role("searchbox").fill(bad)
        expect(row(page, bad)).to_be_visible()
        expect(row(page, good)).to_have_count(0)
        page.get_by_role("searchbox").fill("nothing like it")
        expect(page.get_by_text("No job fits")).to_be_visible()
        page.goto("/jobs")
        page.get_by_role("combobox", name="Error").click()
        page.get_by_role("option", name="plugin_failed").click()
        expect(row(page, good)).to_have_count(0)
        expect(row(page, bad)).to_be_visible()


def test_what_waits_says_for_what_and_a_wanted_cancel_is_no_failure(browser: Browser, own_home: Home):
    with own(browser, own_home) as (server, page, _):
        delayed = server.accepted("echo", delay_s=3000)
        needing = server.accepted("echo", after=[delayed])
        cancelled = server.accepted("echo", delay_s=3000)
        server.http.delete(f"/v1/jobs/{cancelled}")
        page.goto("/jobs")
        expect(row(page, delayed)).to_contain_text("not before ")
        expect(row(page, needing)).to_contain_text("needs 1 other job")
        expect(row(page, cancelled).get_by_role("cell").last).to_have_text("")
        page.goto(f"/jobs/{delayed}")
        happened = page.get_by_role("region", name="What happened")
        expect(happened).to_contain_text("It does not begin before ")
        server.http.delete(f"/v1/jobs/{delayed}")
        expect(happened).to_contain_text("It was cancelled")
        expect(page.get_by_text("before")).to_have_count(0)
        expect(page.get_by_role("alert")).to_have_count(0)


def test_a_job_that_waits_says_for_what(browser: Browser, own_home: Home):
    with own(browser, own_home) as (server, page, _):
        first = server.accepted("queue", {"seconds": 30})
        server.until_status(first, "RUNNING")
        waiting = server.accepted("queue", retry={"max_attempts": 3, "codes": ["plugin_crashed"]})
        needing = server.accepted("echo", after=[waiting], after_rule="end", deadline_s=3000)
        page.goto(f"/jobs/{waiting}")
        happened, asked = (page.get_by_role("region", name=name) for name in ("What happened", "What was asked"))
        expect(asked).to_contain_text("at most 3 times, after plugin_crashed")
        expect(happened).to_contain_text("It waits")
        expect(happened).not_to_contain_text("cannot start it")
        server.http.post("/v1/plugins/queue/disable")
        page.reload()
        expect(happened).to_contain_text("It waits because this server cannot start it now: ")
        page.goto(f"/jobs/{needing}")
        expect(happened).to_contain_text("It waits for the end of 1 other job.")
        expect(happened).to_contain_text("It must have ended by ")
        expect(asked).to_contain_text("begins after the end of")
        asked.get_by_role("link", name=waiting[:12]).click()
        expect(page).to_have_url(f"{server.url}/jobs/{waiting}")


def test_an_id_is_copied_where_the_browser_gives_no_clipboard_too(page: Page, page_server: RunningServer):
    # As it is at http on any other machine.
    page.add_init_script("Object.defineProperty(Navigator.prototype, 'clipboard', {value: undefined})")
    job_id = accepted(page_server, "echo")
    page.goto(f"/jobs/{job_id}")
    page.get_by_role("button", name="Copy: the id").click()
    expect(page.get_by_role("button", name="Copied: the id")).to_be_visible()
    page.get_by_role("link", name="All jobs").click()
    page.get_by_role("searchbox").focus()
    page.keyboard.press("Control+V")
    expect(page.get_by_role("searchbox")).to_have_value(job_id)


def test_many_tabs_are_no_obstacle_to_one_more_and_each_is_right_when_it_is_looked_at(browser: Browser, own_home: Home):
    with own(browser, own_home) as (server, page, _):
        job_id = server.accepted("echo", delay_s=3000)
        tabs = [page, *(page.context.new_page() for _ in range(7))]
        for tab in tabs:
            tab.goto("/jobs")
            expect(row(tab, job_id)).to_contain_text("waiting")
            expect(tab.get_by_text("live", exact=True)).to_be_visible()
            show(tab, is_hidden=True)
        server.http.delete(f"/v1/jobs/{job_id}")
        show(tabs[0], is_hidden=False)
        expect(row(tabs[0], job_id)).to_contain_text("cancelled")


def show(tab: Page, *, is_hidden: bool) -> None:
    """Bring a tab to the front or behind another, of which a browser without a window tells it nothing."""
    tab.evaluate(
        "state => { Object.defineProperty(document, 'visibilityState', {value: state, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')) }",
        "hidden" if is_hidden else "visible",
    )


def test_filters_of_the_address_are_shown_and_taken_away_and_what_is_not_understood_is_said(
    browser: Browser, own_home: Home
):
    with own(browser, own_home) as (server, page, _):
        single = accepted(server, "echo")
        image = {"image": base64.b64encode(PNG).decode(), "mime_type": "image/png"}
        batch = server.http.post("/v1/jobs/batch", json={"plugins": ["echo"], "images": [image]}).json()
        (member,) = batch["jobs"]
        page.goto(f"/jobs?status=bogus&since=2026-01-31&batch={batch['id']}")
        expect(page.get_by_text("Not all of the address is understood")).to_be_visible()
        expect(page.get_by_text("status=bogus")).to_be_visible()
        expect(row(page, member)).to_be_visible()
        expect(row(page, single)).to_have_count(0)
        page.get_by_role("button", name="Take it off").click()
        expect(page.get_by_text("status=bogus")).to_have_count(0)
        page.get_by_role("button", name="of batch").click()
        expect(row(page, single)).to_be_visible()
        assert parse_qs(urlsplit(page.url).query) == {"since": ["2026-01-31"]}
        page.goto("/jobs?until=2026-01-31T12:00:00Z")
        expect(page.get_by_text("No job fits")).to_be_visible()
        page.get_by_role("button", name="before Jan").click()
        expect(row(page, single)).to_be_visible()


def test_many_jobs_are_paged_and_never_asked_for_all(browser: Browser, own_home: Home):
    with own(browser, own_home) as (server, page, _):
        for _ in range(120):
            server.result("echo")
        eventually(lambda: len(server.jobs()) == 120, "jobs")
        asked: list[Request] = []
        page.on("request", lambda request: asked.append(request) if "/v1/jobs?" in request.url else None)
        page.goto("/jobs")
        links = page.get_by_role("table").get_by_role("link")
        pages = []
        for size in (50, 50, 20):
            expect(links).to_have_count(size)
            pages.append(links.all_inner_texts())
            if size == 50:
                page.get_by_role("button", name="Older").click()
                expect(page.get_by_role("link", name=pages[-1][0])).to_have_count(0)
        assert len({job for shown in pages for job in shown}) == 120
        expect(page.get_by_role("button", name="Older")).to_be_disabled()
        page.get_by_role("button", name="Newer").click()
        expect(page.get_by_role("link", name=pages[1][0])).to_be_visible()
        assert links.all_inner_texts() == pages[1]
        page.go_back()
        expect(page.get_by_role("link", name=pages[2][0])).to_be_visible()
        page.get_by_role("button", name="Newest").click()
        expect(page.get_by_role("link", name=pages[0][0])).to_be_visible()
        assert asked
        assert all(parse_qs(urlsplit(request.url).query)["limit"] == ["50"] for request in asked)


def test_a_jobs_page_shows_its_image_what_was_found_and_every_attempt(page: Page, page_server: RunningServer):
    job_id = accepted(page_server, "faces", image=PHOTO)
    page_server.ended_job(job_id)
    page.goto(f"/jobs/{job_id}")
    expect(page.get_by_role("heading", name="faces")).to_be_visible()
    expect(page.get_by_role("region", name="Image").locator("canvas")).to_be_visible()
    expect(page.get_by_role("region", name="Results")).to_contain_text("1 finding")
    happened = page.get_by_role("region", name="What happened")
    expect(happened).to_contain_text("Attempt 1 succeeded")
    expect(happened).to_contain_text("in worker")


def test_a_running_job_is_cancelled_and_its_page_says_so(page: Page, page_server: RunningServer):
    job_id = accepted(page_server, "slow", {"seconds": 25})
    page.goto(f"/jobs/{job_id}")
    expect(page.get_by_text("running", exact=True)).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    dialog = page.get_by_role("dialog", name="Cancel this job?")
    dialog.get_by_role("button", name="Let it go on").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Cancel").click()
    dialog.get_by_role("button", name="Cancel the job").click()
    expect(page.get_by_title("CANCELLED")).to_be_visible()
    assert page_server.ended_job(job_id)["status"] == "CANCELLED"
    expect(page.get_by_role("region", name="What happened")).to_contain_text("It was cancelled")
    expect(page.get_by_role("button", name="Run again")).to_be_visible()


def test_a_failed_job_says_what_is_wrong_in_words_and_can_be_run_again(page: Page, page_server: RunningServer):
    job_id = accepted(page_server, "raising", {"what": "plain"}, PHOTO)
    page_server.ended_job(job_id)
    page.goto(f"/jobs/{job_id}")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The plugin failed on this image")
    page.get_by_role("button", name="Run again").click()
    expect(page.get_by_text("again of")).to_be_visible()
    again = page.url.rpartition("/")[2]
    assert again != job_id
    job = page_server.ended_job(again)
    assert (job["copy_of"], job["options"]) == (job_id, {"what": "plain"})
    page.get_by_role("link", name=job_id[:12]).click()
    expect(page).to_have_url(f"{page_server.url}/jobs/{job_id}")


def test_a_job_whose_image_was_not_kept_says_so_and_is_not_offered_to_be_run_again(
    page: Page, page_server: RunningServer
):
    page_server.analyze("raising", {"what": "plain"})
    job_id = eventually(
        lambda: next((job["id"] for job in page_server.jobs(plugin="raising") if not job["durable"]), None), "the job"
    )
    page.goto(f"/jobs/{job_id}")
    expect(page.get_by_text("The image was not kept")).to_be_visible()
    expect(page.get_by_role("button", name="Run again")).to_have_count(0)


def test_a_batch_shows_how_far_it_is_and_the_rest_can_be_cancelled(page: Page, page_server: RunningServer):
    image = {"image": base64.b64encode(PNG).decode(), "mime_type": "image/png"}
    body = {"plugins": ["slow"], "images": [image] * 50, "options": {"slow": {"seconds": 1}}}
    answer = page_server.http.post("/v1/jobs/batch", json=body)
    assert answer.status_code == 202, answer.text
    batch = answer.json()["id"]
    page.goto(f"/batches/{batch}")
    expect(page.get_by_role("heading", name="Batch of 50 jobs")).to_be_visible()
    expect(page.get_by_role("table").get_by_role("link")).to_have_count(50)
    told = page.get_by_text("of 50 have ended")
    expect(told).not_to_contain_text("0 succeeded")
    expect(told).to_contain_text("succeeded")
    page.get_by_role("button", name="Cancel the rest").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the rest").click()
    expect(told).to_contain_text("50 of 50 have ended")
    counts = page_server.http.get(f"/v1/batches/{batch}").json()["counts"]
    assert counts["CANCELLED"] > 0
    assert counts["SUCCESS"] + counts["CANCELLED"] == 50
    expect(page.get_by_role("button", name="Cancel the rest")).to_have_count(0)
    expect(page.get_by_role("table").get_by_title("PENDING")).to_have_count(0)
    expect(page.get_by_role("navigation", name="Pages")).to_have_count(0)
    page.get_by_role("link", name=f"{counts['CANCELLED']} cancelled").click()
    expect(page.get_by_role("table").get_by_title("CANCELLED")).to_have_count(counts["CANCELLED"])
    assert parse_qs(urlsplit(page.url).query) == {"batch": [batch], "status": ["CANCELLED"]}


def test_a_batch_is_found_by_its_id(page: Page, page_server: RunningServer):
    image = {"image": base64.b64encode(PNG).decode(), "mime_type": "image/png"}
    batch = page_server.http.post("/v1/jobs/batch", json={"plugins": ["echo"], "images": [image]}).json()["id"]
    page.goto("/jobs")
    page.get_by_role("searchbox").fill(batch)
    page.get_by_role("link", name="look for the batch").click()
    expect(page.get_by_role("heading", name="Batch of 1 job")).to_be_visible()


def test_the_list_goes_on_by_itself_after_the_server_was_restarted(browser: Browser, own_home: Home):
    with running(own_home, port=lasting_port()) as server, opened(browser, server.url) as (_, page, watch):
        job_id = accepted(server, "slow", {"seconds": 20})
        page.goto("/jobs")
        expect(row(page, job_id)).to_contain_text("running")
        watch.may_fail(gone=True)
        server.kill()
        expect(page.get_by_text("The server does not answer.")).to_be_visible()
        expect(row(page, job_id)).to_be_visible()
        with running(own_home, port=server.port) as second:
            second.http.delete(f"/v1/jobs/{job_id}")  # before it can have ended
            expect(page.get_by_text("The server does not answer.")).to_be_hidden()
            expect(page.get_by_text("live", exact=True)).to_be_visible()
            later = accepted(second, "echo")
            expect(row(page, later)).to_contain_text("succeeded")
            expect(row(page, job_id)).to_contain_text("cancelled")
            expect(page.get_by_role("alert")).to_have_count(0)
    assert watch.faults == []


def test_a_job_that_is_not_there_is_said_to_be_so(page: Page, watch: Watch):
    watch.may_fail(404)
    page.goto("/jobs/nobody")
    expect(page.get_by_role("alert")).to_contain_text("There is no such job")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    page.goto("/batches/nobody")
    expect(page.get_by_role("alert")).to_be_visible()


def test_a_jobs_input_and_result_are_asked_for_with_the_key(browser: Browser, own_home: Home):
    key = "a-key-of-at-least-sixteen-characters"
    home = replace(own_home, settings={**own_home.settings, "SIGHTGATE_API_KEY": key})
    with running(home, key) as server, opened(browser, server.url) as (context, page, watch):
        job_id = accepted(server, "echo", image=PHOTO)
        server.ended_job(job_id)
        context.add_init_script(f"sessionStorage.setItem('sightgate.key', {json.dumps(key)})")
        page.goto(f"/jobs/{job_id}")
        expect(page.get_by_role("region", name="Image").locator("canvas")).to_be_visible()
        page.get_by_role("link", name="All jobs").click()
        expect(page.get_by_text("live", exact=True)).to_be_visible()
        expect(row(page, accepted(server, "echo"))).to_contain_text("succeeded")
    assert watch.faults == []
