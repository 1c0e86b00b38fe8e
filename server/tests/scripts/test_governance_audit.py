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


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("checkout")
    (root / "tests").mkdir()
    (root / "tests" / "test_things.py").write_text(TESTS)
    (root / "tests" / "test_broken.py").write_text("import nothing_of_this_name\n\ndef test_in_it(): pass\n")
    gate = root / "server" / "app" / "plugins" / "runtime" / "tool_runner.py"
    gate.parent.mkdir(parents=True)
    shutil.copy(ROOT / SCANNER_FIXTURES / "pass" / "gate.py", gate)
    shutil.copytree(ROOT / SCANNER_FIXTURES, root / SCANNER_FIXTURES)
    (root / "pkg").mkdir()
    (root / "pkg" / "__init__.py").touch()
    (root / "pkg" / "one.py").touch()
    (root / "pkg" / "two.py").write_text("import pkg.one\n")
    (root / ".importlinter").write_text(CONTRACTS)
    return root


@pytest.fixture
def checkout(pristine, tmp_path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "checkout"))


def audit(root: Path, table: dict[str, str]) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run the audit of a table, evidence by id, and return it with its report."""
    entries = [f'[[invariant]]\nid = "{name}"\nsays = "{name} holds."\n{evidence}' for name, evidence in table.items()]
    (root / "table.toml").write_text("\n".join(entries))
    output = root / "report.md"
    command = [sys.executable, str(AUDIT), "--root", str(root)]
    command += ["--invariants", str(root / "table.toml"), "--output", str(output)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    return ran, output.read_text()


def ticked(report: str) -> set[str]:
    return set(re.findall(r"^\| ✅ \| (.*?) holds\. \|", report, flags=re.MULTILINE))


HOLDS = {
    "a test": 'tests = ["tests/test_things.py::test_passes"]',
    "all cases": 'tests = ["tests/test_things.py::test_passes_in_all_cases"]',
    "one case": 'tests = ["tests/test_things.py::test_fails_in_one_case[1]"]',
    "rules": 'rules = ["SG001", "SG103"]',
    "a contract": 'contracts = ["kept"]',
}
DOES_NOT_HOLD = {
    "a failure": ('tests = ["tests/test_things.py::test_fails"]', "failed"),
    "a failing case": ('tests = ["tests/test_things.py::test_fails_in_one_case"]', "failed"),
    "a skip": ('tests = ["tests/test_things.py::test_is_skipped"]', "skipped"),
    "an expected failure": ('tests = ["tests/test_things.py::test_is_expected_to_fail"]', "expected to fail"),
    "a teardown": ('tests = ["tests/test_things.py::test_whose_teardown_fails"]', "failed"),
    "half a name": ('tests = ["tests/test_things.py::test_pass"]', "did not run"),
    "no file": ('tests = ["tests/test_nowhere.py::test_passes"]', "did not run"),
    "a broken file": ('tests = ["tests/test_broken.py::test_in_it"]', "did not run"),
    "one of two": ('tests = ["tests/test_things.py::test_passes", "tests/test_things.py::test_fails"]', "failed"),
    "no such rule": ('rules = ["SG999"]', "no fixture that must fail"),
    "a broken contract": ('contracts = ["broken"]', "broken"),
    "no such contract": ('contracts = ["nowhere"]', "there is no such contract"),
    "nothing": ("tests = []", "nothing is named"),
}


@pytest.fixture(scope="module")
def audited(pristine) -> tuple[subprocess.CompletedProcess[str], str]:
    return audit(pristine, {**HOLDS, **{name: evidence for name, (evidence, _) in DOES_NOT_HOLD.items()}})


def test_what_was_seen_to_hold_is_ticked_and_nothing_else(audited):
    assert ticked(audited[1]) == set(HOLDS)


@pytest.mark.parametrize("name", DOES_NOT_HOLD)
def test_what_was_not_seen_to_hold_is_printed_with_its_reason(audited, name):
    printed = next(line for line in audited[0].stdout.splitlines() if line.startswith(f"not proven: {name}:"))
    assert DOES_NOT_HOLD[name][1] in printed


def test_an_audit_with_something_not_proven_ends_with_one(audited):
    assert audited[0].returncode == 1
    assert f"**{len(HOLDS)} of {len(HOLDS) + len(DOES_NOT_HOLD)} invariants proven.**" in audited[1]


def test_an_audit_with_everything_proven_ends_with_zero_and_prints_the_path(checkout):
    ran, report = audit(checkout, {name: HOLDS[name] for name in ("a test", "a contract")})
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ticked(report) == {"a test", "a contract"}
    assert ran.stdout.splitlines()[-1] == str(checkout / "report.md")


def test_a_rule_that_the_code_breaks_is_not_proven(checkout):
    (checkout / "server" / "app" / "bypass.py").write_text("def analyze(plugin, payload):\n    plugin.run(payload)\n")
    ran, report = audit(checkout, {"rule": 'rules = ["SG001"]'})
    assert not ticked(report)
    assert "broken at server/app/bypass.py:2" in ran.stdout


def test_a_rule_that_misses_a_fixture_is_not_proven(checkout):
    missed = checkout / SCANNER_FIXTURES / "fail" / "missed.py"
    missed.write_text("# expect: SG001 line 2\nprint('nothing here runs a plugin')\n")
    ran, report = audit(checkout, {"rule": 'rules = ["SG001"]'})
    assert not ticked(report)
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
