"""Write the governance audit report: ``python scripts/governance_audit.py [--output FILE]``, or ``make audit``.

Runs the tests, the scanner and the import contracts that ``governance_invariants.toml`` names, writes a Markdown
report and prints where. Exit code: 0 every invariant is proven, 1 one is not, 2 the table cannot be read.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from governance_proofs.import_contracts import ImportContracts, check_contracts
from governance_proofs.invariants import BadTable, Invariant, read_invariants
from governance_proofs.markdown import report
from governance_proofs.proofs import Verdict, judge
from governance_proofs.ran_tests import run_tests
from governance_proofs.scanner_rules import run_scanner


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    root = options.root.resolve()
    try:
        invariants = read_invariants(options.invariants or root / "scripts" / "governance_invariants.toml")
    except BadTable as error:
        print(error, file=sys.stderr)
        return 2
    verdicts = audit(root, invariants)
    output = options.output or root / "docs" / "governance-audit.md"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(report(verdicts, root, datetime.now(UTC)), encoding="utf-8")
    missing = [verdict for verdict in verdicts if not verdict.is_proven]
    for verdict in missing:
        print(f"not proven: {verdict.invariant.id}: {_why(verdict)}")
    print(f"{len(verdicts) - len(missing)} of {len(verdicts)} invariants proven")
    print(output)
    return int(bool(missing))


def audit(root: Path, invariants: tuple[Invariant, ...]) -> list[Verdict]:
    """Gather the evidence that the invariants name, once, and judge each."""
    tests = run_tests(root, [name for invariant in invariants for name in invariant.tests])
    rules = run_scanner(root)
    needs_contracts = any(invariant.contracts for invariant in invariants)
    contracts = check_contracts(root) if needs_contracts else ImportContracts({}, frozenset(), frozenset())
    return [judge(invariant, tests, rules, contracts) for invariant in invariants]


def _why(verdict: Verdict) -> str:
    return "; ".join(f"{proof.what} {proof.seen}" for proof in verdict.proofs if not proof.holds) or "nothing is named"


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Write the governance audit report.")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent, help="the checkout")
    parser.add_argument("--invariants", type=Path, help="default: scripts/governance_invariants.toml of the checkout")
    parser.add_argument("--output", type=Path, help="default: docs/governance-audit.md of the checkout")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
