"""Write the tables of docs/reference from the code: ``python scripts/write_reference.py [--check]``.

A page holds prose, and tables between ``<!-- table: NAME -->`` and ``<!-- end of table -->``; only these are written.
With ``--check`` nothing is written; exit code 1 and the names of the pages that are not as the code is.
"""

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from reference_tables import TABLES

PAGES = Path(__file__).resolve().parent.parent / "docs" / "reference"
MARKED = re.compile(r"<!-- table: ([a-z-]+) -->\n.*?<!-- end of table -->", re.DOTALL)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Write the tables of docs/reference from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page would change")
    only_check = parser.parse_args(arguments).check
    pages = {page: page.read_text(encoding="utf-8") for page in sorted(PAGES.glob("*.md"))}
    missing = TABLES.keys() - set(_names(pages.values()))
    if missing:
        print(f"no page has the tables: {', '.join(sorted(missing))}", file=sys.stderr)
        return 1
    changed = [(page, fresh) for page, text in pages.items() if (fresh := MARKED.sub(_fresh, text)) != text]
    for page, fresh in changed:
        if only_check:
            print(f"docs/reference/{page.name} is not as the code is; run python scripts/write_reference.py")
        else:
            page.write_text(fresh, encoding="utf-8")
            print(f"wrote docs/reference/{page.name}")
    return 1 if changed and only_check else 0


def _names(texts: Iterable[str]) -> list[str]:
    return [name for text in texts for name in MARKED.findall(text)]


def _fresh(marked: re.Match[str]) -> str:
    name = marked.group(1)
    return f"<!-- table: {name} -->\n\n{TABLES[name]()}\n\n<!-- end of table -->"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
