"""Documents that can fail: links lead somewhere, nothing names a machine, and what should be short is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(`{3,}).*?^\1\s*$", re.MULTILINE | re.DOTALL)
MACHINE = re.compile(r"(?<![\w.])/(?:home|root|Users|work|tmp)/\w+")
FOLDERS = (".github", "benchmarks", "docs", "examples", "plugins", "sdk", "server")
KINDS = ("how-to", "reference", "explanation", "decisions")


def documents() -> list[Path]:
    below = [page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md") if "node_modules" not in page.parts]
    return sorted([*ROOT.glob("*.md"), *below])


def anchors_of(document: Path) -> set[str]:
    """The anchors that a forge makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(document: Path) -> list[str]:
    broken = []
    for target in LINK.findall(FENCE.sub("", document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        page = (document.parent / place).resolve() if place else document
        if not page.exists() or (anchor and page.suffix == ".md" and anchor not in anchors_of(page)):
            broken.append(target)
    return broken


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(document):
    assert broken_links(document) == []


def test_a_broken_link_and_a_broken_anchor_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One thing\n[a](page.md#one-thing) [b](none.md) [c](#other)\n```\n[d](none.md)\n```\n")
    assert broken_links(page) == ["none.md", "#other"]


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_document_names_a_folder_of_somebodys_machine(document):
    assert MACHINE.findall(document.read_text(encoding="utf-8")) == []


def test_the_architecture_fits_on_two_hundred_lines():
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_every_document_is_reached_from_the_index():
    index = ROOT / "docs" / "README.md"
    reached, waiting = {index}, [index]
    while waiting:
        page = waiting.pop()
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            found = (page.parent / target.partition("#")[0]).resolve()
            if found.suffix == ".md" and found.is_file() and found not in reached:
                reached.add(found)
                waiting.append(found)
    written = {ROOT / "docs" / "governance-audit.md"}  # by `make audit`, and not kept
    pages = set((ROOT / "docs").rglob("*.md")) - written
    assert [str(page.relative_to(ROOT)) for page in pages if page not in reached] == []


def test_every_page_is_of_one_of_the_four_kinds_or_a_guide_of_the_index():
    above = {page.name for page in (ROOT / "docs").glob("*.md")}
    assert above <= {"README.md", "migration-guide.md", "benchmarks.md", "benchmarks-jobs.md", "governance-audit.md"}
    folders = {page.name for page in (ROOT / "docs").iterdir() if page.is_dir()}
    assert folders == {*KINDS, "screenshots"}


@pytest.mark.parametrize("decision", sorted((ROOT / "docs" / "decisions").glob("0*.md")), ids=lambda path: path.stem)
def test_a_decision_says_what_it_costs_and_what_enforces_it_on_one_page(decision):
    text = decision.read_text(encoding="utf-8")
    for part in ("**Decided.**", "**Why.**", "**Instead of.**", "**Costs.**", "**Enforced by.**"):
        assert part in text
    assert len(text.splitlines()) <= 60
