"""The address in the data folder leads to somebody else, or to nobody: each command says so in one line."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from app.storage.data_folder import DataFolderLock

COMMANDS = [
    ("jobs", "list"),
    ("jobs", "show", "x"),
    ("jobs", "events", "x"),
    ("jobs", "export"),
    ("jobs", "purge", "--all", "--yes"),
    ("jobs", "submit", "a.png", "-p", "sizes"),
    ("plugins", "list"),
    ("analyze", "a.png", "-p", "sizes"),
]


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """Run a server that answers everything with one answer."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_DELETE = do_GET  # noqa: N815 (the names are the library's)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def announced(cli, address: str) -> Iterator[None]:
    lock = DataFolderLock(cli.folder / "data")
    lock.acquire()
    try:
        lock.announce(address)
        yield
    finally:
        lock.release()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_answers_and_is_no_sightgate_is_named_so(cli, command):
    with answering(200, b'{"a": 1}') as address, announced(cli, address):
        ended = cli.run(*command)
    assert (ended.code, ended.out) == (2, "")
    assert ended.line == f"sightgate: what answers at {address} is no Sightgate (HTTP 200)"


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"detail": "Not Found"}', b'{"detail": {}}', b"\xff"])
def test_no_answer_of_a_stranger_is_taken_for_a_refusal(cli, body):
    with answering(404, body) as address, announced(cli, address):
        ended = cli.run("jobs", "list")
    assert ended.code == 2
    assert ended.line == f"sightgate: what answers at {address} is no Sightgate (HTTP 404)"


def test_where_nobody_answers_that_is_said(cli):
    with announced(cli, "http://127.0.0.1:1"):
        ended = cli.run("jobs", "list")
    assert ended.code == 2
    assert "the server at http://127.0.0.1:1 does not answer" in ended.line


def test_a_wrong_key_is_named_with_the_variable_that_holds_it(cli):
    cli.variables["SIGHTGATE_API_KEY"] = "x" * 20
    with cli.serving():
        cli.variables["SIGHTGATE_API_KEY"] = "y" * 20
        for command in (("jobs", "export"), ("jobs", "events", "x"), ("analyze", "a.png", "-p", "sizes")):
            ended = cli.run(*command)
            assert ended.code == 2
            assert "wants its API key; set SIGHTGATE_API_KEY to it" in ended.line
