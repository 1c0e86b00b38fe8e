"""The servers that are measured, and how each is started and asked."""

import base64
import json
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

FUNCTIONS = ("null", "stats")
ENCODINGS = ("JSON", "raw")
WORKERS = 2
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Peer:
    """A server. In `command`, `variables` and paths stand {bin}, {port}, {port2}, {port3}, {folder} and {function}."""

    name: str
    title: str
    package: str
    command: tuple[str, ...]
    json_path: str
    raw_path: str
    ready: str
    environment: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    body: Callable[[str, str], object] = lambda function, image: {"image": image}
    prepare: Callable[[Path], None] = lambda folder: None
    own_network: bool = False
    model_server: bool = True

    @property
    def requirements(self) -> Path:
        """The pinned packages of its environment. Sightgate needs none: it runs from the project's own."""
        return HERE / str(self.environment) / "requirements.txt"

    def path(self, function: str, encoding: str) -> str:
        return (self.json_path if encoding == "JSON" else self.raw_path).format(function=function)

    def encode(self, function: str, encoding: str, image: bytes) -> bytes:
        """The body of a request."""
        if encoding == "raw":
            return image
        return json.dumps(self.body(function, base64.b64encode(image).decode())).encode()


def _sightgate_body(function: str, image: str) -> object:
    return {"plugin": function, "image": image, "mime_type": "image/jpeg", "options": {}}


def _v2_body(function: str, image: str) -> object:
    return {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": [image]}]}


def _write_ray_token(folder: Path) -> None:
    """Ray wants a token; one of its own keeps it from making one in the user's home."""
    with os.fdopen(os.open(folder / "token", os.O_WRONLY | os.O_CREAT, 0o600), "w") as token:
        token.write(secrets.token_hex(32))


def _write_models(folder: Path) -> None:
    for function in FUNCTIONS:
        (folder / function).mkdir()
        runtime = f"benchmarks.peers.mlserver.runtime.Analyze{function.capitalize()}"
        settings = {"name": function, "implementation": runtime}
        (folder / function / "model-settings.json").write_text(json.dumps(settings))


UVICORN = (
    "{bin}/uvicorn",
    "benchmarks.peers.fastapi.application:app",
    "--host=127.0.0.1",
    "--port={port}",
    "--no-access-log",
)

SIGHTGATE = Peer(
    "sightgate",
    "Sightgate",
    "sightgate-server",
    (str(Path(sys.executable).parent / "sightgate"), "serve"),
    "/v1/analyze-execution",
    "/v1/analyze?plugin={function}",
    "/health/ready",
    variables={
        "SIGHTGATE_PORT": "{port}",
        "SIGHTGATE_DATA_DIR": "{folder}",
        "SIGHTGATE_PLUGINS_DIR": str(HERE.parent / "plugins"),
        "SIGHTGATE_INSTALLED_PLUGINS": "false",
        # 64 callers at 2 workers: the default of 32 would refuse the rest, which no other server does.
        "SIGHTGATE_MAX_WAITING": "64",
        "SIGHTGATE_LOG_FORMAT": "json",
    },
    body=_sightgate_body,
)

PEERS = (
    SIGHTGATE,
    Peer(
        "fastapi-threads",
        "FastAPI, thread pool",
        "fastapi",
        UVICORN,
        "/json/{function}",
        "/raw/{function}",
        "/openapi.json",
        environment="fastapi",
        model_server=False,
    ),
    Peer(
        "fastapi-processes",
        "FastAPI, process pool",
        "fastapi",
        UVICORN,
        "/json/{function}",
        "/raw/{function}",
        "/openapi.json",
        environment="fastapi",
        variables={"WORKERS": str(WORKERS)},
        model_server=False,
    ),
    Peer(
        "litserve",
        "LitServe",
        "litserve",
        ("{bin}/python", "-m", "benchmarks.peers.litserve.application", "{port}"),
        "/predict?function={function}",
        "/predict?function={function}",
        "/health",
        environment="litserve",
    ),
    Peer(
        "bentoml",
        "BentoML",
        "bentoml",
        (
            "{bin}/bentoml",
            "serve",
            "benchmarks.peers.bentoml.application:Analyze",
            "--host=127.0.0.1",
            "--port={port}",
        ),
        "/{function}_json",
        "/{function}_raw",
        "/readyz",
        environment="bentoml",
        variables={"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": "{folder}"},
    ),
    Peer(
        "ray-serve",
        "Ray Serve",
        "ray",
        ("{bin}/python", "-m", "benchmarks.peers.ray_serve.application", "{port}", "{folder}"),
        "/json/{function}",
        "/raw/{function}",
        "/openapi.json",
        environment="ray_serve",
        variables={
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_TOKEN_PATH": "{folder}/token",
            # Keeps the node's own address at 127.0.0.1.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        },
        prepare=_write_ray_token,
        # Its replicas listen on every interface, without a token.
        own_network=True,
    ),
    Peer(
        "mlserver",
        "MLServer",
        "mlserver",
        ("{bin}/mlserver", "start", "{folder}"),
        "/v2/models/{function}/infer",
        "/raw/{function}",
        "/v2/health/ready",
        environment="mlserver",
        variables={
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": "{port}",
            "MLSERVER_GRPC_PORT": "{port2}",
            "MLSERVER_METRICS_PORT": "{port3}",
            "MLSERVER_METRICS_DIR": "{folder}",
            "MLSERVER_ENVIRONMENTS_DIR": "{folder}",
            "MLSERVER_PARALLEL_WORKERS": str(WORKERS),
            "MLSERVER_DEBUG": "false",
        },
        body=_v2_body,
        prepare=_write_models,
    ),
)
