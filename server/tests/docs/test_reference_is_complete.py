"""The reference names everything that there is, and nothing that there is not."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from typer.main import get_command

from app.api.errors import status_of
from app.api.schemas import PluginAnswer
from app.cli.application import app as command_line
from app.governance.errors import ERROR_CODES
from app.main import create_app
from app.plugins.loader.plugin_registry import PluginRegistry
from app.services.operator_file import OperatorSay
from app.settings import Settings
from app.wiring import build
from sightgate.manifest import PERMISSION_KINDS, Limits, Manifest

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = ROOT / "docs" / "reference"


def cells(page: str, table: str) -> list[list[str]]:
    """The rows of a marked table, as cells without code marks."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    marked = re.search(rf"<!-- table: {table} -->\n(.*?)<!-- end of table -->", text, re.DOTALL)
    assert marked is not None
    rows = [line for line in marked.group(1).splitlines() if line.startswith("|")][2:]
    return [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def first_column(page: str, table: str) -> list[str]:
    return [row[0] for row in cells(page, table)]


def test_the_pages_are_what_the_code_says():
    script = ROOT / "scripts" / "write_reference.py"
    ended = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_setting_is_there_with_its_default():
    rows = cells("settings.md", "settings")
    assert [row[1] for row in rows] == list(Settings.model_fields)
    for variable, name, _, default, meaning in rows:
        assert variable == f"SIGHTGATE_{name.upper()}"
        value = Settings.model_fields[name].default
        assert default.lower() == ("none" if value is None else str(value).lower())
        assert len(meaning) > 10


def test_every_key_of_the_operator_file_is_there():
    assert first_column("settings.md", "operator-file") == [field.name for field in fields(OperatorSay)]


def test_every_error_code_is_there_with_its_type_and_status():
    rows = cells("error-codes.md", "error-codes")
    said = {code: (kind, status, retry) for code, kind, status, retry, *_ in rows}
    assert said == {
        code: (row.type.value, str(status_of(code)), "yes" if row.retryable else "no")
        for code, row in ERROR_CODES.items()
    }


def test_a_code_that_nothing_gives_is_marked_so_and_no_other():
    """A code is given where its name stands in the source outside the table of codes and of statuses."""
    sources = [*(ROOT / "server" / "app").rglob("*.py"), *(ROOT / "sdk" / "src").rglob("*.py")]
    tables = {"governance/errors.py", "api/errors.py", "api/schemas.py"}
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for path in sources
        if "/".join(path.parts[-2:]) not in tables or path.parts[-2:] == ("api", "errors.py")
    )
    text = re.sub(r"^STATUS: .*?^}", "", text, flags=re.MULTILINE | re.DOTALL)
    table = (ROOT / "server" / "app" / "governance" / "errors.py").read_text(encoding="utf-8")
    text += table.partition("class GovernedError")[2]
    not_given = {code for code in ERROR_CODES if f'"{code}"' not in text}
    marked = {row[0] for row in cells("error-codes.md", "error-codes") if "*Not given yet.*" in row[4]}
    assert marked == not_given


def test_every_route_and_method_is_there(tmp_path):
    paths = create_app(Settings(data_dir=tmp_path), PluginRegistry()).openapi()["paths"]
    served = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    assert [(row[0], row[1]) for row in cells("routes.md", "routes")] == served


async def test_every_metric_is_there(tmp_path):
    server = build(Settings(data_dir=tmp_path, installed_plugins=False), PluginRegistry())
    await server.start()
    shown = (await server.metrics.render_all()).decode()
    await server.stop()
    assert first_column("metrics.md", "metrics") == re.findall(r"^# TYPE (\S+)", shown, re.MULTILINE)


def test_the_labels_of_metrics_that_only_jobs_fill_are_there():
    labels = {row[0]: row[2] for row in cells("metrics.md", "metrics")}
    assert labels["sightgate_job_attempts_total"] == "outcome`, `plugin"
    assert labels["sightgate_job_duration_seconds"] == "plugin`, `status"


def test_every_command_is_there_with_its_options():
    page = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    found = dict(leaves("sightgate", get_command(command_line)))
    assert re.findall(r"^### `(.+)`$", page, re.MULTILINE) == list(found)
    for path, command in found.items():
        section = page.partition(f"### `{path}`\n")[2].partition("###")[0]
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else []:
                assert option in section, f"{path} {option}"


def leaves(path, command):
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, below in inner.items():
        yield from leaves(f"{path} {name}", below)


@pytest.mark.parametrize(
    ("table", "there_is"),
    [
        ("manifest", [field.name for field in fields(Manifest)]),
        ("limits", [field.name for field in fields(Limits)]),
        ("permissions", list(PERMISSION_KINDS)),
    ],
)
def test_every_field_of_a_manifest_is_there(table, there_is):
    assert first_column("manifest.md", table) == there_is


def test_every_field_of_a_plugins_row_is_there():
    text = (REFERENCE / "manifest.md").read_text(encoding="utf-8")
    row = text.partition("<!-- table: plugin-row -->")[2].partition("<!-- end")[0]
    assert re.findall(r"`(\w+)`", row) == list(PluginAnswer.model_fields)
