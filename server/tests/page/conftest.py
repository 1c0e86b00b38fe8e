"""The page in a real browser, on a real server with the bundled plugins and those of the tests."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from support.chromium import MILLISECONDS, Watch, chromium, find_chromium, opened
from support.running_server import PATIENCE_S, Home, RunningServer, make_home, running
from support.skipping import skip

from app.api.page_files import BUILT, INDEX

# On a busy machine a worker may start for longer than a caller waits by itself.
PATIENT = {"max_wait_s": PATIENCE_S}
PLUGINS = ("answering", "slow", "typed", "neighbour", "_helper", "raising", "ending", "outputs", "drawing", "steps")


@dataclass(frozen=True)
class Opened:
    """A page, what watches it, and the server that it came from."""

    page: Page
    watch: Watch
    server: RunningServer


def pytest_runtest_setup() -> None:
    """Skip what needs the page where it cannot be shown; from here rather than a fixture, all skips are one line."""
    if not (BUILT / INDEX).is_file():
        skip("THE PAGE IS NOT TESTED: it is not built (make page, which needs Node.js)")
    if find_chromium() is None:
        skip("THE PAGE IS NOT TESTED: no Chromium in SIGHTGATE_CHROMIUM, on the PATH, or of Playwright's own")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser, of which each test gets a fresh profile.

    For one module: while it runs, Playwright keeps an event loop running in this thread, and asynchronous tests of
    other modules could not run theirs.
    """
    expect.set_options(timeout=PATIENCE_S * MILLISECONDS)
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that no test ends or changes for good, whose breaker and quarantine never step in."""
    settings = {"installed_plugins": "true", "breaker_ends": 1_000_000, "quarantine_after": 1_000_000, **PATIENT}
    with running(make_home(tmp_path_factory.mktemp("page"), *PLUGINS, **settings)) as started:
        yield started


@pytest.fixture
def own_home(tmp_path: Path) -> Home:
    """The folders of a server that a test may end: with the small plugins alone, so that it is soon there."""
    return make_home(tmp_path, *PLUGINS, **PATIENT)


@pytest.fixture
def opened_page(browser: Browser, page_server: RunningServer) -> Iterator[Opened]:
    """An empty tab; the test fails if anything that it loads writes to the console or asks another origin."""
    with opened(browser, page_server.url) as (_, page, watch):
        yield Opened(page, watch, page_server)
    assert watch.faults == []


@pytest.fixture
def page(opened_page: Opened) -> Page:
    """The page of ``opened_page``."""
    return opened_page.page


@pytest.fixture
def watch(opened_page: Opened) -> Watch:
    """What watches ``page``: a test that makes the API refuse something says so to it."""
    return opened_page.watch
