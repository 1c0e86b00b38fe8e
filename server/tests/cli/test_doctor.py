"""`sightgate doctor`: every finding is true, and what is missing comes with the command that mends it."""

import json
import os
import socket

import pytest


def findings(cli, *arguments):
    ended = cli.run("doctor", "--port", "0", "--json", *arguments)
    return ended.code, {row["what"]: row for row in json.loads(ended.out)["findings"]}


def test_a_sound_installation_has_nothing_missing(cli):
    code, found = findings(cli)
    assert code == 0
    assert not [row for row in found.values() if row["verdict"] == "missing"]
    assert found["server packages"]["verdict"] == "ok"
    assert "will be made" in found["data folder"]["said"]
    assert not (cli.folder / "data").exists()


def test_a_sandbox_that_is_demanded_and_switched_off_is_missing(cli):
    cli.variables.update(SIGHTGATE_SANDBOX="off", SIGHTGATE_MIN_ISOLATION="sandbox")
    code, found = findings(cli)
    assert code == 1
    assert found["sandbox"]["mend"] == "unset SIGHTGATE_SANDBOX"


def test_what_is_missing_comes_with_the_command_that_mends_it(cli):
    (cli.folder / "data").mkdir()
    (cli.folder / "data" / "plugins.toml").write_text("[[[")
    code, found = findings(cli, "--plugins-dir", "not there", "--host", "0.0.0.0")
    assert code == 1
    missing = {name: row["mend"] for name, row in found.items() if row["verdict"] == "missing"}
    assert set(missing) == {"plugins.toml", "plugin folder", "API key"}
    assert missing["plugin folder"] == "mkdir -p 'not there'"
    assert missing["API key"].startswith("export SIGHTGATE_API_KEY=")
    assert "plugins.toml" in missing["plugins.toml"]


def test_a_folder_that_is_a_file_is_missing(cli):
    code, found = findings(cli, "--data-dir", "a.png", "--plugins-dir", "b.png")
    assert code == 1
    assert found["data folder"]["said"] == "a.png is a file"
    assert found["plugins.toml"]["verdict"] == "ok"
    assert found["plugin folder"]["mend"] == "ls -ld b.png"


def test_a_taken_port_is_named(cli):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = cli.run("doctor", "--port", str(port))
    assert ended.code == 1
    assert f"port {port}" in ended.out
    assert "sightgate serve --port 0" in ended.out


def test_it_tells_who_holds_the_data_folder(served):
    code, found = findings(served)
    assert code == 0
    assert "a server at http://127.0.0.1:" in found["data folder's lock"]["said"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable for root")
def test_a_data_folder_that_cannot_be_written_is_missing(cli):
    (cli.folder / "data").mkdir(mode=0o500)
    code, found = findings(cli)
    assert code == 1
    assert found["data folder"]["verdict"] == "missing"
