"""Bad input: refused with the right code, before the plugin is called."""

import base64
import json
from typing import Any

import pytest
from support.errors import assert_error, assert_error_object
from support.images import BOMB, JPEG, PNG, TRUNCATED_JPEG, encoded, png_of_size
from support.running_server import RunningServer

from app.plugins.loader.plugin_registry import PluginRegistry
from app.plugins.runtime.tool_runner import ToolRunner

TEXT = base64.b64encode(PNG).decode()
GOOD = {"plugin": "second", "image": TEXT, "mime_type": "image/png", "options": {}}
DEEP = b'{"plugin":"second","image":"","options":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001

# Bodies of POST /v1/analyze-execution that never become an execution.
UNUSABLE_BODIES = {
    "empty": (b"", "malformed_request"),
    "broken": (b'{"plugin":', "malformed_request"),
    "a list": (b"[]", "malformed_request"),
    "a text": (b'"text"', "malformed_request"),
    "null": (b"null", "malformed_request"),
    "no UTF-8": (b'{"plugin":"\xff\xfe"}', "malformed_request"),
    "NUL bytes": (b"\x00" * 100, "malformed_request"),
    "NaN": (b'{"plugin":"second","image":"","options":{"a":NaN}}', "malformed_request"),
    "number out of range": (b'{"plugin":"second","image":"","options":{"a":1e400}}', "malformed_request"),
    "lone surrogate": (b'{"plugin":"second","image":"","options":{"a":"\\ud800"}}', "malformed_request"),
    "too deep": (DEEP, "malformed_request"),
}

# Fields that are changed in a good body; None leaves the field out.
UNUSABLE_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "plugin is a number": ({"plugin": 5}, "malformed_request"),
    "plugin is a list": ({"plugin": ["second"]}, "malformed_request"),
    "plugin is missing": ({"plugin": None}, "missing_plugin"),
    "plugin is empty": ({"plugin": ""}, "missing_plugin"),
    "image is a number": ({"image": 5}, "malformed_request"),
    "image is an object": ({"image": {"data": TEXT}}, "malformed_request"),
    "image is missing": ({"image": None}, "malformed_request"),
    "mime_type is a number": ({"mime_type": 5}, "malformed_request"),
    "options is a list": ({"options": []}, "malformed_request"),
    "options is a text": ({"options": "{}"}, "malformed_request"),
    "timeout_s is a text": ({"timeout_s": "3"}, "malformed_request"),
    "timeout_s is true": ({"timeout_s": True}, "malformed_request"),
    "timeout_s is larger than any float": ({"timeout_s": 10**400}, "malformed_request"),
    "unknown field": ({"imgae": TEXT}, "unknown_field"),
    "no base64": ({"image": "!!!"}, "invalid_base64"),
    "base64 cut short": ({"image": TEXT[:-3]}, "invalid_base64"),
    "base64 with spaces": ({"image": TEXT[:8] + " " + TEXT[8:]}, "invalid_base64"),
    "base64 beyond ASCII": ({"image": "é" * 8}, "invalid_base64"),
}

# Images and types that the gate refuses: executions that fail without the plugin being called.
REFUSED: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "image/png", "empty_image"),
    "text as image": (b"just some text", "image/png", "undecodable_image"),
    "HTML as image": (b"<html><body>no image</body></html>", "image/jpeg", "undecodable_image"),
    "NUL bytes": (bytes(1000), "image/png", "undecodable_image"),
    "a signature alone": (PNG[:8], "image/png", "undecodable_image"),
    "a header cut short": (PNG[:20], "image/png", "undecodable_image"),
    "a type that lies": (PNG, "image/jpeg", "mime_mismatch"),
    "another type that lies": (JPEG, "image/webp", "mime_mismatch"),
    "an unsupported type": (PNG, "image/svg+xml", "unsupported_mime_type"),
    "no image type": (b"%PDF-1.7", "application/pdf", "unsupported_mime_type"),
    "a type that is none": (PNG, "nonsense", "missing_mime_type"),
    "a type with NUL bytes": (PNG, "image/\x00png", "missing_mime_type"),
    "a huge type": (PNG, "image/" + "x" * 100_000, "missing_mime_type"),
    "no type": (PNG, "", "missing_mime_type"),
    "a decompression bomb": (BOMB, "image/png", "image_too_large"),
    "no width": (png_of_size(0, 5), "image/png", "undecodable_image"),
}


def post(server: RunningServer, **changed: Any):
    body = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    return server.http.post("/v1/analyze-execution", json=body)


def calls(server: RunningServer) -> int:
    count: int = server.result("second")["calls"]
    return count


@pytest.mark.parametrize("case", UNUSABLE_BODIES)
def test_a_body_that_is_no_request_is_refused_before_there_is_a_job(server: RunningServer, case: str):
    body, code = UNUSABLE_BODIES[case]
    errors = server.row("second")["error_count"]
    for route in ("/v1/analyze-execution", "/v1/analyze", "/v1/jobs"):
        answer = server.http.post(route, content=body, headers={"content-type": "application/json"})
        error = assert_error(answer, 400, code)
        assert "job_id" not in error["details"]
    assert server.row("second")["error_count"] == errors


@pytest.mark.parametrize("case", UNUSABLE_FIELDS)
def test_a_field_that_is_wrong_is_refused_before_there_is_a_job(server: RunningServer, case: str):
    changed, code = UNUSABLE_FIELDS[case]
    before = calls(server)
    error = assert_error(post(server, **changed), 400, code)
    assert "job_id" not in error["details"]
    assert calls(server) == before + 1


