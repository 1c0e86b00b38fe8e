"""What the routes promise: their answers, their documents, and a refusal for everything else."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
import pytest
from support.errors import assert_error
from support.images import PNG
from support.running_server import RunningServer

from app.main import create_app
from app.plugins.loader.plugin_registry import PluginRegistry
from app.settings import Settings

TEXT = base64.b64encode(PNG).decode()
ANALYSES = ("/v1/analyze-execution", "/v1/analyze")
METHODS = ("get", "post", "put", "patch", "delete")
FILLED = {"{job_id}": "0" * 32, "{name}": "echo"}
# Routes of the issues to come are documented by the same rules when they are there.
EXPECTED = {
    ("post", "/v1/analyze-execution"),
    ("post", "/v1/analyze"),
    ("post", "/v1/jobs"),
    ("get", "/v1/jobs"),
    ("get", "/v1/jobs/{job_id}"),
    ("get", "/v1/plugins"),
    ("get", "/v1/plugins/{name}"),
    ("post", "/v1/plugins/{name}/reload"),
    ("post", "/v1/plugins/{name}/enable"),
    ("post", "/v1/plugins/{name}/disable"),
    ("get", "/v1/history"),
    ("get", "/v1/plugins/{name}/history"),
    ("get", "/health/live"),
    ("get", "/health/ready"),
    ("get", "/metrics"),
    ("get", "/v1/server"),
}


@pytest.fixture(scope="module")
def document(server: RunningServer) -> dict[str, Any]:
    """The server's OpenAPI document."""
    read: dict[str, Any] = server.http.get("/openapi.json").json()
    return read


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def conforms(document: dict[str, Any], name: str, value: object) -> None:
    """Check a value against one of the document's own schemas."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    faults = [fault.message for fault in jsonschema_rs.Draft202012Validator(schema).iter_errors(value)]
    assert not faults, faults


@pytest.mark.parametrize("path", ANALYSES)
def test_the_analysis_routes_keep_their_contract(server: RunningServer, document: dict[str, Any], path: str):
    body = {"plugin": "echo", "image": TEXT, "mime_type": "image/png", "options": {"a": 1}}
    answer = server.http.post(path, json=body)
    assert answer.status_code == 200
    assert set(answer.json()) >= {"result", "plugin", "job_id"}
    assert answer.json()["plugin"] == "echo"
    conforms(document, "AnalyzeAnswer", answer.json())
    for changed, code in (
        ({"image": ""}, "empty_image"),
        ({"plugin": "raising", "options": {"what": "plain"}}, "plugin_failed"),
    ):
        refused = server.http.post(path, json={**body, **changed})
        assert_error(refused, 400, code)
        conforms(document, "ErrorAnswer", refused.json())


@pytest.mark.parametrize("path", [*ANALYSES, "/v1/jobs"])
@pytest.mark.parametrize("named", [{}, {"plugin": ""}, {"plugin": None}])
def test_a_request_that_names_no_plugin_is_refused(server: RunningServer, path: str, named: dict[str, object]):
    answer = server.http.post(path, json={"image": TEXT, "mime_type": "image/png", **named})
    assert_error(answer, 400, "missing_plugin")


def test_the_document_covers_every_route_that_is_served(document: dict[str, Any], tmp_path):
    documented = {(method, path) for method, path, _ in operations(document)}
    assert documented >= EXPECTED
    app = create_app(Settings(data_dir=tmp_path, installed_plugins=False), PluginRegistry())
    own = app.openapi()
    served = {(method, path) for method, path, _ in operations(own)}
    assert documented == served
    assert not [
        route for route in app.routes if getattr(route, "include_in_schema", True) is False and "/v1" in str(route)
    ]


def test_every_operation_documents_its_errors_in_the_one_shape(document: dict[str, Any]):
    for method, path, operation in operations(document):
        assert operation.get("summary"), (method, path)
        for status in ("4XX", "5XX"):
            content = operation["responses"][status]["content"]["application/json"]
            assert content["schema"]["$ref"].endswith("/ErrorAnswer"), (method, path, status)
        assert "422" not in operation["responses"] or path.startswith(("/v1/jobs", "/v1/plugins")), (method, path)


def test_the_bodies_have_an_example_that_works(server: RunningServer, document: dict[str, Any]):
    for path in (*ANALYSES, "/v1/jobs"):
        content = document["paths"][path]["post"]["requestBody"]["content"]
        example = content["application/json"]["example"]
        answer = server.http.post(path, json={**example, "plugin": "echo"})
        assert answer.status_code in (200, 202), answer.text
    assert {"multipart/form-data", "image/jpeg", "image/png"} <= set(
        document["paths"]["/v1/analyze"]["post"]["requestBody"]["content"]
    )


def test_what_is_listed_and_shown_is_as_documented(server: RunningServer, document: dict[str, Any]):
    server.analyze("echo")
    server.analyze("raising", {"what": "plain"})
    accepted = server.submit("echo").json()
    conforms(document, "Accepted", accepted)
    conforms(document, "JobAnswer", server.ended_job(accepted["id"]))
    conforms(document, "JobList", server.http.get("/v1/jobs").json())
    conforms(document, "PluginList", server.http.get("/v1/plugins").json())
    conforms(document, "PluginAnswer", server.row("typed"))
    conforms(document, "Live", server.http.get("/health/live").json())
    conforms(document, "Ready", server.http.get("/health/ready").json())


def test_a_list_of_plugins_carries_all_that_one_row_holds(server: RunningServer):
    listed = {row["name"]: row for row in server.http.get("/v1/plugins").json()["plugins"]}
    assert listed["resting"] == server.row("resting")


def test_health_tells_of_each_plugin_whether_it_can_be_called(server: RunningServer):
    assert server.http.get("/health/live").json() == {"status": "live"}
    ready = server.http.get("/health/ready").json()
    assert (ready["ready"], ready["reasons"]) == (True, [])
    assert (ready["plugins"]["echo"], ready["plugins"]["raises_at_import"]) == (True, False)


def test_a_client_learns_the_limits_before_it_sends_an_image(server: RunningServer):
    answer = server.http.get("/v1/server").json()
    assert answer["max_body_bytes"] == Settings().max_body_bytes
    assert answer["max_pixels"] == Settings().max_pixels
    assert "image/jpeg" in answer["media_types"]
    assert answer["version"]


def test_every_other_method_on_every_path_is_405(server: RunningServer, document: dict[str, Any]):
    for path, methods in document["paths"].items():
        for part, value in FILLED.items():
            path = path.replace(part, value)
        for method in set(METHODS) - set(methods):
            answer = server.http.request(method, path)
            assert_error(answer, 405, "method_not_allowed")
            assert answer.headers["allow"]


@pytest.mark.parametrize(
    "path", ["/v1", "/v2/analyze", "/v1/analyze/", "/v1/plugins/echo/dance", "/health", "/index.html", "/%00"]
)
def test_an_address_that_is_not_there_is_404(server: RunningServer, path: str):
    for method in ("GET", "POST"):
        assert_error(server.http.request(method, path), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/analyze", "text/plain"),
        ("/v1/analyze", "application/xml"),
        ("/v1/analyze", "application/x-www-form-urlencoded"),
        ("/v1/analyze-execution", "image/png"),
        ("/v1/analyze-execution", "multipart/form-data; boundary=b"),
        ("/v1/analyze-execution", ""),
        ("/v1/jobs", "text/html"),
    ],
)
def test_a_body_of_another_type_is_415(server: RunningServer, path: str, kind: str):
    answer = server.http.post(path, content=PNG, headers={"content-type": kind})
    assert_error(answer, 415, "unsupported_content_type")


COMPRESSIBLE = {
    "/v1/analyze?plugin=echo": "image/png",
    "/v1/analyze-execution": "application/json",
    "/v1/jobs": "multipart/form-data; boundary=b",
    "/v1/jobs/batch": "application/json",
}


@pytest.mark.parametrize("path", COMPRESSIBLE)
@pytest.mark.parametrize("coding", ["gzip", "identity, br", "nonsense"])
def test_a_compressed_body_is_415_and_says_so(server: RunningServer, path: str, coding: str):
    headers = {"content-type": COMPRESSIBLE[path], "content-encoding": coding}
    error = assert_error(server.http.post(path, content=PNG, headers=headers), 415, "unsupported_content_type")
    assert f"Content-Encoding '{coding}'" in error["message"]


def test_a_body_that_says_it_is_not_compressed_is_taken(server: RunningServer):
    headers = {"content-type": "image/png", "content-encoding": "Identity"}
    assert server.http.post("/v1/analyze?plugin=echo", content=PNG, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/v1/analyze", "/v1/analyze-execution", "/v1/jobs", "/v1/jobs/batch"])
def test_json_that_is_not_utf_8_is_refused_without_a_wrong_place(server: RunningServer, path: str):
    headers = {"content-type": "application/json"}
    answer = server.http.post(path, content=b'{"plugin":"\xff"}', headers=headers)
    error = assert_error(answer, 400, "malformed_request")
    assert error["message"] == "the body is not JSON: it is not valid UTF-8"


UNKNOWN = [
    "/v1/jobs",
    "/v1/jobs/counts",
    "/v1/jobs/export",
    "/v1/plugins",
    "/v1/plugins/echo",
    "/v1/server",
    "/v1/history",
]


@pytest.mark.parametrize("path", UNKNOWN)
def test_a_parameter_that_a_route_does_not_know_is_refused(server: RunningServer, path: str):
    error = assert_error(server.http.get(f"{path}?foo=1"), 400, "unknown_field")
    assert error["details"]["field"] == "foo"


def test_a_misspelt_filter_does_not_purge_everything(server: RunningServer):
    assert_error(server.http.post("/v1/jobs/purge?all=true&stauts=failed"), 400, "unknown_field")


GIVEN_TWICE = {
    "GET /v1/jobs?plugin=echo&plugin=typed": "plugin",
    "POST /v1/jobs/purge?all=true&status=FAILED&status=SUCCESS": "status",
    "POST /v1/analyze?plugin=echo&plugin=typed": "plugin",
    "POST /v1/analyze?plugin=echo&options={}&options={}": "options",
    "POST /v1/jobs?plugin=echo&plugin=typed": "plugin",
    "POST /v1/jobs?plugin=echo&priority=1&priority=2": "priority",
}


@pytest.mark.parametrize("call", GIVEN_TWICE)
def test_a_parameter_that_is_given_twice_is_refused(server: RunningServer, call: str):
    method, _, path = call.partition(" ")
    image = PNG if "purge" not in path and method == "POST" else None
    headers = {"content-type": "image/png"} if image is not None else {}
    error = assert_error(server.http.request(method, path, content=image, headers=headers), 400, "malformed_request")
    assert error["details"]["field"] == GIVEN_TWICE[call]


BESIDE = {
    "/v1/analyze-execution": ["json"],
    "/v1/analyze": ["json", "files"],
    "/v1/jobs": ["json", "files"],
    "/v1/jobs/batch": ["json", "files"],
}


@pytest.mark.parametrize(("path", "kind"), [(path, kind) for path, kinds in BESIDE.items() for kind in kinds])
def test_a_parameter_beside_a_body_that_holds_all_is_refused(server: RunningServer, path: str, kind: str):
    bodies: dict[str, dict[str, Any]] = {
        "json": {"json": {"plugin": "echo", "image": TEXT, "mime_type": "image/png"}},
        "files": {"files": {"image": ("a.png", PNG, "image/png")}, "data": {"plugin": "echo"}},
    }
    answer = server.http.post(f"{path}?timeout_s=1", **bodies[kind])
    error = assert_error(answer, 400, "unknown_field")
    assert error["details"]["field"] == "timeout_s"


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_a_probe_that_sends_head_is_answered(server: RunningServer, path: str):
    answer = server.http.head(path)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("kind", ["application/json", "APPLICATION/JSON; charset=utf-8", "application/problem+json"])
def test_json_may_be_named_in_other_ways(server: RunningServer, kind: str):
    body = json.dumps({"plugin": "echo", "image": TEXT, "mime_type": "image/png"})
    answer = server.http.post("/v1/analyze-execution", content=body, headers={"content-type": kind})
    assert answer.status_code == 200


@pytest.mark.parametrize("name", ["nobody", "x" * 5000, "a%00b", "%ff", "Echo", "echo%20"])
@pytest.mark.parametrize("act", ["", "/reload", "/enable", "/disable"])
def test_a_plugin_that_is_not_there_is_404_on_every_route(server: RunningServer, name: str, act: str):
    answer = server.http.request("POST" if act else "GET", f"/v1/plugins/{name}{act}")
    error = assert_error(answer, 404, "plugin_not_found")
    assert error["plugin"] == unquote(name)[:200]
