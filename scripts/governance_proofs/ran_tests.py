"""Evidence from tests that ran just now and passed."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .proofs import Proof
from .record import is_wanted

SCRIPTS = Path(__file__).parent.parent
_TIME_FOR_ALL_S = 1800


class RanTests:
    """How each wanted test ended: the phases of a node id and their outcomes."""

    def __init__(self, outcomes: dict[str, dict[str, str]]) -> None:
        self._outcomes = outcomes

    def proof(self, name: str) -> Proof:
        cases = {node: phases for node, phases in self._outcomes.items() if is_wanted(node, frozenset({name}))}
        bad = sorted({outcome for phases in cases.values() for outcome in phases.values() if outcome != "passed"})
        cut = [node for node, phases in cases.items() if "call" not in phases and not bad]
        if not cases:
            seen = "did not run: there is no such test, or its file cannot be collected"
        elif bad or cut:
            seen = ", ".join(bad) or "did not come to its end"
        else:
            seen = "passed" if len(cases) == 1 else f"passed, {len(cases)} cases"
        return Proof(f"test `{name}`", bool(cases) and not bad and not cut, seen)


def run_tests(root: Path, wanted: Iterable[str]) -> RanTests:
    """Run the wanted tests of a checkout, those that exist, in one pytest process."""
    names = sorted(set(wanted))
    files = sorted({name.partition("::")[0] for name in names})
    files = [file for file in files if (root / file).is_file()]
    if not files:
        return RanTests({})
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.jsonl"
        path = os.pathsep.join(filter(None, [str(SCRIPTS), os.environ.get("PYTHONPATH")]))
        environment = {"GOVERNANCE_WANTED": "\n".join(names), "GOVERNANCE_RESULTS": str(results), "PYTHONPATH": path}
        command = [sys.executable, "-m", "pytest", "-p", "governance_proofs.record", "--rootdir", str(root)]
        command += ["--continue-on-collection-errors", *files]
        # Its own output is for whoever watches; what counts is the file.
        subprocess.run(
            command,
            cwd=root,
            env={**os.environ, **environment},
            stdout=sys.stderr,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=_TIME_FOR_ALL_S,
        )
        lines = results.read_text(encoding="utf-8").splitlines() if results.is_file() else []
    outcomes: dict[str, dict[str, str]] = {}
    for line in lines:
        said = json.loads(line)
        outcomes.setdefault(said["node"], {})[said["phase"]] = said["outcome"]
    return RanTests(outcomes)
