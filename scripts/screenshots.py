"""``make screenshots``: take docs/screenshots anew, each view of the page in light and dark, from a real server.

The server is a fresh one with the bundled plugins; its jobs and figures come from calls that are made here.
"""

import base64
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from playwright.sync_api import Browser, Page
from support.chromium import chromium, opened
from support.images import PHOTO, TRUNCATED_JPEG, colored
from support.running_server import RunningServer, make_home, running

ROOT = Path(__file__).resolve().parent.parent
SHOTS = ROOT / "docs" / "screenshots"
EXAMPLES = ROOT / "examples" / "images"
RECEIPT, CODE = ((EXAMPLES / name).read_bytes() for name in ("receipt.jpg", "qr-code.png"))
SIZE = (1280, 860)
SETTINGS = {"installed_plugins": "true", "history_every_s": 3.0}
# Enough for charts that have a shape.
LOAD_S = 150


@dataclass(frozen=True)
class Shot:
    """A picture: its name, the address, and what is done before it is taken."""

    name: str
    path: str
    prepare: Callable[[Page], None] = lambda _: None


def main() -> int:
    """Take all pictures, or those that are named. Exit code 1 if a page had a fault."""
    wanted, faults = set(sys.argv[1:]), []
    SHOTS.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(make_home(Path(folder) / "home", **SETTINGS)) as server,
        loaded(server),
        chromium() as browser,
    ):
        for shot in shots_of(server):
            if not wanted or shot.name in wanted:
                faults += taken(browser, server, shot)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def shots_of(server: RunningServer) -> Iterator[Shot]:
    """Yield the pictures, each just after what it shows was made."""
    face, text, broken = (
        server.submit(plugin, image=image).json()["id"]
        for plugin, image in (("faces", PHOTO), ("ocr", RECEIPT), ("barcodes", TRUNCATED_JPEG))
    )
    server.submit("barcodes", image=CODE)
    for job in (face, text, broken):
        server.ended_job(job)
    yield Shot("analyze-start", "/analyze")
    yield Shot("analyze", "/analyze?plugin=ocr", analyze)
    yield Shot("job", f"/jobs/{face}", lambda page: page.get_by_text("1 finding").wait_for())
    yield Shot("job-failed", f"/jobs/{broken}", lambda page: page.get_by_role("alert").wait_for())
    yield Shot("plugins", "/plugins", lambda page: page.get_by_role("article").first.wait_for())
    yield Shot("plugin", "/plugins/image-info", lambda page: page.locator("canvas").first.wait_for())
    yield Shot("batch", f"/batches/{batch(server)}", lambda page: page.get_by_text("have ended").wait_for())
    yield Shot("jobs", "/jobs", lambda page: page.get_by_role("row").nth(9).wait_for())
    yield Shot("health", "/status", lambda page: page.locator("canvas").last.wait_for())


def analyze(page: Page) -> None:
    """Run the plugin of the address on the receipt."""
    page.set_input_files("input[name=images]", EXAMPLES / "receipt.jpg")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("row").nth(3).wait_for()


def batch(server: RunningServer) -> str:
    """Accept a batch that is still at work for a while, and return its id."""
    images = [{"image": base64.b64encode(image).decode(), "mime_type": "image/jpeg"} for image in (PHOTO, RECEIPT)]
    body = {"plugins": ["image-info", "ocr", "faces", "quality"], "images": images * 3}
    batch_id: str = server.http.post("/v1/jobs/batch", json=body).json()["id"]
    return batch_id


@contextmanager
def loaded(server: RunningServer) -> Iterator[None]:
    """Call plugins while the block runs, for the charts; the block begins when there is something to see."""
    done = threading.Event()
    caller = threading.Thread(target=call_until, args=(server, done))
    caller.start()
    try:
        done.wait(LOAD_S)
        yield
    finally:
        done.set()
        caller.join()


def call_until(server: RunningServer, done: threading.Event) -> None:
    """Make calls that differ in length, in their rate, and now and then in how they end."""
    for turn, plugin in enumerate(cycle(("image-info", "faces", "image-info", "quality", "fingerprint"))):
        image = TRUNCATED_JPEG if turn % 23 == 0 else (PHOTO, RECEIPT, colored(turn % 256))[turn % 3]
        server.analyze(plugin, image=image)
        if turn % 61 == 0:
            server.analyze("nobody", image=image)
        if done.wait(0.05 + 0.4 * (turn // 40 % 2)):
            return


def taken(browser: Browser, server: RunningServer, shot: Shot) -> list[str]:
    """Take one picture in light and in dark; return what was wrong with the page meanwhile."""
    faults = []
    for scheme in ("light", "dark"):
        with opened(browser, server.url, size=SIZE, dark=scheme == "dark") as (_, page, watch):
            page.goto(shot.path)
            page.get_by_role("heading", level=1).first.wait_for()
            shot.prepare(page)
            page.locator(".mantine-Skeleton-root").first.wait_for(state="detached")
            page.wait_for_timeout(1_000)
            page.screenshot(path=SHOTS / f"{shot.name}-{scheme}.png")
            print(f"docs/screenshots/{shot.name}-{scheme}.png")
        faults += [f"{shot.name}-{scheme}: {fault}" for fault in watch.faults]
    return faults


if __name__ == "__main__":
    sys.exit(main())
