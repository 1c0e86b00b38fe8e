"""Chromium for tests of the page: where it is, how it is started, and what it must not do while a page is open."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Route,
    sync_playwright,
)

from support.running_server import PATIENCE_S

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
MILLISECONDS = 1000
# The browser's own note that an answer was no success, or that there was none. The page cannot keep it from writing it.
_BROWSERS_NOTE = "Failed to load resource: "


@dataclass
class Watch:
    """Notes what no page may do: write an error to the console, raise, or ask another origin for anything."""

    origin: str
    faults: list[str] = field(default_factory=list)
    allowed: set[str] = field(default_factory=set)

    def may_fail(self, *statuses: int, gone: bool = False) -> None:
        """Let the browser note refusals of the API with these statuses, or that the server was gone for a while."""
        self.allowed |= {f"the server responded with a status of {status} " for status in statuses}
        if gone:
            self.allowed |= {"net::ERR_CONNECTION_REFUSED", "net::ERR_INCOMPLETE_CHUNKED_ENCODING"}
            self.allowed |= {"net::ERR_CONNECTION_RESET", "net::ERR_EMPTY_RESPONSE", "net::ERR_SOCKET_NOT_CONNECTED"}
            self.allowed |= {"net::ERR_CONNECTION_CLOSED", "net::ERR_CONNECTION_ABORTED", "net::ERR_CONNECTION_FAILED"}
            self.allowed |= {"net::ERR_CONTENT_LENGTH_MISMATCH"}

    def on(self, page: Page) -> None:
        """Watch a page from now on."""
        page.on("console", self._on_console)
        page.on("pageerror", lambda fault: self.faults.append(f"the page raised: {fault.stack or fault}"))
        page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning", "assert"):
            return
        said = message.text.removeprefix(_BROWSERS_NOTE)
        noted = said != message.text or "net::ERR_" in said
        if not (noted and any(allowed in said for allowed in self.allowed)):
            self.faults.append(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "blob:", "data:")):
            self.faults.append(f"asked another origin: {request.url}")


@cache
def find_chromium() -> str | None:
    """Return the browser's path: the one that is set, on the PATH, or Playwright's own. None if there is none."""
    places = (os.environ.get("SIGHTGATE_CHROMIUM"), *map(shutil.which, NAMES))
    found = next((place for place in places if place and Path(place).is_file()), None)
    if found is None:
        with sync_playwright() as playwright:
            found = playwright.chromium.executable_path
    return found if Path(found).is_file() else None


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser until the block ends."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=list(FLAGS), timeout=PATIENCE_S * MILLISECONDS
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Browser,
    origin: str,
    *,
    size: tuple[int, int] = (1280, 800),
    dark: bool = False,
    permissions: Sequence[str] = (),
) -> Iterator[tuple[BrowserContext, Page, Watch]]:
    """Open a page in a fresh profile, and watch it. Nothing is loaded yet."""
    context = browser.new_context(
        base_url=origin,
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        accept_downloads=True,
        permissions=list(permissions),
    )
    context.set_default_timeout(PATIENCE_S * MILLISECONDS)
    context.set_default_navigation_timeout(PATIENCE_S * MILLISECONDS)
    watch = Watch(origin)
    try:
        page = context.new_page()
        watch.on(page)
        context.on("page", watch.on)
        yield context, page, watch
    finally:
        context.close()


@contextmanager
def held(page: Page, pattern: str) -> Iterator[None]:
    """Let no request of the page whose address fits come through until the block ends."""
    waiting: list[Route] = []
    is_holding = True

    def hold(route: Route) -> None:
        if is_holding:
            waiting.append(route)
        else:
            route.continue_()

    page.route(pattern, hold)
    yield
    is_holding = False
    for route in waiting:
        route.continue_()
