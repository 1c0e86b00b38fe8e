"""The Analyze view as a person uses it: names as they stand on the page, nothing of how it is built."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from playwright.sync_api import FilePayload, Locator, Page, expect

File: TypeAlias = Path | tuple[str, bytes]


class AnalyzeView:
    """The view on a page that may show something else yet."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self, *plugins: str) -> "AnalyzeView":
        """Load the page and choose these plugins alone."""
        self.page.goto("/")
        expect(self.plugin("echo")).to_be_visible()
        for box in self.page.get_by_role("region", name="Plugins").get_by_role("checkbox", checked=True).all():
            box.uncheck()
        for plugin in plugins:
            self.plugin(plugin).check()
        return self

    def plugin(self, name: str) -> Locator:
        return self.page.get_by_role("checkbox", name=name, exact=True)

    def options(self, plugin: str) -> None:
        """Unfold the options of a plugin."""
        self.page.get_by_role("button", name=f"Options of {plugin}", exact=True).click()

    def give(self, **options: Any) -> None:
        """Give options to the one unfolded plugin that says nothing of those that it takes."""
        self.page.get_by_label("Options as JSON").fill(json.dumps(options))

    def add(self, *files: File) -> None:
        """Add files as the file chooser does."""
        self.page.locator("input[name=images]").set_input_files(_given(files))
        expect(self.page.get_by_role("listbox")).to_be_visible()

    @property
    def run_button(self) -> Locator:
        return self.page.get_by_role("button", name="Run", exact=True)

    def run(self) -> None:
        """Run, and wait until nothing waits or runs any more."""
        self.run_button.click()
        self.ended()

    def ended(self) -> None:
        expect(self.run_button).to_be_visible()

    def image(self, name: str) -> Locator:
        """The row of an image in the list."""
        return self.page.get_by_role("option", name=name)

    def outcome(self, plugin: str) -> Locator:
        """The line that says what became of a plugin on the image that is shown."""
        return (
            self.page.get_by_role("list", name="Plugins run on this image")
            .get_by_role("listitem")
            .filter(has_text=plugin)
        )

    @property
    def findings(self) -> Locator:
        return self.page.get_by_role("grid", name="Findings")

    def finding(self, text: str) -> Locator:
        return self.findings.get_by_role("row").filter(has_text=text)

    @property
    def canvas(self) -> Locator:
        return self.page.locator("canvas")

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    def download(self, item: str, *, nth: int = 0) -> bytes:
        """Take an item of the download menu and return the file's content."""
        self.page.get_by_role("button", name="Download").click()
        with self.page.expect_download() as saved:
            self.page.get_by_role("menuitem", name=item).nth(nth).click()
        return Path(saved.value.path()).read_bytes()


def _given(files: Sequence[File]) -> Any:
    """Return files as Playwright takes them: paths as they are, which may be large; contents with their names."""
    if all(isinstance(file, Path) for file in files):
        return list(files)
    payloads: list[FilePayload] = []
    for file in files:
        name, content = file if isinstance(file, tuple) else (file.name, file.read_bytes())
        payloads.append({"name": name, "mimeType": _type_of(name), "buffer": content})
    return payloads


def _type_of(name: str) -> str:
    ending = name.rsplit(".", 1)[-1]
    return f"image/{ {'jpg': 'jpeg', 'tif': 'tiff'}.get(ending, ending) }"
