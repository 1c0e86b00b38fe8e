"""The bare endpoint that Sightgate is measured against: the same function, called in FastAPI's thread pool."""

from typing import Annotated

from fastapi import Body, FastAPI
from fastapi.responses import Response

from benchmarks.plugins.null import Null

app = FastAPI()
plugin = Null()


@app.post("/analyze", response_model=None)
def analyze(image: Annotated[bytes, Body(media_type="image/jpeg")]) -> Response:
    length = plugin.run({"image": image, "mime_type": "image/jpeg", "options": {}})["bytes"]
    return Response(b'{"bytes":%d}' % length, media_type="application/json")
