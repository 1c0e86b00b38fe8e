"""The code in the documents runs: plugins keep their contract, tests pass, and commands answer as shown.

A Python block whose first line is ``# NAME.py`` is a plugin file, or a test if the name begins with ``test_``; any
other is a program. The blocks of one document lie in one folder.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from support.running_server import BYTECODE

from app.services.operator_file import read_operator_file
from sightgate.check import sample_png

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "sdk/README.md",
    "docs/how-to/write-a-plugin.md",
    "docs/how-to/operate.md",
    "docs/how-to/run-jobs.md",
    "docs/reference/settings.md",
)
SIGHTGATE = Path(sys.executable).with_name("sightgate")
NOT_KEPT = ("SIGHTGATE_", "PYTHONDONTWRITEBYTECODE")
ADDRESS = "http://127.0.0.1:8000"
PATIENCE_S = 100
# What differs from call to call.
IDENTITIES, TIMES = {"id", "job_id", "timestamp"}, {"waiting_ms", "running_ms"}

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="the documents use curl")


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    document: str
    line: int
    language: str
    text: str

    @property
    def file(self) -> str:
        """The file that its first line names, or nothing."""
        named = re.match(r"# ([\w/.-]+\.(?:py|toml))\n", self.text)
        return named.group(1) if named else ""

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks_of(document: str) -> list[Block]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return [
        Block(document, text.count("\n", 0, found.start()) + 1, found.group(1), found.group(2))
        for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]
PYTHON = [block for block in BLOCKS if block.language == "python"]
PLUGINS = [block for block in PYTHON if block.file and not block.file.startswith("test_")]
TESTS = [block for block in PYTHON if block.file.startswith("test_")]
PROGRAMS = [block for block in PYTHON if not block.file]
SHOWN = [
    (block, answer)
    for block, answer in pairwise(blocks_of("README.md"))
    if block.language == "sh" and answer.language in ("json", "text")
]


def write_blocks(document: str, folder: Path) -> None:
    for block in PYTHON:
        if block.document == document and block.file:
            file = folder / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)


def run(command: list[str | Path], folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_KEPT)}
    environment = {**kept, "COLUMNS": "120", "PYTHONPYCACHEPREFIX": str(BYTECODE), **variables}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def test_the_documents_hold_what_is_to_be_run():
    assert len(PLUGINS) >= 7
    assert TESTS
    assert PROGRAMS
    assert len(SHOWN) >= 7


@pytest.mark.parametrize("block", PLUGINS, ids=str)
def test_a_plugin_in_a_document_keeps_its_contract(block, tmp_path):
    write_blocks(block.document, tmp_path)
    ended = run([sys.executable, "-m", "sightgate.check", block.file], tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("block", TESTS, ids=str)
def test_a_test_in_a_document_passes(block, tmp_path):
    write_blocks(block.document, tmp_path)
    ended = run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", block.file], tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("block", PROGRAMS, ids=str)
def test_a_program_in_a_document_runs(block, tmp_path):
    ended = run([sys.executable, "-c", block.text], tmp_path)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "toml"], ids=str)
def test_a_toml_block_is_understood(block, tmp_path):
    assert tomllib.loads(block.text)
    if block.file == "plugins.toml":
        (tmp_path / "plugins.toml").write_text(block.text)
        assert read_operator_file(tmp_path / "plugins.toml")


@dataclass(frozen=True)
class Served:
    """A server with the bundled plugins and that of the README, and the folder in which commands are run."""

    folder: Path
    address: str

    def run(self, command: str) -> "subprocess.CompletedProcess[str]":
        programs: dict[str, str | Path] = {"sightgate": SIGHTGATE, "python": sys.executable}
        program, *arguments = shlex.split(command.replace(ADDRESS, self.address), comments=True)
        return run([programs.get(program, program), *arguments], self.folder, SIGHTGATE_DATA_DIR="data")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("documents")
    write_blocks("README.md", folder)
    (folder / "examples").symlink_to(ROOT / "examples")
    command = [str(SIGHTGATE), "serve", "--port", "0", "--data-dir", "data", "--plugins-dir", "my-plugins"]
    # On a busy machine the job of one command holds the plugin's only seat for longer than the next would wait.
    patient = {**os.environ, "SIGHTGATE_MAX_WAIT_S": str(PATIENCE_S)}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=patient, stdout=subprocess.PIPE, stderr=log, text=True)
    assert server.stdout is not None
    try:
        said = server.stdout.readline()
        assert said, (folder / "log").read_text()
        yield Served(folder, said.split()[3])
    finally:
        server.terminate()
        server.communicate(timeout=PATIENCE_S)


@pytest.mark.parametrize(("block", "answer"), SHOWN, ids=lambda block: str(block))
def test_a_command_of_the_readme_answers_as_shown(served, block, answer):
    commands = block.text.strip().splitlines()
    assert len(commands) == 1
    ended = served.run(commands[0])
    assert ended.returncode == 0, ended.stdout + ended.stderr
    if answer.language == "json":
        assert differences(json.loads(answer.text), json.loads(ended.stdout)) == []
    else:
        shown, cut, _ = answer.text.partition("\n…\n")
        expected, actual = as_words(shown), as_words(ended.stdout)
        assert (actual[: len(expected)] if cut else actual) == expected


def test_the_commands_of_the_guide_to_jobs_succeed(served):
    for name in ("photo.png", "other.png"):
        (served.folder / name).write_bytes(sample_png(32, 32))
    blocks = [block for block in blocks_of("docs/how-to/run-jobs.md") if block.language == "sh"]
    commands = [line for block in blocks for line in block.text.splitlines()]
    assert len(commands) >= 10
    job_id = json.loads(served.run(commands[0]).stdout)["id"]
    served.run(f"sightgate jobs events {job_id}")
    (submission,) = [
        line for line in commands if line.startswith("sightgate jobs submit") and line.count("--plugin") == 2
    ]
    batch_id = served.run(submission).stdout.strip()
    for command in commands:
        named = command.replace(" ID", f" {job_id}").replace("/ID", f"/{job_id}").replace(" BATCH", f" {batch_id}")
        ended = served.run(named)
        if ("cancel" in command or "DELETE" in command) and " BATCH" not in command:
            assert "has ended as SUCCESS" in ended.stdout + ended.stderr, command
        else:
            assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
            assert '"detail"' not in ended.stdout, command


def test_the_curl_commands_of_the_operators_guide_succeed(served):
    commands = [
        line
        for block in blocks_of("docs/how-to/operate.md")
        if block.language == "sh"
        for line in block.text.splitlines()
        if line.startswith("curl")
    ]
    assert len(commands) >= 3
    for command in commands:
        ended = served.run(command)
        assert ended.returncode == 0, ended.stderr
        assert "detail" not in json.loads(ended.stdout), command


def as_words(text: str) -> list[list[str]]:
    """Lines as words, without empty lines, times taken."""
    timeless = re.sub(r"\b[\d.]+ (?:ms|s)\b", "TIME", text)
    return [line.split() for line in timeless.splitlines() if line.split()]


def differences(shown: object, actual: object, name: str = "") -> list[str]:
    """Where an answer is not as shown; identities and times may differ, other numbers by a little."""
    if isinstance(shown, dict) and isinstance(actual, dict):
        if shown.keys() != actual.keys():
            return [f"{name}: {sorted(shown)} is {sorted(actual)}"]
        return [each for key in shown for each in differences(shown[key], actual[key], key)]
    if isinstance(shown, list) and isinstance(actual, list) and len(shown) == len(actual):
        return [each for left, right in zip(shown, actual, strict=True) for each in differences(left, right, name)]
    if type(shown) is not type(actual):
        return [f"{name}: {shown!r} is {actual!r}"]
    free = name in IDENTITIES | TIMES
    near = isinstance(shown, (int, float)) and shown == pytest.approx(actual, rel=0.05, abs=2)
    return [] if free or near or shown == actual else [f"{name}: {shown!r} is {actual!r}"]


def test_a_changed_answer_is_a_difference():
    assert differences({"a": [1.0], "job_id": "x"}, {"a": [1.01], "job_id": "y"}) == []
    assert differences({"a": ["x"]}, {"a": ["y"]})
    assert differences({"a": 1}, {"b": 1})
    assert differences([1], [1, 2])
    assert differences(10.0, 20.0)
