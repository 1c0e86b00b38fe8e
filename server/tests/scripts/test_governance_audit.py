"""The audit on a small checkout: nothing is ticked that was not seen to hold."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
AUDIT = ROOT / "scripts" / "governance_audit.py"
SCANNER_FIXTURES = Path("server/tests/fixtures/scanner")

TESTS = """
import pytest

def test_passes(): pass

@pytest.mark.parametrize("case", [1, 2, 3])
def test_passes_in_all_cases(case): assert case

@pytest.mark.parametrize("case", [1, 0])
def test_fails_in_one_case(case): assert case

def test_fails(): assert False

@pytest.mark.skip
def test_is_skipped(): pass

@pytest.mark.xfail
def test_is_expected_to_fail(): assert False

@pytest.fixture
def broken(): yield; raise RuntimeError

def test_whose_teardown_fails(broken): pass

def test_passes_too(): raise RuntimeError("nobody named this test, so it must not run")
"""

CONTRACTS = """
[importlinter]
root_package = pkg

[importlinter:contract:kept]
name = One does not import two
type = forbidden
source_modules = pkg.one
forbidden_modules = pkg.two

[importlinter:contract:broken]
name = Two does not import one
type = forbidden
source_modules = pkg.two
forbidden_modules = pkg.one
"""


@pytest.fixture
def checkout(tmp_path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_things.py").write_text(TESTS)
    (tmp_path / "tests" / "test_broken.py").write_text("import nothing_of_this_name\n\ndef test_in_it(): pass\n")
    gate = tmp_path / "server" / "app" / "plugins" / "runtime" / "tool_runner.py"
    gate.parent.mkdir(parents=True)
    shutil.copy(ROOT / SCANNER_FIXTURES / "pass" / "gate.py", gate)
    shutil.copytree(ROOT / SCANNER_FIXTURES, tmp_path / SCANNER_FIXTURES)
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").touch()
    (tmp_path / "pkg" / "one.py").touch()
    (tmp_path / "pkg" / "two.py").write_text("import pkg.one\n")
    (tmp_path / ".importlinter").write_text(CONTRACTS)
    return tmp_path


def audit(root: Path, *evidence: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run the audit of a table with one invariant and return it with its report."""
    table = root / "table.toml"
    table.write_text("\n".join(['[[invariant]]\nid = "it"\nsays = "It holds."', *evidence]))
    output = root / "report.md"
    command = [sys.executable, str(AUDIT), "--root", str(root), "--invariants", str(table), "--output", str(output)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    return ran, output.read_text() if output.is_file() else ""


def is_ticked(report: str) -> bool:
    return re.search(r"^\| ✅ \| It holds\. \|", report, flags=re.MULTILINE) is not None


@pytest.mark.parametrize(
    "evidence",
    [
        'tests = ["tests/test_things.py::test_passes"]',
        'tests = ["tests/test_things.py::test_passes_in_all_cases"]',
        'tests = ["tests/test_things.py::test_fails_in_one_case[1]"]',
        'rules = ["SG001", "SG103"]',
        'contracts = ["kept"]',
    ],
)
def test_what_was_seen_to_hold_is_ticked(checkout, evidence):
    ran, report = audit(checkout, evidence)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert is_ticked(report)
    assert "**1 of 1 invariants proven.**" in report
    assert ran.stdout.splitlines()[-1] == str(checkout / "report.md")


@pytest.mark.parametrize(
    ("evidence", "seen"),
    [
        ('tests = ["tests/test_things.py::test_fails"]', "failed"),
        ('tests = ["tests/test_things.py::test_fails_in_one_case"]', "failed"),
        ('tests = ["tests/test_things.py::test_is_skipped"]', "skipped"),
        ('tests = ["tests/test_things.py::test_is_expected_to_fail"]', "expected to fail"),
        ('tests = ["tests/test_things.py::test_whose_teardown_fails"]', "failed"),
        ('tests = ["tests/test_things.py::test_pass"]', "did not run"),
        ('tests = ["tests/test_nowhere.py::test_passes"]', "did not run"),
        ('tests = ["tests/test_broken.py::test_in_it"]', "did not run"),
        ('tests = ["tests/test_things.py::test_passes", "tests/test_things.py::test_fails"]', "failed"),
        ('rules = ["SG999"]', "no fixture that must fail"),
        ('contracts = ["broken"]', "broken"),
        ('contracts = ["nowhere"]', "there is no such contract"),
        ("tests = []", "nothing is named"),
    ],
)
def test_what_was_not_seen_to_hold_is_not_ticked(checkout, evidence, seen):
    ran, report = audit(checkout, evidence)
    assert ran.returncode == 1
    assert not is_ticked(report)
    assert seen in ran.stdout
    assert "**0 of 1 invariants proven.**" in report


def test_a_rule_that_the_code_breaks_is_not_proven(checkout):
    (checkout / "server" / "app" / "bypass.py").write_text("def analyze(plugin, payload):\n    plugin.run(payload)\n")
    ran, report = audit(checkout, 'rules = ["SG001"]')
    assert not is_ticked(report)
    assert "broken at server/app/bypass.py:2" in ran.stdout


def test_a_rule_that_misses_a_fixture_is_not_proven(checkout):
    missed = checkout / SCANNER_FIXTURES / "fail" / "missed.py"
    missed.write_text("# expect: SG001 line 2\nprint('nothing here runs a plugin')\n")
    ran, report = audit(checkout, 'rules = ["SG001"]')
    assert not is_ticked(report)
    assert "it misses server/tests/fixtures/scanner/fail/missed.py" in ran.stdout


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[[invariant]\n", "table.toml"),
        ("", "there is no [[invariant]]"),
        ('[[invariant]]\nid = "it"\n', "needs an id and says"),
        ('[[invariant]]\nid = "it"\nsays = "x"\ntest = []\n', "there is no field 'test'"),
        ('[[invariant]]\nid = "it"\nsays = "x"\nrules = "SG001"\n', "rules must be a list"),
        ('[[invariant]]\nid = "it"\nsays = "x"\n[[invariant]]\nid = "it"\nsays = "y"\n', "two invariants 'it'"),
    ],
)
def test_a_wrong_table_is_refused_with_one_line(tmp_path, table, said):
    (tmp_path / "table.toml").write_text(table)
    command = [sys.executable, str(AUDIT), "--root", str(tmp_path), "--invariants", str(tmp_path / "table.toml")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_the_table_names_every_rule_and_every_contract():
    table = (ROOT / "scripts" / "governance_invariants.toml").read_text()
    contracts = re.findall(
        r"^\[importlinter:contract:(.*)\]$", (ROOT / ".importlinter").read_text(), flags=re.MULTILINE
    )
    scanner = [sys.executable, str(ROOT / "scripts" / "scan_execution_violations.py"), "--rules"]
    listed = subprocess.run(scanner, capture_output=True, text=True, check=True).stdout
    rules = [line.split()[0] for line in listed.splitlines()]
    assert [name for name in [*rules, *contracts] if f'"{name}"' not in table] == []
