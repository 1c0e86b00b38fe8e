"""The scanner, run as people and CI run it: on fixtures that must fail, on clean ones, and on spoilt gates."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCANNER = ROOT / "scripts" / "scan_execution_violations.py"
FIXTURES = ROOT / "server" / "tests" / "fixtures" / "scanner"
FAILING = sorted((FIXTURES / "fail").rglob("*.py"))
CLEAN = sorted((FIXTURES / "pass").rglob("*.py"))
GATE = Path("server/app/plugins/runtime/tool_runner.py")
CLEAN_GATE = (FIXTURES / "pass" / "gate.py").read_text()


def run_scanner(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCANNER), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def findings(output: str) -> dict[str, set[tuple[str, int]]]:
    """Rule and line of each finding, by file name."""
    found: dict[str, set[tuple[str, int]]] = {}
    for line in output.splitlines():
        path, number, rest = line.split(":", 2)
        found.setdefault(Path(path).name, set()).add((rest.split()[0], int(number)))
    return found


def expected(fixture: Path) -> set[tuple[str, int]]:
    first = fixture.read_text().partition("\n")[0]
    return {(rule, int(line)) for rule, line in re.findall(r"(SG\d+) line (\d+)", first)}


@pytest.fixture(scope="module")
def found_in_fixtures() -> dict[str, set[tuple[str, int]]]:
    ran = run_scanner(FIXTURES / "fail", FIXTURES / "pass")
    assert ran.returncode == 1
    return findings(ran.stdout)


@pytest.mark.parametrize("fixture", FAILING, ids=lambda path: path.stem)
def test_a_bypass_is_found_at_its_line(fixture, found_in_fixtures):
    assert expected(fixture), "the first line of a failing fixture names the rule and the line"
    assert found_in_fixtures.get(fixture.name) == expected(fixture)


@pytest.mark.parametrize("fixture", CLEAN, ids=lambda path: path.stem)
def test_clean_code_raises_no_alarm(fixture, found_in_fixtures):
    assert fixture.name not in found_in_fixtures


def test_every_rule_has_a_fixture_that_must_fail():
    rules = {line.split()[0] for line in run_scanner("--rules").stdout.splitlines()}
    assert rules == {rule for fixture in FAILING for rule, _ in expected(fixture)}


def test_a_fixture_scanned_alone_gives_the_same(tmp_path):
    ran = run_scanner("--root", tmp_path, FIXTURES / "fail" / "registry_look_up.py")
    assert ran.returncode == 1
    assert findings(ran.stdout) == {"registry_look_up.py": expected(FIXTURES / "fail" / "registry_look_up.py")}


def test_this_project_never_leaves_the_governed_path():
    ran = run_scanner()
    assert (ran.returncode, ran.stdout.splitlines()[1:]) == (0, []), ran.stdout


def test_a_clean_run_prints_one_line(tmp_path):
    ran = run_scanner("--root", tmp_path, CLEAN[0])
    assert ran.returncode == 0
    assert ran.stdout.startswith("OK")
    assert ran.stdout.count("\n") == 1


@pytest.mark.parametrize("content", [b"def broken(:\n", b"\xff\xfe\x00", b"x = '\x00'\n"])
def test_a_file_that_cannot_be_parsed_ends_with_two(tmp_path, content):
    (tmp_path / "odd.py").write_bytes(content)
    ran = run_scanner("--root", tmp_path, tmp_path)
    assert ran.returncode == 2
    assert "odd.py:1: cannot be parsed" in ran.stderr


def test_a_path_that_is_not_there_ends_with_two(tmp_path):
    ran = run_scanner("--root", tmp_path, tmp_path / "nowhere")
    assert ran.returncode == 2
    assert "there is no such file" in ran.stderr


def test_a_checkout_without_a_gate_is_reported(tmp_path):
    (tmp_path / "server" / "app").mkdir(parents=True)
    ran = run_scanner("--root", tmp_path)
    assert ran.stdout.startswith(f"{GATE}:1: SG101")


def test_a_second_tool_runner_beside_the_gate_is_reported(tmp_path):
    place_gate(tmp_path, CLEAN_GATE)
    other = tmp_path / "server" / "app" / "quick.py"
    other.write_text(CLEAN_GATE)
    rules = {rule for rule, _ in findings(run_scanner("--root", tmp_path).stdout)["quick.py"]}
    assert rules == {"SG001", "SG105"}


def test_only_the_workers_own_call_may_run_a_plugin_in_the_sdk(tmp_path):
    place_gate(tmp_path, CLEAN_GATE)
    place = tmp_path / "sdk" / "src" / "sightgate" / "execution.py"
    place.parent.mkdir(parents=True)
    call = "def {}(plugin, payload):\n    return plugin.run(payload)\n\n\n"
    place.write_text(call.format("call_plugin") + call.format("call_quickly"))
    ran = run_scanner("--root", tmp_path)
    assert findings(ran.stdout) == {"execution.py": {("SG001", 6)}}


def test_an_envelope_may_be_built_in_its_own_module_alone(tmp_path):
    place_gate(tmp_path, CLEAN_GATE)
    builder = (FIXTURES / "pass" / "error_envelope.py").read_text()
    for folder in ("governance", "services"):
        (tmp_path / "server" / "app" / folder).mkdir()
        (tmp_path / "server" / "app" / folder / "error_envelope.py").write_text(builder)
    ran = run_scanner("--root", tmp_path)
    assert [line.partition(":")[0] for line in ran.stdout.splitlines()] == ["server/app/services/error_envelope.py"]


def place_gate(root: Path, text: str) -> None:
    (root / GATE).parent.mkdir(parents=True, exist_ok=True)
    (root / GATE).write_text(text)


class Spoiler(ast.NodeTransformer):
    """Base of the ways to spoil a gate."""

    def spoil(self, text: str) -> str:
        tree = self.visit(ast.parse(text))
        return ast.unparse(ast.fix_missing_locations(tree))


class WithoutFinally(Spoiler):
    """What stood in the finally comes after the try instead."""

    def visit_Try(self, node):
        self.generic_visit(node)
        after, node.finalbody = node.finalbody, []
        return [node if node.handlers else ast.With([ast.withitem(ast.Constant(None))], node.body), *after]


class WithoutMetrics(Spoiler):
    def visit_Expr(self, node):
        return ast.Pass() if "update_execution_metrics" in ast.unparse(node) else node


class WithMetricsOnSuccess(Spoiler):
    def visit_Expr(self, node):
        return ast.If(ast.Name("result"), [node], []) if "update_execution_metrics" in ast.unparse(node) else node


class WithAnotherName(Spoiler):
    def visit_FunctionDef(self, node):
        node.name = "execute" if node.name == "run" else node.name
        return node


class WithAnotherArgument(Spoiler):
    def visit_AsyncFunctionDef(self, node):
        if node.name == "run_async":
            node.args.kwonlyargs.append(ast.arg("timeout", ast.Name("float")))
            node.args.kw_defaults.append(ast.Constant(1.0))
        return node


class WithoutReturnType(Spoiler):
    def visit_FunctionDef(self, node):
        node.returns = None if node.name == "run" else node.returns
        return node


class WithAWayAround(Spoiler):
    def visit_FunctionDef(self, node):
        if node.name == "run":
            node.body = ast.parse("return self._registry.get_plugin(plugin_name).run(payload), {}").body
        return node


SPOILERS: list[tuple[type[Spoiler], str]] = [
    (WithoutFinally, "SG103"),
    (WithoutMetrics, "SG104"),
    (WithMetricsOnSuccess, "SG104"),
    (WithAnotherName, "SG101"),
    (WithAnotherArgument, "SG102"),
    (WithoutReturnType, "SG102"),
    (WithAWayAround, "SG103"),
]
by_name: Callable[[object], str | None] = lambda value: getattr(value, "__name__", None)  # noqa: E731


@pytest.mark.parametrize(("spoiler", "rule"), SPOILERS, ids=by_name)
def test_a_spoilt_gate_is_found(tmp_path, spoiler, rule):
    place_gate(tmp_path, spoiler().spoil(CLEAN_GATE))
    assert rule in {found for found, _ in findings(run_scanner("--root", tmp_path).stdout)["tool_runner.py"]}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("server/app", "sdk/src"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.mark.parametrize(("spoiler", "rule"), SPOILERS, ids=by_name)
def test_this_projects_gate_is_found_when_it_is_spoilt(checkout, spoiler, rule):
    place_gate(checkout, spoiler().spoil((ROOT / GATE).read_text()))
    ran = run_scanner("--root", checkout, checkout / GATE)
    assert rule in {found for found, _ in findings(ran.stdout)["tool_runner.py"]}


def test_this_projects_gate_is_clean_as_it_is(checkout):
    place_gate(checkout, (ROOT / GATE).read_text())
    assert run_scanner("--root", checkout, checkout / GATE).returncode == 0
