"""List what a code base still lacks for governed execution: ``python scripts/migrate_to_governed_execution.py PATH``.

Reads files only. Prints the steps of docs/migration-guide.md in their order, each with what is left of it as
``file:line: what``, the files relative to PATH. Test folders and test files are left out unless asked for. Exit code:
0 nothing left, 1 something left, 2 a file or path that cannot be read.
"""

import argparse
import sys
from pathlib import Path

from governance_rules.migration import Step, report


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    if not options.path.exists():
        print(f"{options.path}: there is no such file or folder", file=sys.stderr)
        return 2
    found = report(options.path, options.include_tests)
    for line in found.unreadable:
        print(line, file=sys.stderr)
    if not found.files:
        print(f"{options.path}: no Python file could be read here", file=sys.stderr)
        return 2
    print("\n\n".join(_shown(step) for step in found.steps))
    print(f"\n{found.left} left in {found.files} files" if found.left else f"\nOK: nothing left in {found.files} files")
    return 2 if found.unreadable else int(found.left > 0)


def _shown(step: Step) -> str:
    state = f"{len(step.left)} left" if step.left else "done"
    return "\n".join([f"Step {step.number}: {step.title} ({state})", *step.left])


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="List what a code base still lacks for governed execution.")
    parser.add_argument("--include-tests", action="store_true", help="read test folders and test files too")
    parser.add_argument("path", type=Path, metavar="PATH", help="a folder or a file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
