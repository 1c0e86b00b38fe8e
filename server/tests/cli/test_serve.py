"""`sightgate serve` as an operator meets it."""

import signal
import socket
import sys
import time
from pathlib import Path

import httpx
import pytest

KEY = "a-key-of-at-least-sixteen-characters"


def test_it_says_where_it_is_how_it_is_guarded_and_how_to_stop_it(cli):
    with cli.serving() as server:
        assert f"Sightgate is at http://127.0.0.1:{server.port} (open: no API key, loopback only)" in server.said
        assert f"The data folder is {cli.folder / 'data'}" in server.said
        answer = httpx.get(f"http://127.0.0.1:{server.port}/health/ready", trust_env=False)
    assert answer.json()["ready"] is True
    assert "server" not in answer.headers


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_it_in_order(cli, end, read_until, how, code):
    process = cli.start("serve", "--port", "0")
    read_until(process, "Ctrl-C")
    ended = end(process, how)
    assert ended.code == code
    assert "Traceback" not in ended.err


def test_a_signal_while_it_starts_ends_it_in_order(cli, end):
    (cli.folder / "plugins" / "lasting.py").write_text("import time\ntime.sleep(30)\n")
    process = cli.start("serve", "--port", "0")
    while not (cli.folder / "data" / "jobs.sqlite3").exists():  # then it looks for plugins
        assert process.poll() is None
        time.sleep(0.02)
    ended = end(process, signal.SIGTERM)
    assert ended.code == 0
    assert "Traceback" not in ended.err


def test_a_taken_port_is_one_line_that_tells_what_to_do(cli):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = cli.run("serve", "--port", str(port))
    assert ended.code == 2
    assert ended.out == ""
    assert f"port {port} of 127.0.0.1 is taken" in ended.line
    assert "--port 0" in ended.line
    assert not (cli.folder / "data").exists()


def test_a_second_server_on_the_data_folder_is_one_line(served):
    ended = served.run("serve", "--port", "0")
    assert ended.code == 2
    assert "is in use by process" in ended.line
    assert "http://127.0.0.1:" in ended.line


def test_an_address_of_another_machine_is_one_line(cli):
    cli.variables["SIGHTGATE_API_KEY"] = KEY
    ended = cli.run("serve", "--port", "0", "--host", "192.0.2.1")
    assert ended.code == 2
    assert "--host 192.0.2.1: there is no such address on this machine" in ended.line


def test_options_win_over_the_environment(cli):
    cli.variables["SIGHTGATE_HOST"] = "0.0.0.0"
    with cli.serving("--host", "127.0.0.1") as server:
        assert "http://127.0.0.1:" in server.said


def test_with_a_key_it_says_so_and_the_cli_sends_it(cli):
    cli.variables["SIGHTGATE_API_KEY"] = KEY
    with cli.serving("--host", "0.0.0.0") as server:
        assert "(API key wanted)" in server.said
        assert cli.run("analyze", "a.png", "-p", "sizes").code == 0
        del cli.variables["SIGHTGATE_API_KEY"]
        ended = cli.run("analyze", "a.png", "-p", "sizes")
    assert ended.code == 2
    assert "set SIGHTGATE_API_KEY" in ended.line


def test_it_serves_on_the_ipv6_loopback(cli):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    with cli.serving("--host", "::1") as server:
        assert "http://[::1]:" in server.said
        assert cli.run("analyze", "a.png", "-p", "sizes").code == 0


def test_make_run_serves_until_ctrl_c(cli, end, read_until):
    root = Path(__file__).resolve().parents[3]
    cli.variables["SIGHTGATE_PORT"] = "0"
    cli.variables["PYTHONPATH"] = str(root)
    process = cli.start(program=(sys.executable, "-m", "scripts.run"))
    assert "Sightgate is at http://127.0.0.1:" in read_until(process, "Ctrl-C")
    assert end(process, signal.SIGINT).code == 130