@pytest.mark.parametrize("case", REFUSED)
def test_the_plugin_is_never_called_with_a_bad_input(server: RunningServer, case: str):
    image, mime_type, code = REFUSED[case]
    before = calls(server)
    error = assert_error(post(server, image=base64.b64encode(image).decode(), mime_type=mime_type), 400, code)
    assert error["plugin"] == "second"
    assert server.http.get(f"/v1/jobs/{error['details']['job_id']}").json()["status"] == "FAILED"
    assert calls(server) == before + 1


def test_a_refused_input_is_counted_as_an_error(server: RunningServer):
    server.analyze("second")
    before = server.row("second")
    assert_error(post(server, image=""), 400, "empty_image")
    after = server.row("second")
    assert after["error_count"] == before["error_count"] + 1
    assert after["success_count"] == before["success_count"]
    assert after["state"] == before["state"] == "SUCCESS"


def rows(server: RunningServer) -> list[tuple[str, int]]:
    """Return the plugins that have a row, and how many of their calls failed."""
    return [(row["name"], row["error_count"]) for row in server.http.get("/v1/plugins").json()["plugins"]]


@pytest.mark.parametrize("name", ["nobody", "a\x00b", "x" * 100_000, "../../etc/passwd", "Echo", "é", " echo"])
def test_an_unknown_plugin_is_404(server: RunningServer, name: str):
    before = rows(server)
    error = assert_error(post(server, plugin=name), 404, "plugin_not_found")
    assert len(error["message"]) < 300
    assert rows(server) == before


@pytest.mark.parametrize(
    ("options", "field"), [({"most": 11}, "most"), ({"most": "3"}, "most"), ({"tag": None}, "tag"), ({"x": 1}, "x")]
)
def test_options_that_do_not_fit_are_refused_by_name(server: RunningServer, options: dict[str, object], field: str):
    before = server.result("typed")["calls"]
    error = assert_error(server.analyze("typed", options), 400, "invalid_options")
    assert field in error["message"]
    assert server.result("typed")["calls"] == before + 1


def test_an_image_that_turns_out_undecodable_is_the_inputs_fault(server: RunningServer):
    error = assert_error(server.analyze("typed", image=TRUNCATED_JPEG), 400, "undecodable_image")
    assert error["type"] == "ValidationError"
    assert server.analyze("typed").status_code == 200


def test_the_refusals_say_what_would_be_right(server: RunningServer):
    error = assert_error(server.analyze("echo", image=BOMB), 400, "image_too_large")
    assert (error["details"]["pixels"], error["details"]["limit_pixels"]) == (3_600_000_000, 100_000_000)
    error = assert_error(server.analyze("echo", mime_type="image/jpeg"), 400, "mime_mismatch")
    assert (error["details"]["declared"], error["details"]["actual"]) == ("image/jpeg", "image/png")


@pytest.mark.parametrize("kind", ["jpeg", "webp", "bmp", "gif", "tiff", "png"])
def test_every_format_cut_anywhere_is_an_answer_and_never_a_fault(server: RunningServer, kind: str):
    image = encoded(kind, 40, 30)
    for length in range(0, len(image), max(1, len(image) // 25)):
        answer = server.analyze("typed", image=image[:length], mime_type=f"image/{kind}")
        if answer.status_code != 200:
            code = answer.json()["detail"]["details"]["code"]
            assert code in ("empty_image", "undecodable_image"), (length, answer.text)
            assert_error(answer, 400, code)


class Counting:
    name = "counting"
    calls = 0

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        return {"calls": self.calls}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (None, "malformed_request"),
        ([], "malformed_request"),
        ({}, "empty_image"),
        ({"image": PNG}, "missing_mime_type"),
        ({"image": PNG, "mime_type": "image/png", "options": []}, "invalid_options"),
        ({"image": PNG, "mime_type": "image/png", "options": None}, "invalid_options"),
        ({"image": TEXT, "mime_type": "image/png", "options": {}}, "undecodable_image"),
        ({"image": PNG, "mime_type": b"image/png", "options": {}}, "missing_mime_type"),
        ({"image": PNG, "mime_type": "image/png", "options": {}, "extra": 1}, "unknown_field"),
        ({"image": PNG, "mime_type": "image/png", "options": {}, 5: 1}, "unknown_field"),
    ],
)
def test_a_direct_caller_of_the_gate_is_checked_too(payload: Any, code: str):
    registry, plugin = PluginRegistry(), Counting()
    registry.register("counting", plugin)
    result, envelope = ToolRunner(registry).run("counting", payload)
    assert result == {}
    assert_error_object(envelope["error"], code)
    assert plugin.calls == 0
    status = registry.get_status("counting")
    assert status is not None
    assert (status["error_count"], status["state"]) == (1, "IDLE")
    json.dumps(envelope)


def test_an_upload_that_nobody_can_tell_the_type_of_is_refused_in_words_that_say_so(server: RunningServer):
    for headers in ({}, {"content-type": "application/octet-stream"}):
        answer = server.http.post("/v1/analyze?plugin=echo", content=b"%PDF-1.7", headers=headers)
        error = assert_error(answer, 400, "unsupported_mime_type")
        assert error["message"].startswith("an image of unknown type is not supported; send one of image/jpeg")
