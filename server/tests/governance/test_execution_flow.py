"""One execution from the client to the plugin and back, and what it leaves behind."""

import base64
import subprocess
import sys

import httpx
import pytest
from support.images import PHOTO, PNG
from support.running_server import PATIENCE_S, RunningServer, eventually, make_home
from support.tracing import CHAIN, Trace, traced_app


async def test_an_execution_passes_every_step_once_and_in_order(tmp_path):
    home = make_home(tmp_path, "answering")
    async with traced_app(home) as traced:
        trace = Trace()
        with trace:
            answer = await traced.post("/v1/analyze", params={"plugin": "echo"}, content=PNG)
        assert answer.status_code == 200, answer.text
    assert [step.name for step in trace.steps if step.name in CHAIN] == list(CHAIN)
    assert {step.name: step.caller for step in trace.steps if step.name in CHAIN} == {
        "request": None,
        "job is made": "request",
        "job is run": "request",
        "admission": "job is run",
        "gate": "admission",
        "worker": "gate",
        "registry": "gate",
    }


def test_every_http_door_gives_the_same_result(server: RunningServer):
    text = base64.b64encode(PHOTO).decode()
    body = {"plugin": "second", "image": text, "mime_type": "image/jpeg", "options": {"a": [1, {"b": None}]}}
    options = {"plugin": "second", "options": '{"a": [1, {"b": null}]}'}
    answers = [
        server.http.post("/v1/analyze-execution", json=body),
        server.http.post("/v1/analyze", json=body),
        server.http.post("/v1/analyze", data=options, files={"image": ("a.jpg", PHOTO, "image/jpeg")}),
        server.http.post("/v1/analyze", params=options, content=PHOTO, headers={"content-type": "image/jpeg"}),
        server.http.post("/v1/analyze", params=options, content=PHOTO),
    ]
    results = []
    for answer in answers:
        assert answer.status_code == 200, answer.text
        result = answer.json()["result"]
        del result["calls"]
        results.append(result)
    assert results == [results[0]] * len(answers)
    assert results[0]["options"] == body["options"]
    assert results[0]["bytes"] == len(PHOTO)


def test_a_waiting_call_leaves_the_record_of_its_job(server: RunningServer):
    answer = server.analyze("echo", {"kept": False}).json()
    job = server.http.get(f"/v1/jobs/{answer['job_id']}").json()
    assert (job["status"], job["plugin"], job["error"]) == ("SUCCESS", "echo", None)
    assert job["result"] == answer["result"]
    assert job["running_ms"] == answer["running_ms"]
    assert job["created_at"] <= job["ended_at"]


def test_a_failed_call_leaves_its_error_and_names_its_job(server: RunningServer):
    error = server.analyze("raising", {"what": "plain"}).json()["detail"]
    job = server.http.get(f"/v1/jobs/{error['details']['job_id']}").json()
    assert (job["status"], job["result"]) == ("FAILED", None)
    assert job["error"] == error


def test_each_execution_is_one_line_in_the_log(server: RunningServer):
    job_id = server.analyze("echo").json()["job_id"]
    lines = eventually(lambda: [line for line in server.events("execution") if line["job"] == job_id], "log line")
    assert len(lines) == 1
    assert (lines[0]["plugin"], lines[0]["state"], lines[0]["error_type"]) == ("echo", "SUCCESS", None)
    assert lines[0]["ms"] > 0


def test_the_log_line_of_a_failure_holds_the_whole_envelope(server: RunningServer):
    error = server.analyze("raising", {"what": "plain"}).json()["detail"]
    job_id = error["details"].pop("job_id")
    line = eventually(lambda: [line for line in server.events("execution") if line["job"] == job_id], "log line")[0]
    line["error"]["details"].pop("job_id", None)
    assert line["error"] == error
    assert (line["state"], line["error_type"]) == ("ERROR", "ExecutionError")
    assert "raise _WHAT[what]()" in line["_internal"]["traceback"]


def test_a_disabled_plugin_runs_again_when_it_is_enabled(server: RunningServer):
    before = {said: len(server.events(said)) for said in ("plugin disabled", "plugin enabled")}  # of other tests
    assert server.http.post("/v1/plugins/second/disable").json()["state"] == "UNAVAILABLE"
    try:
        assert server.analyze("second").status_code == 503
        assert server.analyze("echo").status_code == 200
    finally:
        row = server.http.post("/v1/plugins/second/enable").json()
    assert (row["state"], row["reason"]) == ("SUCCESS" if row["success_count"] else "IDLE", None)
    assert server.analyze("second").status_code == 200
    for said, others in before.items():
        assert [line["plugin"] for line in server.events(said)[others:]] == ["second"]


def test_a_reloaded_plugin_answers_with_its_new_code(server: RunningServer):
    source = server.home.plugins / "neighbour.py"
    before, old = server.row("neighbour")["version"], source.read_text()
    assert before == ""
    source.write_text(old.replace('name = "neighbour"', 'name = "neighbour"\n    version = "2"'))
    row = server.http.post("/v1/plugins/neighbour/reload").json()
    assert row["version"] == "2"
    assert server.result("neighbour") == {"greeting": "from the neighbour"}
    source.write_text("broken(")
    refused = server.http.post("/v1/plugins/neighbour/reload")
    assert refused.status_code == 503
    assert "nothing has changed" in refused.json()["detail"]["message"]
    assert server.result("neighbour") == {"greeting": "from the neighbour"}
    source.write_text(old)
    assert server.http.post("/v1/plugins/neighbour/reload").json()["version"] == ""


@pytest.mark.parametrize("name", ["twin", "missing_module", "ends_at_import", "raises_at_import", "syntax_error"])
def test_a_plugin_that_cannot_be_loaded_is_a_row_with_its_reason(server: RunningServer, name: str):
    row = server.row(name)
    words = {
        "twin": ("FAILED", "twin_one.py and twin_two.py"),
        "missing_module": ("UNAVAILABLE", "a_module_that_nobody_installed"),
        "ends_at_import": ("FAILED", "exit code 7"),
        "raises_at_import": ("FAILED", "RuntimeError: not in the mood"),
        "syntax_error": ("FAILED", "SyntaxError"),
    }
    assert (row["state"], words[name][1] in row["reason"]) == (words[name][0], True), row


def test_files_without_a_plugin_and_plugins_with_a_wrong_manifest_are_rows_too(server: RunningServer):
    rows = {row["name"]: row for row in server.http.get("/v1/plugins").json()["plugins"]}
    assert "no class here" in rows["no_plugin_here"]["reason"]
    assert "limits.timeout_s" in rows["wrong-limits"]["reason"]
    assert rows["asking"]["state"] == "UNAVAILABLE"
    assert not {"hidden", "not-offered", "_helper"} & set(rows)
    assert server.http.get("/health/ready").json()["ready"] is True


def test_the_application_runs_under_plain_uvicorn_too(tmp_path):
    home = make_home(tmp_path, "answering")
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", "0"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=home.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "Uvicorn running on" in line)
        url = line.split("running on ")[1].split()[0]
        answer = httpx.post(f"{url}/v1/analyze?plugin=echo", content=PNG, trust_env=False, timeout=PATIENCE_S)
        assert (answer.status_code, answer.json()["result"]["bytes"]) == (200, len(PNG))
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
