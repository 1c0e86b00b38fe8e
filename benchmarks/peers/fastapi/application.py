"""Plain FastAPI: the function in the thread pool of one process, or in a pool of two processes (`WORKERS=2`)."""

import base64
import os
from concurrent.futures import ProcessPoolExecutor
from typing import Annotated

from fastapi import Body, FastAPI
from pydantic import BaseModel

from benchmarks.peers.functions import analyze


class Encoded(BaseModel):
    """The JSON body: the image as base64."""

    image: str


def analyze_encoded(function: str, image: str) -> dict[str, object]:
    return analyze(function, base64.b64decode(image))


app = FastAPI()
RawImage = Annotated[bytes, Body(media_type="image/jpeg")]

if workers := int(os.environ.get("WORKERS", "0")):
    import asyncio

    pool = ProcessPoolExecutor(workers)

    @app.post("/json/{function}", response_model=None)
    async def in_pool_from_json(function: str, body: Encoded) -> dict[str, object]:
        return await asyncio.get_running_loop().run_in_executor(pool, analyze_encoded, function, body.image)

    @app.post("/raw/{function}", response_model=None)
    async def in_pool_from_raw(function: str, image: RawImage) -> dict[str, object]:
        return await asyncio.get_running_loop().run_in_executor(pool, analyze, function, image)

else:

    @app.post("/json/{function}", response_model=None)
    def from_json(function: str, body: Encoded) -> dict[str, object]:
        return analyze_encoded(function, body.image)

    @app.post("/raw/{function}", response_model=None)
    def from_raw(function: str, image: RawImage) -> dict[str, object]:
        return analyze(function, image)
