"""What plugins that behave get and give, on real images."""

import base64
import json
import re
from datetime import datetime

import pytest
from support.images import FORMATS, PHOTO, PNG, encoded
from support.running_server import RunningServer

from app.plugins.loader.plugin_registry import PluginRegistry
from app.plugins.runtime.tool_runner import ToolRunner


class Counting:
    name = "counting"

    def run(self, payload):
        payload["options"]["left"] = "behind"
        return {"bytes": len(payload["image"])}


def test_a_success_is_a_result_and_an_empty_dict():
    registry = PluginRegistry()
    registry.register("counting", Counting())
    answer = ToolRunner(registry).run("counting", {"image": PNG, "mime_type": "image/png", "options": {}})
    assert answer == ({"bytes": len(PNG)}, {})


async def test_the_awaited_entry_gives_the_same():
    registry = PluginRegistry()
    registry.register("counting", Counting())
    payload = {"image": PNG, "mime_type": "image/png", "options": {}}
    assert await ToolRunner(registry).run_async("counting", payload) == ({"bytes": len(PNG)}, {})


def test_an_answer_holds_the_result_the_plugin_the_job_and_the_times(server: RunningServer):
    answer = server.analyze("echo").json()
    assert set(answer) == {"result", "plugin", "job_id", "waiting_ms", "running_ms"}
    assert answer["plugin"] == "echo"
    assert re.fullmatch(r"[0-9a-f]{32}", answer["job_id"])
    assert answer["waiting_ms"] >= 0
    assert answer["running_ms"] > 0


@pytest.mark.parametrize("kind", FORMATS)
def test_every_supported_format_reaches_the_plugin_as_it_was_sent(server: RunningServer, kind: str):
    image = encoded(kind)
    answer = server.analyze("echo", image=image, mime_type=f"image/{kind}")
    result = answer.json()["result"]
    assert (result["mime_type"], result["bytes"], result["type"]) == (f"image/{kind}", len(image), "bytes")
    assert result["keys"] == ["image", "mime_type", "options"]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_typed_plugin_decodes_every_supported_format(server: RunningServer, kind: str):
    result = server.result("typed", image=encoded(kind, 30, 20, (100, 100, 100)))
    assert (result["width"], result["height"]) == (30, 20)
    assert result["mean"] == pytest.approx(100, abs=3)


def test_a_typed_plugin_gets_parsed_options_and_gives_plain_data(server: RunningServer):
    result = server.result("typed", {"most": 7}, PHOTO)
    box = {"type": "box", "x": 0, "y": 0, "width": result["width"], "height": result["height"], "label": "all"}
    assert (result["most"], result["tag"], result["boxes"]) == (7, "", [box])
    assert (result["width"], result["height"]) == (512, 512)


def test_a_typed_plugins_schemas_are_in_its_row(server: RunningServer):
    row = server.row("typed")
    assert row["options_schema"]["properties"]["most"]["maximum"] == 10
    assert set(row["result_schema"]["properties"]) >= {"width", "boxes"}
    assert server.row("echo")["options_schema"] is None


def test_a_rows_limits_are_those_declared_merged_with_the_defaults(server: RunningServer):
    assert server.row("second")["limits"] == {
        "timeout_s": 5,
        "memory_mb": 1024,
        "scratch_mb": 1024,
        "workers": 1,
        "max_batch": 1,
        "batch_wait_ms": 0,
    }
    row = server.row("echo")
    assert (row["version"], row["description"]) == ("1.2.3", "Tells what it was given.")


def test_one_file_may_hold_several_plugins_and_import_its_neighbour(server: RunningServer):
    assert server.result("echo")["bytes"] == server.result("second")["bytes"] == len(PNG)
    assert server.result("neighbour") == {"greeting": "from the neighbour"}


@pytest.mark.parametrize("options", [{}, {"megabytes": 3}, {"close": True}])
def test_a_plugin_may_write_anything_to_its_standard_streams(server: RunningServer, options: dict[str, object]):
    assert server.result("printing", options) == {"printed": True}
    assert server.result("printing") == {"printed": True}


def test_options_arrive_unchanged(server: RunningServer):
    options = {"text": "é😀\u0000", "number": -1.5e-7, "large": 2**70, "deep": [[[{"a": [None, True]}]]], "": {}}
    assert server.result("echo", options)["options"] == options


@pytest.mark.parametrize("declared", ["IMAGE/PNG", "image/png; charset=binary", "image/x-png"])
def test_a_type_may_be_declared_in_other_ways(server: RunningServer, declared: str):
    answer = server.analyze("echo", mime_type=declared)
    assert answer.json()["result"]["mime_type"] == "image/png"


def test_a_data_url_may_stand_for_base64(server: RunningServer):
    image = "data:image/png;base64," + base64.b64encode(PNG).decode()
    answer = server.http.post("/v1/analyze-execution", json={"plugin": "echo", "image": image})
    assert answer.json()["result"]["bytes"] == len(PNG)


def test_a_worker_is_kept_for_the_next_call(server: RunningServer):
    first = server.result("second")["calls"]
    assert [server.result("second")["calls"] for _ in range(3)] == [first + 1, first + 2, first + 3]


def test_times_are_in_utc_with_their_offset(server: RunningServer):
    server.analyze("echo")
    row, job = server.row("echo"), server.jobs(plugin="echo", limit=1)[0]
    for text in (row["last_used"], row["since"], job["created_at"], job["ended_at"]):
        offset = datetime.fromisoformat(text).utcoffset()
        assert offset is not None
        assert not offset


def test_a_result_is_json_in_utf_8(server: RunningServer):
    answer = server.analyze("outputs", {"what": "any Unicode"})
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.content.decode())["result"] == {"a": "é\u0000\u2028😀", "😀": "\x7f"}
