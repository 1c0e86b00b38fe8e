"""Evidence from the scanner: a rule that finds its fixtures and finds nothing in the governed code."""

import re
from pathlib import Path

from governance_rules.scan import Scan, scan

from .proofs import Proof

FIXTURES = Path("server/tests/fixtures/scanner/fail")
_EXPECTED = re.compile(r"(SG\d+) line (\d+)")


class ScannerRules:
    """What the scanner found in the governed code, and in the fixtures that must fail."""

    def __init__(self, root: Path, code: Scan, fixtures: Scan) -> None:
        self._root = root
        self._code = code
        self._found = {(finding.path, finding.rule.value, finding.line) for finding in fixtures.findings}
        self._expected = {
            (file.relative_to(root).as_posix(), rule, int(line))
            for file in sorted((root / FIXTURES).rglob("*.py"))
            for rule, line in _EXPECTED.findall(file.read_text(encoding="utf-8").partition("\n")[0])
        }

    def proof(self, name: str) -> Proof:
        expected = {place for place in self._expected if place[1] == name}
        missed = expected - self._found
        broken = [finding for finding in self._code.findings if finding.rule == name]
        if self._code.unreadable:
            seen = "a file could not be read"
        elif not expected:
            seen = "it has no fixture that must fail"
        elif missed:
            seen = f"it misses {min(missed)[0]}"
        elif broken:
            seen = f"broken at {broken[0].path}:{broken[0].line}"
        else:
            seen = f"nothing found in {self._code.files} files; all {len(expected)} bypasses of its fixtures found"
            return Proof(f"scanner rule {name}", True, seen)
        return Proof(f"scanner rule {name}", False, seen)


def run_scanner(root: Path) -> ScannerRules:
    """Scan the governed code of a checkout, and its fixtures."""
    fixtures = scan(root, [root / FIXTURES]) if (root / FIXTURES).is_dir() else Scan((), (), 0)
    return ScannerRules(root, scan(root), fixtures)
