"""The migration tool and the guide that goes with it, on a code base before and after."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOOL = ROOT / "scripts" / "migrate_to_governed_execution.py"
SCANNER = ROOT / "scripts" / "scan_execution_violations.py"
SAMPLES = ROOT / "server" / "tests" / "fixtures" / "migration"
GUIDE = (ROOT / "docs" / "migration-guide.md").read_text()


def run_script(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def after(monkeypatch):
    """The migrated sample, importable as ``vision``."""
    monkeypatch.syspath_prepend(SAMPLES / "after")
    yield importlib.import_module
    for name in [name for name in sys.modules if name.partition(".")[0] == "vision"]:
        del sys.modules[name]


def test_the_code_base_before_is_listed_as_the_guide_shows_it():
    ran = run_script(TOOL, SAMPLES / "before")
    assert ran.returncode == 1
    assert [ran.stdout] == blocks("text")


def test_the_code_base_after_has_nothing_left():
    ran = run_script(TOOL, SAMPLES / "after")
    assert ran.returncode == 0, ran.stdout
    assert ran.stdout.endswith("OK: nothing left in 7 files\n")


def test_the_scanner_agrees_that_the_code_base_after_is_clean_and_before_is_not():
    assert run_script(SCANNER, SAMPLES / "after").returncode == 0
    assert run_script(SCANNER, SAMPLES / "before").returncode == 1


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.partition("\n")[0].strip("# "))
def test_a_code_block_of_the_guide_is_what_stands_in_the_sample(block):
    place, _, code = block.partition("\n")
    assert code in (SAMPLES / place.removeprefix("# ")).read_text()


def test_the_guide_has_the_tools_steps_in_the_tools_order():
    in_guide = re.findall(r"^## Step (\d): (.*)$", GUIDE, flags=re.MULTILINE)
    in_tool = re.findall(r"^Step (\d): (.*) \(.*\)$", run_script(TOOL, SAMPLES / "before").stdout, flags=re.MULTILINE)
    assert in_guide[:-1] == in_tool


def test_the_migrated_sample_answers_counts_and_wraps(after):
    registry = after("vision.registry").PluginRegistry()
    runner = after("vision.tool_runner").ToolRunner(registry)
    service = after("vision.service").AnalysisService(runner)
    assert service.analyze("size", {"image": b"abc"}) == {"bytes": 3}
    assert service.analyze("fragile", {"image": b"abc"})["error"]["message"] == "no light"
    assert service.analyze("nothing", {"image": b"abc"})["error"]["type"] == "PluginError"
    assert (registry.get_status("size").success_count, registry.get_status("fragile").error_count) == (1, 1)
    batch = after("vision.batch")
    assert batch.analyze_all(runner, "size", [{"image": b"a"}, {"image": b"bc"}]) == [
        ({"bytes": 1}, {}),
        ({"bytes": 2}, {}),
    ]
    assert set(batch.try_every_plugin(registry, runner, {"image": b"a"})) == {"size", "fragile"}


async def test_the_migrated_sample_has_an_awaitable_entry(after):
    runner = after("vision.tool_runner").ToolRunner(after("vision.registry").PluginRegistry())
    assert await runner.run_async("size", {"image": b"abc"}) == ({"bytes": 3}, {})


def test_each_missing_piece_is_named_on_its_own(tmp_path):
    gate = (SAMPLES / "after" / "vision" / "tool_runner.py").read_text()
    (tmp_path / "tool_runner.py").write_text(gate.replace("        finally:\n", "        if True:\n"))
    ran = run_script(TOOL, tmp_path)
    assert ran.returncode == 1
    assert "there is no method update_execution_metrics(plugin_name, state, elapsed_ms, had_error)" in ran.stdout
    assert "SG103 the body of run has no finally" in ran.stdout


def test_a_metrics_method_with_other_parameters_is_named(tmp_path):
    registry = (SAMPLES / "after" / "vision" / "registry.py").read_text()
    (tmp_path / "registry.py").write_text(registry.replace("elapsed_ms: float, ", ""))
    said = "the method must be update_execution_metrics(plugin_name, state, elapsed_ms, had_error)"
    line = registry[: registry.index("def update_execution_metrics")].count("\n") + 1
    assert f"registry.py:{line}: {said}" in run_script(TOOL, tmp_path).stdout


def test_a_second_gate_is_something_left(tmp_path):
    gate = (SAMPLES / "after" / "vision" / "tool_runner.py").read_text()
    (tmp_path / "a.py").write_text(gate)
    (tmp_path / "b.py").write_text(gate)
    assert re.search(r"^b\.py:\d+: SG105 ", run_script(TOOL, tmp_path).stdout, flags=re.MULTILINE)


def test_test_files_are_read_only_when_asked_for(tmp_path):
    (tmp_path / "app.py").write_text("")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_plugin.py").write_text("def test_it(plugin):\n    plugin.run({})\n")
    assert "test_plugin.py" not in run_script(TOOL, tmp_path).stdout
    assert "tests/test_plugin.py:2: SG001" in run_script(TOOL, tmp_path, "--include-tests").stdout


def test_a_file_that_cannot_be_parsed_is_named_and_the_rest_is_still_listed(tmp_path):
    (tmp_path / "old.py").write_text("print 'two'\n")
    (tmp_path / "app.py").write_text("def analyze(plugin, payload):\n    return plugin.run(payload)\n")
    ran = run_script(TOOL, tmp_path)
    assert ran.returncode == 2
    assert "old.py:1: cannot be parsed" in ran.stderr
    assert "app.py:2: SG001" in ran.stdout


def test_a_path_that_is_not_there_or_holds_no_python_ends_with_two(tmp_path):
    assert run_script(TOOL, tmp_path / "nowhere").returncode == 2
    assert run_script(TOOL, tmp_path).returncode == 2
