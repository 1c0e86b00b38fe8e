"""The scanner, as CI runs it, on this project."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCANNER = ROOT / "scripts" / "scan_execution_violations.py"


def scan(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, SCANNER, *arguments], capture_output=True, text=True, timeout=240)


def test_nothing_but_the_gate_runs_a_plugin():
    ended = scan()
    assert ended.returncode == 0, ended.stdout
    assert "nothing leaves the governed path" in ended.stdout


def test_a_direct_run_anywhere_in_the_server_is_found_with_its_file_and_line(tmp_path: Path):
    source = tmp_path / "server" / "app" / "services" / "shortcut.py"
    source.parent.mkdir(parents=True)
    source.write_text(
        "from app.plugins.loader.plugin_registry import get_registry\n\n\n"
        "def shortcut(payload):\n    return get_registry().get_plugin('ocr').run(payload)\n"
    )
    ended = scan("--root", tmp_path, source)
    assert ended.returncode == 1
    assert "shortcut.py:5:" in ended.stdout
