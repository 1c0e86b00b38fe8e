"""Ray Serve: a FastAPI ingress with two replicas, on a Ray node of its own that listens on loopback."""

import base64
import signal
import sys
from typing import Annotated

import ray
from fastapi import Body, FastAPI
from pydantic import BaseModel
from ray import serve

from benchmarks.peers.functions import analyze

app = FastAPI()


class Encoded(BaseModel):
    """The JSON body: the image as base64."""

    image: str


@serve.ingress(app)
class Analyze:
    @app.post("/json/{function}", response_model=None)
    def from_json(self, function: str, body: Encoded) -> dict[str, object]:
        return analyze(function, base64.b64decode(body.image))

    @app.post("/raw/{function}", response_model=None)
    def from_raw(self, function: str, image: Annotated[bytes, Body(media_type="image/jpeg")]) -> dict[str, object]:
        return analyze(function, image)


if __name__ == "__main__":
    port, folder = sys.argv[1:]
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=200 * 1024 * 1024,
        _node_ip_address="127.0.0.1",
        _temp_dir=folder,
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(port)})
    replicas = serve.deployment(num_replicas=2)(Analyze)
    serve.run(replicas.bind(), route_prefix="/")
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    ray.shutdown()
