"""The page arrives: from this server alone, under its own strict policy."""

import httpx
from playwright.sync_api import Browser, Page, expect
from support.chromium import opened
from support.running_server import PATIENCE_S, RunningServer

MOST_BYTES = 300_000


def test_the_page_opens_without_a_word_to_the_console_or_to_anybody_else(page: Page):
    page.goto("/")
    expect(page).to_have_title("Analyze · Sightgate")
    expect(page.get_by_role("navigation").first).to_be_visible()


def test_the_first_view_takes_at_most_300_kilobytes(browser: Browser, page_server: RunningServer):
    with opened(browser, page_server.url) as (_, page, watch):
        page.goto("/")
        expect(page.get_by_role("navigation").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        files = page.evaluate(
            "() => performance.getEntries().filter((e) => ['navigation', 'resource'].includes(e.entryType)"
            " && !new URL(e.name).pathname.startsWith('/v1/')).map((e) => [e.name, e.transferSize])"
        )
    assert watch.faults == []
    assert len(files) >= 3
    assert sum(size for _, size in files) <= MOST_BYTES, files


def test_every_file_that_the_document_names_is_kept_for_good_and_compressed(page_server: RunningServer, page: Page):
    page.goto("/")
    sources = page.eval_on_selector_all("script[src], link[rel=stylesheet]", "all => all.map((e) => e.src || e.href)")
    assert sources
    for source in sources:
        answer = httpx.get(source, headers={"accept-encoding": "br"}, timeout=PATIENCE_S, trust_env=False)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers.get("content-encoding") == "br" or len(answer.content) < 1024
