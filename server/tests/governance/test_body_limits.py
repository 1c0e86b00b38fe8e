"""Bodies above the limit are refused without being read to their end; broken ones never hang or fault."""

import base64
import socket
from collections.abc import Iterator

import httpx
import pytest
from support.errors import assert_error
from support.images import PHOTO, PNG
from support.raw_http import exchange
from support.running_server import PATIENCE_S, RunningServer

from app.api.http_protocol import MAX_HEAD_BYTES

MIB = 1024 * 1024
LIMIT = 50 * MIB
HEAD = "POST {path} HTTP/1.1\nHost: localhost\nContent-Type: {kind}\n{more}\n\n"
KINDS = {
    "raw": ("?plugin=second", "image/png"),
    "JSON": ("", "application/json"),
    "multipart": ("", "multipart/form-data; boundary=b"),
}
DOORS = [("/v1/analyze-execution", "JSON"), *((path, kind) for path in ("/v1/analyze", "/v1/jobs") for kind in KINDS)]
MULTIPART_HEAD = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'


def chunks(total: int) -> Iterator[bytes]:
    data = bytes(MIB)
    for _ in range(total // MIB):
        yield b"100000\r\n" + data + b"\r\n"
    yield b"0\r\n\r\n"


@pytest.mark.parametrize(("path", "kind"), DOORS)
def test_80_mib_are_refused_by_their_declared_length_before_any_of_it_is_read(
    server: RunningServer, path: str, kind: str
):
    query, content_type = KINDS[kind]
    head = HEAD.format(path=path + query, kind=content_type, more=f"Content-Length: {80 * MIB}")
    done = exchange(server.port, head)
    error = assert_error(done.answer, 413, "body_too_large")
    assert error["details"]["limit_bytes"] == LIMIT
    assert done.answer.headers["connection"] == "close"
    assert done.sent == 0
    assert server.analyze("second").status_code == 200


@pytest.mark.parametrize("kind", KINDS)
def test_80_mib_in_chunks_are_refused_at_the_limit(server: RunningServer, kind: str):
    query, content_type = KINDS[kind]
    head = HEAD.format(path="/v1/analyze" + query, kind=content_type, more="Transfer-Encoding: chunked")

    def body() -> Iterator[bytes]:
        if kind == "multipart":
            yield f"{len(MULTIPART_HEAD):x}\r\n".encode() + MULTIPART_HEAD + b"\r\n"
        yield from chunks(80 * MIB)

    done = exchange(server.port, head, body())
    assert_error(done.answer, 413, "body_too_large")
    assert done.sent < 75 * MIB
    assert server.analyze("second").status_code == 200


def test_a_body_within_the_limit_is_taken_in_every_way(server: RunningServer):
    image = PHOTO + bytes(30 * MIB)
    assert server.analyze("second", image=image).json()["result"]["bytes"] == len(image)
    upload = {"image": ("large.jpg", image, "image/jpeg")}
    answer = server.http.post("/v1/analyze", data={"plugin": "second"}, files=upload)
    assert answer.json()["result"]["bytes"] == len(image)
    text = base64.b64encode(image).decode()
    answer = server.http.post(
        "/v1/analyze-execution", json={"plugin": "second", "image": text, "mime_type": "image/jpeg"}
    )
    assert answer.json()["result"]["bytes"] == len(image)


def test_a_body_in_chunks_is_taken_whole(server: RunningServer):
    answer = server.http.post("/v1/analyze?plugin=second", content=(PNG[i : i + 7] for i in range(0, len(PNG), 7)))
    assert answer.json()["result"]["bytes"] == len(PNG)


@pytest.mark.parametrize("declared", ["many", "-1", "1" * 400, "0x10"])
def test_a_length_that_is_no_number_is_refused(server: RunningServer, declared: str):
    head = HEAD.format(path="/v1/analyze?plugin=second", kind="image/png", more=f"Content-Length: {declared}")
    answer = exchange(server.port, head).answer
    assert answer.status_code in (400, 413)
    assert server.analyze("second").status_code == 200


def test_a_client_that_leaves_in_the_middle_of_its_body_disturbs_nobody(server: RunningServer):
    head = HEAD.format(path="/v1/analyze?plugin=second", kind="image/png", more="Content-Length: 1000")
    with pytest.raises((AssertionError, ConnectionError)):
        exchange_and_leave(server.port, head)
    assert server.analyze("second").status_code == 200


def exchange_and_leave(port: int, head: str) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"half")
    raise ConnectionError("left")


PART = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
IMAGE_PART = PART % (b"image", b'; filename="a.png"\r\nContent-Type: image/png', PNG)
PLUGIN_PART = PART % (b"plugin", b"", b"second")
END = b"--b--\r\n"

