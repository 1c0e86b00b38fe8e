"""Log lines, written by a process of their own: logging is set up once for a whole process."""

import json
import subprocess
import sys
from typing import Any

import pytest

PROGRAM = """
import sys
import structlog
from app.governance.error_envelope import build_error_envelope
from app.governance.execution_context import ExecutionContext
from app.governance.lifecycle import Outcome
from app.observability.logs import configure_logs
from app.observability.metrics import Metrics
from app.plugins.loader.plugin_registry import PluginRegistry
from app.plugins.runtime.tool_runner import ToolRunner
from sightgate.check import sample_png

configure_logs(sys.argv[1], sys.argv[2])

class Fails:
    def run(self, payload):
        raise ValueError(payload["options"]["say"])

registry = PluginRegistry()
registry.register("fails", Fails())
metrics = Metrics(lambda name: True)
gate = ToolRunner(registry, observer=metrics)
for name, said in (("fails", "not today"), ("fails", "gr\\u00f6\\u00dfe"), ("nobody", ""), ("\\ud800", "")):
    result, envelope = gate.run(name, {"image": sample_png(2, 2), "mime_type": "image/png", "options": {"say": said}})
    assert envelope, result
metrics.executed("fails", Outcome.SUCCESS, 12.3456, {}, ExecutionContext("job-7"))
metrics.refused("fails", "overloaded")
structlog.get_logger("test").info("odd", value=object(), text="\\ud800", number=float("nan"))
"""


LIBRARY = """
import logging
import sys
from app.observability.logs import configure_logs

configure_logs(sys.argv[1], sys.argv[2])
try:
    raise OSError("no way")
except OSError:
    logging.getLogger("library.part").exception("%s is gone", "it")
logging.getLogger("asyncpg.pool").warning("again and again")
"""


def lines(log_format: str, level: str = "info", program: str = PROGRAM) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program, log_format, level], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines("json")]


def test_an_execution_is_one_line_with_plugin_job_state_and_time(events: list[dict[str, Any]]) -> None:
    done = next(event for event in events if event.get("state") == "SUCCESS")
    assert (done["event"], done["plugin"], done["job"], done["ms"]) == ("execution", "fails", "job-7", 12.346)
    assert done["error_type"] is None
    assert done["timestamp"].endswith("Z")


def test_a_failure_is_logged_with_the_whole_envelope(events: list[dict[str, Any]]) -> None:
    failed = events[0]
    assert (failed["level"], failed["state"], failed["error_type"]) == ("warning", "ERROR", "ExecutionError")
    assert failed["error"]["message"] == "not today"
    assert "in run" in failed["_internal"]["traceback"]
    assert events[1]["error"]["message"] == "größe"


def test_each_execution_and_each_refusal_is_one_line(events: list[dict[str, Any]]) -> None:
    assert [event["event"] for event in events] == ["execution"] * 5 + ["refused", "odd"]
    assert events[-2]["code"] == "overloaded"


def test_a_name_or_value_that_is_no_json_does_not_stop_the_log(events: list[dict[str, Any]]) -> None:
    assert events[3]["error"]["details"]["code"] == "plugin_not_found"
    assert "object object" in events[-1]["value"]


def test_readable_lines_are_for_people() -> None:
    first = lines("readable")[0]
    assert "execution" in first
    with pytest.raises(ValueError):
        json.loads(first)


def test_without_a_terminal_lines_are_json() -> None:
    assert json.loads(lines("auto")[0])["event"] == "execution"


def test_lines_below_the_level_are_left_out() -> None:
    assert {json.loads(line)["level"] for line in lines("json", "warning")} == {"warning"}


def test_what_a_library_logs_is_one_line_too() -> None:
    (line,) = lines("json", program=LIBRARY)
    told = json.loads(line)
    assert (told["logger"], told["level"], told["event"]) == ("library.part", "error", "it is gone")
    assert told["exception"].endswith("OSError: no way")
    assert told["timestamp"].endswith("Z")
