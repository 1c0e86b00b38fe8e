"""Bad usage gets one clear line and exit code 2."""

import json
import os

import pytest

from app.cli import main
from app.storage.data_folder import DataFolderLock
from sightgate.check import sample_png


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Missing command"),
        (["frobnicate"], "No such command 'frobnicate'"),
        (["analyze"], "Missing argument 'IMAGE...'"),
        (["analyze", "a.png"], "Missing option '--plugin'"),
        (["analyze", "nowhere.png", "-p", "sizes"], "'nowhere.png' does not exist"),
        (["analyze", "plugins", "-p", "sizes"], "'plugins' is a directory"),
        (["analyze", "a.png", "-p", "sizes", "-o", "flag"], "--option wants KEY=VALUE, not 'flag'"),
        (["analyze", "a.png", "-p", "sizes", "-o", "=1"], "--option wants KEY=VALUE"),
        (["analyze", "a.png", "-p", "sizes", "-o", "k=1", "-o", "k=2"], "--option k is given twice"),
        (["analyze", "a.png", "-p", "sizes", "--frob"], "No such option: --frob"),
        (["analyze", "a.png", "-p", "sizes", "--plugins-dir", "nowhere"], "the plugin folder nowhere cannot be read"),
        (["serve", "--port", "many"], "Invalid value for '--port': must be a whole number"),
        (["serve", "--port", "70000"], "--port: must be 65535 or less"),
        (["serve", "--log-format", "xml"], "--log-format: must be 'auto', 'json' or 'readable'"),
        (["serve", "--plugins-dir", "nowhere"], "the plugin folder nowhere cannot be read"),
        (["serve", "--host", "192.0.2.1"], "refusing to listen on 192.0.2.1 without an API key"),
        (["plugins", "show"], "Missing argument 'NAME'"),
        (["jobs", "list"], "there is no data folder"),
        (["jobs", "cancel"], "name either a job, by its id, or a batch, with --batch"),
        (["jobs", "cancel", "nobody", "--batch", ""], "name either a job"),
        (["jobs", "show", "nobody", "--batch", "nobody"], "name either a job"),
        (["jobs", "events", "--batch", ""], "name either a job"),
        (["jobs", "purge", "--yes"], "name what is removed, either by filters or, every job that has ended, by --all"),
        (["jobs", "purge", "--all", "--status", "failed", "--yes"], "name what is removed"),
        (["jobs", "requeue", "--yes"], "name the jobs to repeat, either by their ids or by filters"),
        (["jobs", "requeue", "nobody", "--status", "failed"], "name the jobs to repeat"),
        (["jobs", "requeue", "--status", "running", "--yes"], "only jobs that have ended are repeated"),
        (["zoo", "--write", "a.png"], "--write a.png: the animals cannot be written there"),
        (["zoo", "--against", "http://127.0.0.1:1"], "no server answers at http://127.0.0.1:1"),
        (["jobs", "list", "--status", "odd"], "Invalid value for '--status': 'odd' is not one of"),
        (["jobs", "list", "--limit", "0"], "Invalid value for '--limit': must be 1 or more"),
        (["jobs", "list", "--limit", "few"], "Invalid value for '--limit': must be a whole number"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage_gets_one_clear_line(folder, capsys, arguments, says):
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert says in said.err.splitlines()[0]
    assert "Traceback" not in said.err


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with one image and an empty folder of plugins, where the command runs."""
    (tmp_path / "a.png").write_bytes(sample_png(8, 8))
    (tmp_path / "plugins").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SIGHTGATE_")]:
        monkeypatch.delenv(name)


def test_the_program_itself_ends_with_that_line_and_code(cli):
    ended = cli.run("analyze", "a.png")
    assert (ended.code, ended.out) == (2, "")
    assert ended.line == "sightgate: Missing option '--plugin' / '-p'. (try: sightgate analyze --help)"


def test_a_setting_of_the_environment_that_does_not_fit_is_named(cli):
    cli.variables["SIGHTGATE_PORT"] = "many"
    ended = cli.run("doctor")
    assert ended.code == 2
    assert ended.line.startswith("sightgate: SIGHTGATE_PORT: ")


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("DATA_DIR", "", "SIGHTGATE_DATA_DIR: must not be empty"),
        ("OUTBOUND_PORTS", "80,x", "SIGHTGATE_OUTBOUND_PORTS: ports are numbers from 1 to 65535"),
        ("WEBHOOK_SECRET", "short", "SIGHTGATE_WEBHOOK_SECRET: must have 16 characters or more"),
        ("BLOB_URL", "ftp://host/blobs", "SIGHTGATE_BLOB_URL: must be a folder, or s3://"),
        ("RETAIN_DAYS", "1000000", "SIGHTGATE_RETAIN_DAYS: must be 36500.0 or less"),
        ("BLOB_URL", "/dev/null", "SIGHTGATE_BLOB_URL: must be a folder; /dev/null is a file"),
        ("BLOB_URL", "/dev/null/blobs", "SIGHTGATE_BLOB_URL: must be a folder; /dev/null/blobs is a file, or"),
        ("BLOB_URL", "s3://bucket?endpoint=nonsense", "SIGHTGATE_BLOB_URL: the endpoint must be a URL such as https"),
        ("BLOB_URL", "s3://bucket?secret=x", "SIGHTGATE_BLOB_URL: must be s3://BUCKET/PREFIX"),
        ("DATABASE_URL", "mysql://host/jobs", "SIGHTGATE_DATABASE_URL: must be postgresql://"),
        ("DATABASE_URL", "jobs", "SIGHTGATE_DATABASE_URL: must be postgresql://"),
        ("DATABASE_URL", "sqlite:///jobs.sqlite3", "SIGHTGATE_DATABASE_URL: must be postgresql://"),
        (
            "DATABASE_URL",
            "postgresql://host:port/jobs",
            "SIGHTGATE_DATABASE_URL: the URL cannot be read; give postgresql",
        ),
        ("DATABASE_URL", "postgresql://127.0.0.1:1/jobs", "SIGHTGATE_DATABASE_URL: The database server cannot be"),
    ],
)
def test_serve_names_the_setting_that_cannot_be_used(cli, setting, value, says):
    cli.variables[f"SIGHTGATE_{setting}"] = value
    ended = cli.run("serve", "--port", "0")
    assert ended.code == 2
    assert says in ended.line


def test_a_variable_that_is_no_setting_is_told_by_serve_and_doctor(cli, read_until, end):
    cli.variables["SIGHTGATE_MIN_ISOLATON"] = "sandbox"
    process = cli.start("serve", "--port", "0")
    read_until(process, "Ctrl-C")
    lines = [json.loads(line) for line in end(process).err.splitlines()]
    told = [line["nearest"] for line in lines if line["event"] == "unknown setting"]
    assert told == ["SIGHTGATE_MIN_ISOLATION"]
    found = {row["what"]: row for row in json.loads(cli.run("doctor", "--json").out)["findings"]}
    assert found["SIGHTGATE_MIN_ISOLATON"]["said"] == "there is no such setting; is SIGHTGATE_MIN_ISOLATION meant?"


def test_a_broken_operator_file_is_one_line(cli):
    (cli.folder / "data").mkdir()
    (cli.folder / "data" / "plugins.toml").write_text("[sizes]\ncolour = 'red'\n")
    for command in (["serve", "--port", "0"], ["analyze", "a.png", "-p", "sizes"]):
        ended = cli.run(*command)
        assert ended.code == 2
        assert "plugins.toml: [sizes] has no setting 'colour'" in ended.line


def test_a_data_folder_that_is_a_file_is_one_line(cli):
    ended = cli.run("serve", "--port", "0", "--data-dir", "a.png")
    assert ended.code == 2
    assert "the data folder a.png cannot be used" in ended.line


def test_a_data_folder_that_a_command_holds_is_one_line(cli):
    lock = DataFolderLock(cli.folder / "data")
    lock.acquire()
    try:
        ended = cli.run("analyze", "a.png", "-p", "sizes")
    finally:
        lock.release()
    assert ended.code == 2
    assert "is in use by process" in ended.line
    assert "try again" in ended.line


def test_help_and_version_succeed(cli):
    assert "analyze" in cli.run("--help").out
    assert cli.run("version").out.startswith("sightgate ")
    assert cli.run("--version").out == cli.run("version").out