BROKEN_UPLOADS = {
    "nothing": (b"", "malformed_request"),
    "no end": (PLUGIN_PART + IMAGE_PART[:-20], "malformed_request"),
    "another boundary": ((PLUGIN_PART + IMAGE_PART + END).replace(b"--b", b"--c"), "malformed_request"),
    "no image": (PLUGIN_PART + END, "malformed_request"),
    "an image as text": (PLUGIN_PART + PART % (b"image", b"", b"text") + END, "malformed_request"),
    "two images": (PLUGIN_PART + IMAGE_PART * 2 + END, "malformed_request"),
    "no plugin": (IMAGE_PART + END, "missing_plugin"),
    "two plugins": (PLUGIN_PART * 2 + IMAGE_PART + END, "malformed_request"),
    "a plugin as file": (IMAGE_PART + PART % (b"plugin", b'; filename="p"', b"second") + END, "malformed_request"),
    "an unknown field": (PLUGIN_PART + IMAGE_PART + PART % (b"colour", b"", b"red") + END, "unknown_field"),
    "options that are no JSON": (
        PLUGIN_PART + IMAGE_PART + PART % (b"options", b"", b"{a}") + END,
        "malformed_request",
    ),
    "options that are a list": (PLUGIN_PART + IMAGE_PART + PART % (b"options", b"", b"[]") + END, "malformed_request"),
    "many fields": (PLUGIN_PART * 100 + IMAGE_PART + END, "malformed_request"),
    "a field of 2 MiB": (IMAGE_PART + PART % (b"plugin", b"", b"x" * 2 * MIB) + END, "malformed_request"),
}


@pytest.mark.parametrize("case", BROKEN_UPLOADS)
def test_a_broken_upload_is_refused_before_there_is_a_job(server: RunningServer, case: str):
    body, code = BROKEN_UPLOADS[case]
    for path in ("/v1/analyze", "/v1/jobs"):
        answer = server.http.post(path, content=body, headers={"content-type": "multipart/form-data; boundary=b"})
        error = assert_error(answer, 400, code)
        assert "job_id" not in error["details"]


def test_an_upload_without_a_boundary_is_refused(server: RunningServer):
    answer = server.http.post("/v1/analyze", content=IMAGE_PART, headers={"content-type": "multipart/form-data"})
    assert_error(answer, 400, "malformed_request")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "missing_plugin"),
        ({"plugin": ""}, "missing_plugin"),
        ({"plugin": "second", "opions": "{}"}, "unknown_field"),
        ({"plugin": "second", "options": "{"}, "malformed_request"),
        ({"plugin": "second", "options": "5"}, "malformed_request"),
        ({"plugin": "second", "options": '{"a":' * 2_000}, "malformed_request"),
    ],
)
def test_a_raw_request_whose_query_is_wrong_is_refused(server: RunningServer, query: dict[str, str], code: str):
    answer = server.http.post("/v1/analyze", params=query, content=PNG, headers={"content-type": "image/png"})
    assert_error(answer, 400, code)


def answer_to_endless(server: RunningServer, head: str, fill: bytes) -> httpx.Response:
    """Send a head whose last part is filled up to a little above the limit and never ends; return the answer."""
    size = MAX_HEAD_BYTES + 4096 - len(head)
    return exchange(server.port, head, [fill * (size // len(fill))]).answer


@pytest.mark.parametrize(
    ("head", "fill"),
    [
        ("GET /", b"a"),
        ("GET /health/live HTTP/1.1\nHost: localhost\nX-Long: ", b"a"),
        ("GET /health/live HTTP/1.1\nHost: localhost\n", b"X-Many: a\r\n"),
    ],
    ids=["address", "one header", "many headers"],
)
def test_a_head_without_end_is_refused_before_it_fills_the_memory(server: RunningServer, head: str, fill: bytes):
    answer = answer_to_endless(server, head, fill)
    error = assert_error(answer, 400, "malformed_request")
    assert str(MAX_HEAD_BYTES) in error["message"]
    assert answer.headers["connection"] == "close"
    assert server.analyze("second").status_code == 200


def test_headers_without_end_behind_a_body_end_the_connection(server: RunningServer):
    head = HEAD.format(path="/v1/analyze?plugin=second", kind="image/png", more="Transfer-Encoding: chunked")
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"1\r\na\r\n0\r\nX-Long: ")
        with pytest.raises(OSError):  # reset while it is sent, at the latest
            for _ in range(64):
                connection.sendall(b"a" * MIB)
    assert server.analyze("second").status_code == 200


def test_a_body_in_very_small_chunks_is_no_head_without_end(server: RunningServer):
    head = HEAD.format(path="/v1/analyze?plugin=second", kind="image/png", more="Transfer-Encoding: chunked")
    tail = b"b" * (2 * MAX_HEAD_BYTES // 6)
    body = b"".join(b"1\r\n%c\r\n" % byte for byte in PNG + tail) + b"0\r\n\r\n"
    assert len(body) > MAX_HEAD_BYTES
    assert exchange(server.port, head, [body]).answer.status_code == 200
