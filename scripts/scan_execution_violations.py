"""Find code that leaves the governed path: ``python scripts/scan_execution_violations.py [--root DIR] [PATH…]``.

Reads files only. Without a path it covers server/app, sdk/src and plugins/*/src. Prints one line a finding,
``file:line: RULE message``. Exit code: 0 clean, 1 findings, 2 a file or path that cannot be read.
"""

import argparse
import sys
from pathlib import Path

from governance_rules.findings import SENTENCES
from governance_rules.scan import scan


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    if options.rules:
        print("\n".join(f"{rule} {sentence}" for rule, sentence in SENTENCES.items()))
        return 0
    missing = [path for path in (options.root, *options.paths) if not path.exists()]
    if missing:
        print(f"{missing[0]}: there is no such file or folder", file=sys.stderr)
        return 2
    found = scan(options.root, options.paths)
    for line in found.unreadable:
        print(line, file=sys.stderr)
    for finding in found.findings:
        print(finding)
    if found.unreadable:
        return 2
    if found.findings:
        print(f"{len(found.findings)} findings in {found.files} files", file=sys.stderr)
        return 1
    print(f"OK: {found.files} files, nothing leaves the governed path")
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Find code that leaves the governed path.")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent, help="the checkout")
    parser.add_argument("--rules", action="store_true", help="list the rules and end")
    parser.add_argument("paths", type=Path, nargs="*", metavar="PATH", help="files or folders; default: all governed")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
