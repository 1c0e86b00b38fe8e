"""LitServe: one API, two workers. The body is read in the server process, decoded in a worker, as its own way is."""

import base64
import sys
from typing import Annotated

from fastapi import Depends, Request
from litserve import LitAPI, LitServer

from benchmarks.peers.functions import analyze


async def read_call(request: Request) -> dict[str, object]:
    """The function's name and the image: text (base64) from a JSON body, else the body's bytes."""
    function = request.query_params["function"]
    if request.headers["content-type"] == "application/json":
        return {"function": function, "image": (await request.json())["image"]}
    return {"function": function, "image": await request.body()}


class Analyze(LitAPI):
    def setup(self, device):
        pass

    def decode_request(self, request: Annotated[dict, Depends(read_call)]):
        image = request["image"]
        return request["function"], image if isinstance(image, bytes) else base64.b64decode(image)

    def predict(self, call):
        return analyze(*call)

    def encode_response(self, output):
        return output


if __name__ == "__main__":
    server = LitServer(Analyze(), accelerator="cpu", workers_per_device=2)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, log_level="warning"
    )
